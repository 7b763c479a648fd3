"""What a partner will be told, in plain French, wherever a person must agree: consent, a device's code, the backchannel. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from idp.habilitations.disclosure import SCOPE as HABILITATIONS

CLAIM_NAMES = {
    "profile": "votre nom, votre prénom et votre fonction",
    "given_name": "votre prénom",
    "usual_name": "votre nom",
    "family_name": "votre nom",
    "email": "votre adresse électronique",
    "phone": "votre numéro de téléphone",
    "uid": "un identifiant stable de votre compte",
    "siret": "le SIRET de votre établissement",
    "siren": "le SIREN de votre entreprise",
    "organizational_unit": "votre service",
    "organization_label": "le nom de votre entreprise",
    "organization": "le nom et le SIRET de votre entreprise",
    "roles": "vos rôles (déclarant, administrateur)",
    "belonging_population": "votre population d'appartenance (salarié, agent public)",
    "idp_id": "le nom de ce service d'identité",
    "idp_acr": "le niveau de votre connexion",
    "amr": "la façon dont la connexion s'est faite",
    "controles": "le résultat des vérifications de votre inscription",
    "pagm": "vos profils, dans les termes convenus avec cet organisme",
    "identite_pivot": "votre nom et votre prénom",
    "offline_access": "un accès qui se prolonge après votre déconnexion",
}


@dataclass(frozen=True, slots=True)
class Told:
    """`claims` are sentences, `rights` the names of services."""

    claims: tuple[str, ...]
    rights: tuple[str, ...]


def told(scope: Iterable[str], services: Mapping[str, str]) -> Told:
    """`services`: the names of those in force, by code."""
    scope = tuple(scope)
    claims = dict.fromkeys(CLAIM_NAMES[s] for s in scope if s in CLAIM_NAMES)
    codes = (s.removeprefix(HABILITATIONS) for s in scope if s.startswith(HABILITATIONS))
    return Told(tuple(claims), tuple(services[code] for code in codes if code in services))
