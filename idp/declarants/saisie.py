"""What people type, read in one way wherever it is typed: text that is shown again, an e-mail address, SIRET + nom + prénom.

What it says depends on the input alone. Left out on purpose: phones (`parcours/telephones.py`), and passwords.
"""

import re
from collections.abc import Mapping

from idp.declarants.identite import Identite, InvalidNameError, check_name
from idp.declarants.inscription import EMAIL, InvalidEmailError
from idp.entreprises.siret import InvalidSiretError, Siret

LONGEST_TEXT = 254
"""Characters of a field shown again."""
NO_ADDRESS, NO_SECOND_ADDRESS = "Indiquez votre adresse électronique.", "Écrivez l'adresse une seconde fois."
NAME = re.compile(r"(?:[^\W_]|[ '’-]|\.(?= |$))+")
"""Letters, and figures for homonyms: mails greet by it, and must not carry somebody else's address."""
Errors = dict[str, str]


def shown(text: str, longest: int = LONGEST_TEXT) -> str:
    """What may be written again in a page, on one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest]


def read_email(text: str) -> str:
    """The address as it is kept. No network: the mail that it receives is the proof. Raises InvalidEmailError."""
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email("".join(text.split()), check_deliverability=False, allow_smtputf8=False).ascii_email or ""
    except EmailNotValidError:
        found = ""
    if not EMAIL.fullmatch(found):
        raise InvalidEmailError("not an address")
    return found


def email_twice(raw: Mapping[str, str], errors: Errors) -> str:
    """The fields `email` and `email2`; empty when the first is no address."""
    given, again = shown(raw.get("email", "")), shown(raw.get("email2", ""))
    try:
        checked = read_email(given)
    except InvalidEmailError as error:
        errors["email"] = error.public if given else NO_ADDRESS
        return ""
    try:
        same = read_email(again) == checked
    except InvalidEmailError:
        same = False
    if not same:
        errors["email2"] = "Les deux adresses ne sont pas les mêmes. Vérifiez l'une et l'autre." if again else NO_SECOND_ADDRESS
    return checked


def read_identite(siret: str, nom: str, prenom: str, errors: Errors) -> Identite | None:
    """The three words that name somebody; None, and why, when they cannot."""
    number: Siret | None = None
    try:
        number = Siret.parse(siret)
    except InvalidSiretError as error:
        errors["siret"] = error.public
    names = [_name(name, text, errors) for name, text in (("nom", nom), ("prenom", prenom))]
    return Identite(number, *names) if number and all(names) else None


def _name(name: str, text: str, errors: Errors) -> str:
    what = "votre nom" if name == "nom" else "votre prénom"
    try:
        return check_name(text)
    except InvalidNameError:
        errors[name] = f"Vérifiez {what} : des lettres, 80 caractères au plus." if text.strip() else f"Saisissez {what}."
        return ""
