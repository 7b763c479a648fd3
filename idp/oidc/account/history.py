"""The journal of an account in French: each kind of fact that its owner may read, in a sentence.

Left out on purpose: facts of rights, which have pages of their own, and why a sign-in was refused, which would teach a thief.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.audit.models import AuditEvent
from idp.declarants.models import ACTOR
from idp.notifications.messages import in_words
from idp.oidc.client_auth import Clients

MEMORY = timedelta(days=366)
PAGE = 30
KINDS: Mapping[str, str] = {
    "ConnexionOpened": "Connexion",
    "ConnexionRefused": "Tentative de connexion refusée",
    "ConnexionBraked": "Tentative de connexion ralentie",
    "DeviceAdmitted": "Appareil autorisé par le lien d'un courrier",
    "SessionClosed": "Déconnexion",
    "SessionsClosed": "Toutes les sessions fermées",
    "PasswordChanged": "Mot de passe changé",
    "BrakeLifted": "Ralentissement levé par l'assistance",
    "ConcurrentUseSeen": "Compte utilisé à deux endroits en même temps",
    "ConsentGiven": "Accord donné à un site",
    "FedcmCodeIssued": "Connexion à un site par la fenêtre du navigateur",
    "FrameCodeIssued": "Connexion à un site dans un cadre de sa page",
    "ConsentRefused": "Accord refusé à un site",
    "ConsentWithdrawn": "Accord retiré à un site",
    "PortalDisconnected": "Site déconnecté",
    "SoftwareDisconnected": "Logiciel retiré",
    "MachineDoorOpened": "Connexion d'un logiciel par mot de passe",
    "MachineDoorRefused": "Connexion d'un logiciel refusée",
    "CharteAccepted": "Charte acceptée",
    "IdentiteLinked": "Autre identité reliée",
    "IdentiteUnlinked": "Autre identité déliée",
    "IdentiteSwitched": "Passage depuis une autre identité",
    "RattachementOpened": "Compte d'un portail associé",
    "RattachementRefused": "Association d'un compte refusée",
    "RattachementClosed": "Compte d'un portail délié",
    "RattachementReopened": "Association d'un compte rétablie",
    "NavigationOpened": "Arrivée depuis un portail",
    "LinkedTokenIssued": "Jeton donné à un portail associé",
    "DeviceApproved": "Appareil relié par son code",
    "DeviceRefused": "Appareil refusé",
    "BackchannelApproved": "Demande d'un site acceptée",
    "BackchannelRefused": "Demande d'un site refusée",
    "DeclarantInscribed": "Inscription",
    "DeclarantChanged": "Statut ou rôle changé",
    "ProfileChanged": "Coordonnées modifiées",
    "EmailChangeAsked": "Changement d'adresse électronique demandé",
    "EmailChanged": "Adresse électronique changée",
    "EmailChangeReverted": "Changement d'adresse électronique annulé",
    "EmailConfirmed": "Adresse électronique confirmée",
    "EmailBounced": "Courrier revenu sans avoir été remis",
    "EmailUnconfirmed": "Adresse électronique restée sans réponse",
    "PreuveKept": "Identité confirmée par un service extérieur",
    "PreuveRefused": "Identité non confirmée : un autre nom a été reçu",
    "PreuveRemoved": "Preuve d'identité retirée",
    "ConnexionLinked": "Compte extérieur relié pour la connexion, ou délié",
    "DormancyWarned": "Avertissement : compte sans connexion",
    "DataExported": "Données téléchargées",
    "ConditionsAccepted": "Conditions d'utilisation acceptées",
    "InformationConsent": "Choix des messages d'information",
    "FactorAdded": "Second facteur ajouté",
    "FactorRemoved": "Second facteur retiré",
    "FactorRefused": "Second facteur refusé",
    "RecoveryCodesMade": "Codes de secours remplacés",
    "RecoveryCodeUsed": "Code de secours utilisé",
    "FactorLossAsked": "Perte du second facteur déclarée",
    "ConnexionDenied": "Connexion signalée comme n'étant pas la vôtre",
    "DeviceForgotten": "Appareil oublié",
    "RecoveryAsked": "Mot de passe oublié : demande",
    "RecoveryLinkSent": "Mot de passe oublié : lien envoyé",
    "RecoveryRefused": "Mot de passe oublié : demande refusée",
    "RecoveryFailed": "Mot de passe oublié : réponse fausse",
    "PasswordRecovered": "Mot de passe choisi de nouveau",
    "SecretQuestionSet": "Question secrète changée",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One fact."""

    number: int
    said: str
    when: str
    bad: bool
    """A refusal: what its owner should recognise as theirs."""
    details: tuple[str, ...]
    at: datetime


def lines(
    clients: Clients, declarant_id: int, now: datetime, *, before: int | None = None, limit: int = PAGE
) -> tuple[list[Line], int | None]:
    """A page of the history, the latest first, and the key of the next one; None at the end."""
    found = AuditEvent.of_person(declarant_id, KINDS, now - MEMORY, before=before, limit=limit + 1)
    said = [_line(clients, event) for event in found[:limit]]
    return said, said[-1].number if len(found) > limit else None


def _line(clients: Clients, event: AuditEvent) -> Line:
    client = clients.find(event.client_id) if event.client_id else None
    site = client.client_name if client else event.client_id
    details = (
        event.details.get("device") or "",
        "nouvel appareil" if event.details.get("new_device") else "",
        f"site : {site}" if site else "",
        f"adresse {event.address}" if event.address else "",
        _actor(event.actor),
    )
    kept = tuple(filter(None, details))
    return Line(event.id, KINDS[event.kind], in_words(event.at), event.outcome != "success", kept, event.at)


def _actor(actor: str | None) -> str:
    if actor is None or actor == "temps":
        return ""
    return "par un administrateur" if actor.startswith(ACTOR) else "par l'assistance"
