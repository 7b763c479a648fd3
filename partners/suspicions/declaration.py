"""Declaring a suspicious behaviour: by a body to MAG, which acts as their agreement says and tells the other body; by MAG to both.

Whoever is told is told by its stream of events, where the agreement asks for it and there is one; by mail otherwise; else the row waits for
the desk. Nothing here commits; called before
anything of the transaction is flushed, since the store and the evidence go first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from idp.audit import journal
from idp.audit.traces import chainage
from idp.config import Settings
from idp.database import Connections, db
from idp.declarants.models import Declarant
from idp.declarants.statuts import By, Statut
from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.habilitations.pagm import Reaction
from idp.notifications.models import Mail
from idp.oidc import suspension
from idp.oidc.client_auth import Clients
from idp.oidc.signals.events import ADDRESSES, SUSPICION
from idp.oidc.signals.models import DISABLED, Signal, Stream
from idp.oidc.suspension import Author
from idp.oidc.vecteurs import day
from idp.seals import random_token
from partners.models import Partenaire
from partners.suspicions import messages
from partners.suspicions.events import SuspicionReceived, SuspicionTold
from partners.suspicions.models import EMISE, RECUE, ComportementSuspect
from partners.suspicions.vecteur import Vecteur

NOTHING = "aucune"
"""Reaction to what MAG itself tells."""


@dataclass(frozen=True, slots=True)
class Means:
    """What declarations work with."""

    settings: Settings
    connections: Connections
    store: Ephemeral
    clients: Clients


@dataclass(frozen=True, slots=True)
class Declaration:
    """What was declared, read. `by`: a client, or an operator."""

    motif: str
    description: str
    by: str
    reference: str | None = None


def receive(means: Means, found: Vecteur, said: Declaration, partenaire: Partenaire, now: datetime) -> ComportementSuspect:
    """From one of the two bodies."""
    _leave_evidence(means, found, said, partenaire.code, now)
    person = db.session.get(Declarant, found.declarant_id) if found.declarant_id else None
    agreed = found.convention.suspicion if found.convention.in_force(day(now)) else Reaction.NOTER
    acts = person is not None and person.statut is Statut.ACTIF
    reaction = _react(means, person, agreed, partenaire.code, now) if person is not None and acts else Reaction.NOTER
    row = _write(found, said, partenaire, RECUE, str(reaction), now)
    event = SuspicionReceived(
        convention=found.convention.code,
        vecteur=found.empreinte,
        motif=said.motif,
        reaction=str(reaction),
        declarant_id=found.declarant_id,
        client_id=said.by,
    )
    journal.record(event, now)
    tell(means, found, said, now, but=partenaire.code)
    return row


def emit(means: Means, found: Vecteur, said: Declaration, now: datetime) -> list[ComportementSuspect]:
    """From MAG, to both bodies."""
    _leave_evidence(means, found, said, "mag", now)
    return tell(means, found, said, now)


def tell(means: Means, found: Vecteur, said: Declaration, now: datetime, *, but: str = "") -> list[ComportementSuspect]:
    """Each body of the agreement, `but` the one that told."""
    return [_told(means, found, said, one, now) for one in _bodies(found) if one.code != but]


def _bodies(found: Vecteur) -> Iterator[Partenaire]:
    for code in dict.fromkeys((found.convention.client, found.convention.fournisseur)):
        partenaire = Partenaire.with_code(code)
        if partenaire is not None:
            yield partenaire


def _told(means: Means, found: Vecteur, said: Declaration, partenaire: Partenaire, now: datetime) -> ComportementSuspect:
    row = _write(found, said, partenaire, EMISE, NOTHING, now)
    stream = _listening(means, partenaire) if found.convention.signaux else None
    if stream is not None:
        details = {"id": row.id, "convention": row.convention, "vecteur": row.vecteur, "motif": row.motif, "description": row.description}
        row.signal_jti = Signal.of_stream(stream, SUSPICION, now, **{name: text for name, text in details.items() if text})
    elif partenaire.contact:
        convention, issuer = found.convention.code, means.settings.issuer
        message = messages.signalement(issuer, convention, found.empreinte, said.motif, said.description, now)
        Mail.write("comportement_suspect", partenaire.contact, message, now)
        row.delivered_at = now
    event = SuspicionTold(
        convention=found.convention.code,
        vecteur=found.empreinte,
        motif=said.motif,
        partenaire=partenaire.code,
        declarant_id=found.declarant_id,
        actor=said.by,
    )
    journal.record(event, now)
    return row


def _listening(means: Means, partenaire: Partenaire) -> Stream | None:
    """Which stream of a body hears of it: that of a program alone rather than of a portal."""

    def preferred(stream: Stream) -> tuple[bool, str]:
        client = means.clients.find(stream.client_id)
        return bool(client and client.redirect_uris), stream.client_id

    def hears(stream: Stream) -> bool:
        client = means.clients.find(stream.client_id)
        asked = stream.status != DISABLED and ADDRESSES[SUSPICION] in stream.requested
        return asked and client is not None and client.partenaire == partenaire.code

    return min(filter(hears, Stream.every()), key=preferred, default=None)


def _write(found: Vecteur, said: Declaration, partenaire: Partenaire, sens: str, reaction: str, now: datetime) -> ComportementSuspect:
    row = ComportementSuspect(
        id=random_token(16),
        sens=sens,
        convention=found.convention.code,
        partenaire_id=partenaire.id,
        vecteur=found.empreinte,
        declarant_id=found.declarant_id,
        motif=said.motif,
        description=said.description,
        reference=said.reference,
        declared_at=now,
        declared_by=said.by,
        reaction=reaction,
    )
    db.session.add(row)
    return row


def _leave_evidence(means: Means, found: Vecteur, said: Declaration, by: str, now: datetime) -> None:
    told = {"convention": found.convention.code, "motif": said.motif, "declare_par": by}
    with means.connections.transaction():
        chainage.append(means.connections, found.convention.code, chainage.SUSPICION, found.empreinte, told, now)


def _react(means: Means, person: Declarant, wanted: Reaction, partenaire: str, now: datetime) -> Reaction:
    """What the agreement says; who cannot be suspended (already, or the last administrator) has their sessions ended."""
    issuer, actor = means.settings.issuer, f"partenaire:{partenaire}"
    if wanted is Reaction.SUSPENDRE:
        mail = ("suspicion_suspendre", messages.suspendu(issuer, person.full_name, now))
        try:
            suspension.suspend(means.store, means.settings, means.clients, person, Author(By.OPERATEUR, actor), mail, now)
        except RefusedError:
            wanted = Reaction.FERMER
    if wanted is Reaction.FERMER:
        mail = ("suspicion_fermer", messages.fermees(issuer, person.full_name, now))
        suspension.disconnect(means.store, means.settings, means.clients, person, actor, "suspicion", mail, now)
    return wanted
