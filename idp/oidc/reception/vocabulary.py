"""What others may say of somebody, and what MAG does about it: the events of CAEP and RISC, the effects, a transmitter's policy. Pure.

Implements CAEP 1.0 section 3, RISC 1.0 section 2, Shared Signals Framework 1.0 section 8.1.4 (verification). ours: whatever is not named
by a policy is noted and nothing else; an event of a type that is not here is never obeyed.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from idp.oidc.signals.events import ADDRESSES, CAEP, RISC
from idp.oidc.signals.events import UPDATED as STREAM_UPDATED
from idp.oidc.signals.events import VERIFICATION as TRIED

VERIFICATION, UPDATED = ADDRESSES[TRIED], ADDRESSES[STREAM_UPDATED]


class Effet(StrEnum):
    """What an event may cause, the weakest first."""

    NOTER = "noter"
    RENFORCER = "renforcer"
    FERMER = "fermer"
    SUSPENDRE = "suspendre"

    @property
    def rank(self) -> int:
        return list(Effet).index(self)


EFFETS = {
    Effet.NOTER: "noter",
    Effet.RENFORCER: "exiger un second facteur",
    Effet.FERMER: "fermer les sessions",
    Effet.SUSPENDRE: "suspendre le compte",
}
"""As operators read them."""
FAITS = {
    Effet.NOTER: "Noté",
    Effet.RENFORCER: "Second facteur exigé",
    Effet.FERMER: "Sessions fermées",
    Effet.SUSPENDRE: "Compte suspendu",
}
"""The same, done."""


class Motif(StrEnum):
    """Why an event was only noted, where its transmitter's policy would have more."""

    AUCUN = ""
    TYPE = "type"
    SUJET = "sujet"
    INCONNU = "inconnu"
    INACTIF = "inactif"
    DEJA = "deja"
    PLAFOND = "plafond"
    VERIFICATION = "verification"
    ETAT = "etat"


MOTIFS = {
    Motif.TYPE: "type d'événement inconnu de MAG",
    Motif.SUJET: "désignation non convenue avec cet émetteur",
    Motif.INCONNU: "personne inconnue de cet émetteur",
    Motif.INACTIF: "le compte n'est pas actif",
    Motif.DEJA: "déjà fait, et personne ne s'est connecté depuis",
    Motif.PLAFOND: "plafond de personnes atteint",
    Motif.VERIFICATION: "essai demandé par MAG",
    Motif.ETAT: "essai que MAG n'a pas demandé",
}

TYPES = {
    **{
        name: CAEP + name
        for name in ("session-revoked", "credential-change", "token-claims-change", "assurance-level-change", "device-compliance-change")
    },
    **{
        name: RISC + name
        for name in (
            *("account-disabled", "account-enabled", "account-purged", "identifier-changed", "account-credential-change-required"),
            *("credential-compromise", "sessions-revoked"),
        )
    },
}
"""Short names, for policies, and the address of each event."""
NAMES = {address: name for name, address in TYPES.items()}
WORDS = {
    "session-revoked": "Session révoquée",
    "credential-change": "Moyen de connexion modifié",
    "token-claims-change": "Attributs modifiés",
    "assurance-level-change": "Niveau de garantie modifié",
    "device-compliance-change": "Conformité d'un appareil modifiée",
    "account-disabled": "Compte suspendu",
    "account-enabled": "Compte rétabli",
    "account-purged": "Compte supprimé",
    "identifier-changed": "Identifiant modifié",
    "account-credential-change-required": "Changement d'identifiants exigé",
    "credential-compromise": "Identifiants compromis",
    "sessions-revoked": "Sessions révoquées",
}
"""As operators read them."""
SAID = {
    "session-revoked": "a mis fin à une de vos sessions chez lui",
    "credential-change": "a enregistré le changement d'un de vos moyens de connexion chez lui",
    "token-claims-change": "a enregistré un changement de ce qu'il sait de vous",
    "assurance-level-change": "a changé le niveau de confiance de votre identification chez lui",
    "device-compliance-change": "a constaté qu'un de vos appareils n'est plus conforme à ses règles",
    "account-disabled": "a suspendu votre compte chez lui",
    "account-purged": "a supprimé votre compte chez lui",
    "identifier-changed": "a enregistré le changement de votre identifiant chez lui",
    "account-credential-change-required": "exige que vous changiez de moyen de connexion chez lui",
    "credential-compromise": "a constaté que vos identifiants ont été compromis",
    "sessions-revoked": "a mis fin à toutes vos sessions chez lui",
}
"""What the transmitter did, as the person reads it: « Portail des paies » …"""
HARMLESS = frozenset({"account-enabled"})
"""Good news: whatever a policy says, there is nothing to protect from."""
KEPT = (
    *("initiating_entity", "reason", "credential_type", "change_type", "current_level", "previous_level", "change_direction"),
    *("current_status", "previous_status", "state"),
)
"""Members of an event that are kept when they are short texts: none of them names anybody."""
LONGEST_KEPT = 100


class PolitiqueError(ValueError):
    """It cannot be a policy. The message says why, in French."""


def read_policy(lines: Iterable[str]) -> dict[str, str]:
    """From `type=effet`; what is only noted is not written. Raises PolitiqueError."""
    found: dict[str, str] = {}
    for line in lines:
        name, _, effet = (part.strip() for part in line.partition("="))
        if name not in TYPES:
            raise PolitiqueError(f"Type d'événement inconnu : « {name} ». Types : {', '.join(TYPES)}.")
        if effet not in set(Effet):
            raise PolitiqueError(f"Effet inconnu : « {effet} ». Effets : {', '.join(Effet)}.")
        if name in HARMLESS and effet != Effet.NOTER:
            raise PolitiqueError(f"« {name} » ne peut être que noté.")
        found[name] = effet
    return {name: effet for name, effet in found.items() if effet != Effet.NOTER}


def wanted(policy: Mapping[str, str], name: str) -> Effet:
    """What a policy says of an event; what cannot be read is noted."""
    said = policy.get(name, Effet.NOTER)
    return Effet(said) if said in set(Effet) and name not in HARMLESS else Effet.NOTER


def kept(content: Mapping[str, object]) -> dict[str, str]:
    """What is kept of an event."""
    found = {name: content.get(name) for name in KEPT}
    return {name: value[:LONGEST_KEPT] for name, value in found.items() if isinstance(value, str) and value.isprintable()}
