"""Scopes and claims: what each scope opens, and the values of one person. Pure.

One scope per claim as ProConnect and FranceConnect name them, beside the four of OpenID Connect Core section 5.4. A claim
without a value is left out, never null nor empty (Core section 5.3.2).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from idp.habilitations.disclosure import DECISION
from idp.habilitations.disclosure import SCOPE as HABILITATIONS

SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "openid": ("sub",),
    "profile": ("name", "given_name", "family_name", "usual_name", "job", "updated_at"),
    "email": ("email", "email_verified", "email_verified_at"),
    "phone": ("phone_number", "phone_number_verified"),
    "given_name": ("given_name",),
    "usual_name": ("usual_name",),
    "family_name": ("family_name",),
    "uid": ("uid",),
    "siret": ("siret",),
    "siren": ("siren",),
    "organizational_unit": ("organizational_unit",),
    "organization_label": ("organization_label",),
    "organization": ("label", "siret", "is_external", "is_public_service"),
    "roles": ("roles",),
    "idp_id": ("idp_id",),
    "idp_acr": ("idp_acr",),
    "identite_pivot": ("given_name", "family_name"),
    "amr": ("amr",),
    "belonging_population": ("belonging_population",),
    "chorusdt": (),
    "custom": (),
    "controles": ("controles",),
    "pagm": ("pagm",),
    "offline_access": (),
}
CLAIMS = tuple(
    sorted({claim for claims in SCOPE_CLAIMS.values() for claim in claims} | {"acr", "auth_time", "sid", "hab", "habilitations_flat"})
)
PAGM = "pagm"
"""Scope and claim: the profiles that an agreement between two bodies lets a token say (`habilitations/pagm.py`)."""
CLAIMS_OF_RIGHTS = ("hab", "_claim_names", "_claim_sources", PAGM)
"""In an access token, and told anew at introspection; an opaque token does without."""
DETAILS = "authorization_details"
"""RFC 9396: in every access token about one establishment, since it says which; told anew at introspection too."""
AMR_NAMES: Mapping[str, Mapping[str, str]] = {"": {}, "franceconnect": {"totp": "otp"}}
"""Words of `amr` that a client knows by another name (RFC 8176 section 2)."""
PUBLIC_LEGAL_CATEGORIES = ("71", "72", "73", "74", "41")
"""First digits of the legal categories of public bodies (INSEE, level II)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What MAG knows of the person a token is about."""

    uid: str
    siret: str
    nom: str
    prenom: str
    role: str
    email: str | None = None
    email_verified: bool = False
    email_verified_at: int = 0
    """Epoch seconds of the last proof that the person reads that address."""
    telephone: str | None = None
    fonction: str | None = None
    service_interne: str | None = None
    updated_at: int = 0
    """Epoch seconds."""
    organization_label: str | None = None
    categorie_juridique: str | None = None


def amr_for(client_names: str, amr: Iterable[str]) -> list[str]:
    """How someone signed in, in the words of a client (`Client.amr_names`)."""
    names = AMR_NAMES[client_names]
    return [names.get(word, word) for word in amr]


def is_about_a_person(scope: str) -> bool:
    """Of a scope: what it opens is somebody's, and nothing that a client asks in its own name."""
    return scope in SCOPE_CLAIMS or (scope.startswith(HABILITATIONS) and scope != DECISION)


def claims_of_scope(scope: Iterable[str]) -> frozenset[str]:
    """Claims that the userinfo endpoint answers for these scopes."""
    return frozenset(claim for s in scope for claim in SCOPE_CLAIMS.get(s, ()))


def opened(claims: Collection[str], scope: Iterable[str]) -> tuple[str, ...]:
    """Of claims asked one by one, those that one of these scopes opens (C10)."""
    if not claims:
        return ()
    open_to = claims_of_scope(scope)
    return tuple(claim for claim in claims if claim in open_to)


def scope_of_claim(claim: str, scope: Iterable[str]) -> str | None:
    """The scope that opens a claim, the narrowest first: what a person is told when a claim is asked by itself."""
    opening = [s for s in scope if claim in SCOPE_CLAIMS.get(s, ())]
    return min(opening, key=lambda s: (len(SCOPE_CLAIMS[s]), s), default=None)


def values(person: Person, *, idp_id: str, acr: str, amr: Iterable[str]) -> dict[str, Any]:
    """Every claim that has a value."""
    public = (person.categorie_juridique or "").startswith(PUBLIC_LEGAL_CATEGORIES)
    every = {
        "name": f"{person.prenom} {person.nom}",
        "given_name": person.prenom,
        "family_name": person.nom,
        "usual_name": person.nom,
        "job": person.fonction,
        "updated_at": person.updated_at or None,
        "email": person.email,
        "email_verified": person.email_verified if person.email else None,
        "email_verified_at": (person.email_verified_at or None) if person.email and person.email_verified else None,
        "phone_number": person.telephone,
        "phone_number_verified": False if person.telephone else None,
        "uid": person.uid,
        "siret": person.siret,
        "siren": person.siret[:9],
        "organizational_unit": person.service_interne,
        "organization_label": person.organization_label,
        "label": person.organization_label,
        "is_external": False,
        "is_public_service": public if person.categorie_juridique else None,
        "belonging_population": "agent" if public else ("salarie" if person.categorie_juridique else None),
        "roles": person.role.split("_"),
        "idp_id": idp_id,
        "idp_acr": acr,
        "amr": list(amr),
    }
    return {name: value for name, value in every.items() if value is not None and value != ""}


def select_claims(person: Person, wanted: Iterable[str], *, idp_id: str, acr: str, amr: Iterable[str]) -> dict[str, Any]:
    """Only what was asked, and has a value."""
    every = values(person, idp_id=idp_id, acr=acr, amr=amr)
    return {name: every[name] for name in sorted(wanted) if name in every}
