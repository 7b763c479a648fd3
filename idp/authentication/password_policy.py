"""What a password must be: policies as data, and one pure function that says how strong one is.

NIST SP 800-63B-4 section 3.1.1.2, OWASP ASVS 6.2: length, a list of common passwords, the words of the person and of the
company; no composition rule, no expiry. The rule of before MAG (fact 16) has a name here for what is imported, and is never in force.

`static/jauge.js` mirrors `strength` for whoever types. Left out on purpose: hashing (`passwords.py`), and leaked
passwords, a list of gigabytes that belongs beside the database and not in the sources.
"""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files

from idp.config import Settings
from idp.declarants.identite import fold
from idp.entreprises.siret import Siret
from idp.errors import RefusedError

LONGEST, LONGEST_BYTES = 128, 1_024
"""Characters, bytes of UTF-8: beyond, nothing is ever hashed (C48)."""
CONTEXT = ("net-entreprises", "netentreprises", "mire d'authentification", "mag")
FEWEST = 5
"""Different characters under which a password is too simple."""
ADVANCES = 16
"""Characters that neither repeat nor follow the one before, from which a password is good."""


class PasswordTooLongError(RefusedError):
    """Refused before any work (C48)."""

    code = "mot_de_passe_trop_long"
    number = "M400004"
    remedy = "Choisissez un mot de passe de 128 caractères au plus."
    public = f"Le mot de passe compte au plus {LONGEST} caractères."


class PasswordRefusedError(RefusedError):
    """The policy says no; `public` says why and what to do."""

    code = "mot_de_passe_refuse"
    number = "M400005"
    remedy = "Choisissez un autre mot de passe : la phrase affichée dit ce qui ne va pas."
    status = 422


class Strength(StrEnum):
    """What the gauge says. FAIBLE is refused, like TROP_COURT; the two others do."""

    TROP_COURT = "trop court"
    FAIBLE = "faible"
    CORRECT = "correct"
    BON = "bon"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a password must be. Counts are characters, after NFC."""

    name: str
    shortest: int
    longest: int = LONGEST
    letters: int = 0
    digits: int = 0
    both_cases: bool = False
    lists: bool = True
    """Refuses what is common, made of one's own words, or of repeated or following characters."""


MAG = Policy("mag", 12)
LONGUE = Policy("longue", 15)
"""NIST SP 800-63B-4 section 3.1.1.1, where a password is the only factor."""
REPRISE = Policy("reprise", 8, 20, letters=6, digits=2, both_cases=True, lists=False)
"""Fact 16: the rule of the passwords that are imported."""
POLICIES = {policy.name: policy for policy in (MAG, LONGUE, REPRISE)}


def in_force(settings: Settings) -> Policy:
    """The policy of every new password."""
    return POLICIES[settings.password_policy]


# ----------------------------------------------------------------------------------------------------------------- words


def normalise(password: str) -> bytes:
    """What is hashed: NFC, UTF-8, never cut (C48). Raises PasswordTooLongError; the limits hold before and after NFC."""
    if len(password) > LONGEST:
        raise PasswordTooLongError(f"{len(password)} characters")
    raw = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    if len(raw) > LONGEST_BYTES:
        raise PasswordTooLongError(f"{len(raw)} bytes")
    return raw


def check_typed(password: str, errors: dict[str, str]) -> bool:
    """What a form says of a password before anybody tries it; whether it is beyond what is ever hashed (C48)."""
    try:
        normalise(password)
    except PasswordTooLongError as error:
        errors["password"] = error.public
        return True
    if not password:
        errors["password"] = "Saisissez votre mot de passe."
    return False


@lru_cache(maxsize=1)
def _common() -> bytes:
    """The bundled list, folded: one string of bytes a process, searched in some twenty microseconds."""
    return b"\n" + files("idp.authentication").joinpath("data/communs.txt").read_bytes()


def is_common(flat: str) -> bool:
    """Whether the list has this folded word."""
    return b"\n" + flat.encode("utf-8", "surrogatepass") + b"\n" in _common() if flat else False


def _flat(text: str) -> str:
    return fold(text).replace(" ", "")


def own_words(siret: Siret, nom: str, prenom: str, company: str = "") -> frozenset[str]:
    """What a stranger would try first: the person's and the company's own words, and MAG's."""
    words = {str(siret), str(siret.siren), _flat(nom + prenom), _flat(prenom + nom), *(_flat(word) for word in CONTEXT)}
    for name in (nom, prenom, company):
        words |= {_flat(name), *fold(name).split()}
    return frozenset(word for word in words if len(word) >= 3)


# -------------------------------------------------------------------------------------------------------------- strength


def advances(text: str) -> int:
    """Characters that neither repeat the one before nor follow it in the alphabet, one way or the other."""
    return sum(1 for n, c in enumerate(text) if n == 0 or abs(ord(c) - ord(text[n - 1])) > 1)


def unit(text: str) -> str:
    """What a text repeats: `abcabcab` repeats `abc`; the whole text when it repeats nothing."""
    return next((text[:size] for size in range(1, len(text) // 2 + 1) if (text[:size] * len(text))[: len(text)] == text), text)


def strength(password: str, policy: Policy = MAG) -> Strength:
    """How strong it is by its characters alone; `check_policy` also knows words. `jauge.js` says the same."""
    text = unicodedata.normalize("NFC", password)
    different, steps = len(set(text)), advances(unit(text.lower()))
    if len(text) < policy.shortest:
        return Strength.TROP_COURT
    if different < FEWEST or steps < policy.shortest // 2:
        return Strength.FAIBLE
    return Strength.BON if steps >= ADVANCES and different >= ADVANCES // 2 else Strength.CORRECT


# ----------------------------------------------------------------------------------------------------------------- check


def check_policy(password: str, own: Iterable[str] = (), policy: Policy = MAG) -> None:
    """Raises PasswordTooLongError, or PasswordRefusedError with what to do. `own` comes from `own_words`."""
    normalise(password)
    text = unicodedata.normalize("NFC", password)
    for reason, holds, public in _rules(policy, own):
        if not holds(text):
            raise PasswordRefusedError(reason, public=public)


def holds(password: str, policy: Policy, own: Iterable[str] = ()) -> bool:
    """Whether a policy accepts it."""
    try:
        check_policy(password, own, policy)
    except RefusedError:
        return False
    return True


def _rules(policy: Policy, own: Iterable[str]) -> list[tuple[str, Callable[[str], bool], str]]:
    """Reason, what must be so, and what to do otherwise, in the order they are said."""
    words = "quelques mots sans lien entre eux conviennent très bien."
    lists = [
        ("common", _is_uncommon, "Ce mot de passe est trop courant. Choisissez quelques mots sans lien entre eux."),
        (
            "simple",
            lambda text: strength(text, policy) is not Strength.FAIBLE,
            f"Ce mot de passe est trop simple. Choisissez-en un autre : {words}",
        ),
        (
            "own words",
            lambda text: _is_beside(text, frozenset(own), policy),
            "Ce mot de passe reprend votre nom, votre entreprise ou un mot de ce site. Choisissez d'autres mots.",
        ),
    ]
    return [
        ("too short", lambda text: len(text) >= policy.shortest, f"Choisissez au moins {policy.shortest} caractères : {words}"),
        ("too long", lambda text: len(text) <= policy.longest, f"Choisissez {policy.longest} caractères au plus."),
        ("letters", lambda text: sum(map(str.isalpha, text)) >= policy.letters, f"Choisissez au moins {policy.letters} lettres."),
        ("digits", lambda text: sum(map(str.isdigit, text)) >= policy.digits, f"Choisissez au moins {policy.digits} chiffres."),
        (
            "case",
            lambda text: not policy.both_cases or (text.lower() != text and text.upper() != text),
            "Choisissez des majuscules et des minuscules.",
        ),
        *(lists if policy.lists else []),
    ]


def _is_uncommon(text: str) -> bool:
    """Neither listed, nor listed but for figures around it, nor a listed word said again and again."""
    flat = _flat(text)
    return not any(is_common(word) for word in {flat, flat.strip("0123456789"), unit(flat)})


def _is_beside(text: str, own: frozenset[str], policy: Policy) -> bool:
    """Once those words are taken out, enough is left; a password without them is not concerned."""
    left = _without(text, own)
    return left == _flat(text) or len(left) >= policy.shortest - 4


def _without(password: str, own: frozenset[str]) -> str:
    """What is left of a password without those words; short ones count only when they stand alone."""
    left = "".join(word for word in fold(password).split() if word not in own)
    for word in sorted(own, key=lambda word: (-len(word), word)):
        left = left.replace(word, "") if len(word) > 3 else left
    return left
