"""Whether whom a provider proved is whom MAG knows: the names, then the company. Nothing else of what it says is looked at.

ours: the family name must be one of those that the provider says (at birth, or in use), and each first name typed one of the first
names that it gives, as registers of representatives are read; no likeness, since a proof that guesses proves nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from idp.declarants.identite import Identite, fold
from idp.declarants.preuves.models import LIFE, Preuve, hash_of
from idp.entreprises.siret import InvalidSiretError, Siret
from idp.seals import Seals
from partners.amont.models import Fournisseur
from partners.amont.profils import CERTIFICATION_DIRIGEANT
from partners.amont.relying import Arrived

PURPOSE = "preuves"
"""Of the keyed digests."""
FAMILY_NAMES = ("usual_name", "family_name", "preferred_username")


def _said(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return fold(value) if isinstance(value, str) and len(value) <= 256 else ""


def is_same_person(claims: Mapping[str, Any], identite: Identite) -> bool:
    """By their names."""
    nom, prenoms = fold(identite.nom), set(fold(identite.prenom).split())
    return (
        nom in {_said(claims, name) for name in FAMILY_NAMES} - {""}
        and bool(prenoms)
        and prenoms <= set(_said(claims, "given_name").split())
    )


def siret_of(claims: Mapping[str, Any], identite: Identite) -> Siret | None:
    """The establishment where the provider knows them, if it is of the same company."""
    given = claims.get("siret")
    try:
        found = Siret.parse(given) if isinstance(given, str) else None
    except InvalidSiretError:
        return None
    return found if found is not None and found.siren == identite.siret.siren else None


def hashes_of(seals: Seals, fournisseur: Fournisseur, subject: str) -> list[str]:
    """Who somebody is there, under every master secret, the current one first."""
    return [mac.hex() for mac in seals.macs(PURPOSE, f"{fournisseur.issuer}\n{subject}".encode())]


TIED = frozenset({"eidas1", "eidas1-mfa", "eidas2", "eidas3", CERTIFICATION_DIRIGEANT})
"""Levels at which ProConnect itself checked the tie of a person to their company; below, or without a word, it is their own saying."""


def preuve_of(seals: Seals, fournisseur: Fournisseur, arrived: Arrived, identite: Identite, now: datetime) -> Preuve | None:
    """The proof, of nobody yet; None when it is of somebody else."""
    if not is_same_person(arrived.claims, identite):
        return None
    siret = siret_of(arrived.claims, identite) if fournisseur.profil == "proconnect" and arrived.acr in TIED else None
    return Preuve(
        fournisseur=fournisseur.code,
        nom=fournisseur.nom,
        sujet_hash=hashes_of(seals, fournisseur, arrived.subject)[0],
        identite_hash=hash_of(identite),
        niveau=arrived.acr[:120],
        siret=int(siret) if siret else None,
        dirigeant=siret is not None and arrived.acr == CERTIFICATION_DIRIGEANT,
        proved_at=now,
        expires_at=now + LIFE,
    )
