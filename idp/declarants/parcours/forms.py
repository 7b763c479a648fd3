"""The forms of the inscription: raw text in, checked values or French messages out. What they say depends on the input alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from idp.declarants.identite import LONGEST_CLE, Identite, InvalidNameError, check_name
from idp.declarants.parcours import telephones
from idp.declarants.parcours.models import Inscription
from idp.declarants.parcours.telephones import InvalidPhoneError
from idp.declarants.profils import Profil, Secteur
from idp.declarants.saisie import NAME, email_twice, shown
from idp.entreprises.siret import InvalidSiretError, Siret

MISSING = {
    "nom": "Indiquez votre nom.",
    "prenom": "Indiquez votre prénom.",
    "telephone": "Indiquez un numéro de téléphone.",
}


Fields = MultiDict[str, str]
"""`request.form`: several values may bear one name."""


@dataclass(frozen=True, slots=True)
class Depart:
    """The first page: a SIRET."""

    siret: str = ""
    number: Siret | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Fields) -> "Depart":
        text = raw.get("siret", "")
        try:
            number = Siret.parse(text)
        except InvalidSiretError as error:
            return cls(shown(text), None, {"siret": error.public})
        return cls(number.grouped, number)


@dataclass(frozen=True, slots=True)
class Adresse:
    """An e-mail address, typed twice."""

    email: str = ""
    confirmation: str = ""
    checked: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Fields) -> "Adresse":
        email, again = shown(raw.get("email", "")), shown(raw.get("email2", ""))
        errors: dict[str, str] = {}
        checked = email_twice(raw, errors)
        return cls(email, again, checked, errors)


@dataclass(frozen=True, slots=True)
class Coordonnees:
    """Who the person is, and how to reach them (fact 12)."""

    nom: str = ""
    prenom: str = ""
    telephone: str = ""
    mobile: str = ""
    email: str = ""
    confirmation: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, draft: Inscription) -> "Coordonnees":
        """What was typed before."""
        email = draft.email or ""
        return cls(draft.nom or "", draft.prenom or "", draft.telephone or "", draft.mobile or "", email, email)

    @classmethod
    def parse(cls, raw: Fields, siret: Siret, region: str) -> "Coordonnees":
        """Without errors, every value is as it will be kept."""
        typed = {name: shown(raw.get(name, "")) for name in ("nom", "prenom", "telephone", "mobile", "email", "email2")}
        errors: dict[str, str] = {}
        for name in ("nom", "prenom"):
            typed[name] = _name(typed[name], name, errors)
        if "nom" not in errors and "prenom" not in errors and len(Identite(siret, typed["nom"], typed["prenom"]).cle) > LONGEST_CLE:
            errors["nom"] = "Le nom et le prénom sont trop longs."
        typed["telephone"] = _phone(typed["telephone"], "telephone", region, errors) if typed["telephone"] else ""
        if not typed["telephone"]:
            errors["telephone"] = MISSING["telephone"]
        if typed["mobile"]:
            typed["mobile"] = _phone(typed["mobile"], "mobile", region, errors)
        typed["email"] = email_twice(raw, errors) or typed["email"]
        ordered = {name: errors[name] for name in typed if name in errors}
        return cls(typed["nom"], typed["prenom"], typed["telephone"], typed["mobile"], typed["email"], typed["email2"], ordered)


def _name(text: str, name: str, errors: dict[str, str]) -> str:
    try:
        checked = check_name(text)
    except InvalidNameError:
        checked = ""
    if not NAME.fullmatch(checked):
        errors[name] = (
            f"Écrivez votre {'nom' if name == 'nom' else 'prénom'} en lettres, en 80 caractères au plus." if text else MISSING[name]
        )
    return checked or text


def _phone(text: str, name: str, region: str, errors: dict[str, str]) -> str:
    try:
        return telephones.read(text, region, mobile=name == "mobile")
    except InvalidPhoneError as error:
        errors[name] = error.public
        return text


@dataclass(frozen=True, slots=True)
class Activite:
    """Profile and sector (fact 6)."""

    profil: Profil | None = None
    secteur: Secteur | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Fields) -> "Activite":
        profil, secteur = raw.get("profil", ""), raw.get("secteur", "")
        known = Profil(profil) if profil in set(Profil) else None, Secteur(secteur) if secteur in set(Secteur) else None
        errors = {"profil": "Choisissez un profil."} if known[0] is None else {}
        if known[1] is None:
            errors["secteur"] = "Choisissez un secteur."
        return cls(*known, errors)


def chosen_services(raw: Fields, offered: Collection[str]) -> list[str]:
    """The services ticked, among those that may be."""
    ticked = set(raw.getlist("services"))
    return [code for code in offered if code in ticked]
