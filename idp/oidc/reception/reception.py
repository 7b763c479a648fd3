"""Receiving one event: what it says, whom it is about, what its transmitter's policy has MAG do; the row, the journal and the effect are
one transaction, so that a `jti` counts once (RFC 8417 section 2.2).

Whoever is unknown, named otherwise than agreed, or of an unknown type: acknowledged, noted, and the transmitter learns nothing. ours:
nothing is done twice to somebody who did not sign in since, so that two sites that tell each other what they hear do not go round.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.audit import journal
from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.ephemeral import Counter
from idp.logs import logger, note
from idp.oidc.reception import lecture
from idp.oidc.reception.effets import Means, act, actor_of
from idp.oidc.reception.events import EmetteurCapped, SignalReceived, SignalRefused
from idp.oidc.reception.lecture import Lu, SetRefusedError
from idp.oidc.reception.models import REFUS, Emetteur, SignalRecu
from idp.oidc.reception.personnes import Registre, UnagreedError, person_named
from idp.oidc.reception.vocabulary import VERIFICATION, Effet, Motif

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REFUSALS_KEPT = 20
"""Refused tokens of one transmitter that are written down in an hour; the others are in the log alone."""


class KeysAwayError(Exception):
    """Its keys cannot be read at this moment: the event is neither believed nor refused, and is to be sent again."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about an event, to whom, and why no more."""

    effet: Effet
    motif: Motif = Motif.AUCUN
    person: Declarant | None = None


@dataclass(frozen=True, slots=True)
class Reception:
    """Receives, for one process."""

    means: Means
    registre: Registre

    def verified(self, emetteur: Emetteur, text: str, now: datetime) -> Lu:
        """Before any transaction: keys may be fetched. Raises SetRefusedError, KeysAwayError."""
        unverified = lecture.header_of(text)
        keys = self.registre.keys(emetteur, unverified.kid)
        if keys is None:
            raise KeysAwayError(emetteur.code)
        return lecture.read(unverified, keys, issuer=emetteur.issuer, audience=emetteur.audience, now=now.timestamp())

    def receive(self, emetteur_id: int, lu: Lu, now: datetime) -> bool:
        """In the caller's transaction; False when it came before, or its transmitter was cut off meanwhile."""
        emetteur = Emetteur.held(emetteur_id)
        if emetteur is None or not emetteur.enabled or SignalRecu.came(emetteur_id, lu.jti):
            return False
        decided = self._decide(emetteur, lu, now)
        done = decided.effet
        if decided.person is not None and decided.effet is not Effet.NOTER:
            done = act(self.means, emetteur, decided.person, lu.kind, decided.effet, now)
        return self._written(emetteur, lu, decided, done, now)

    def refuse(self, emetteur: Emetteur, error: SetRefusedError, now: datetime) -> None:
        """A transmitter that proved who it is sent something else than it should: operators see why. In the caller's transaction."""
        logger.warning("security event refused", extra={"fields": {"emetteur": emetteur.code, "reason": str(error)}})
        if self.means.store.count(Counter(f"set:refus:{emetteur.code}", 3600))[0] > REFUSALS_KEPT:
            return
        row = SignalRecu(emetteur_id=emetteur.id, kind="", effet=REFUS, motif=str(error)[:200], details={}, received_at=now)
        db.session.add(row)
        journal.record(SignalRefused(emetteur=emetteur.code, reason=str(error)[:200], actor=actor_of(emetteur)), now)

    # ------------------------------------------------------------------------------------------------------- what to do

    def _decide(self, emetteur: Emetteur, lu: Lu, now: datetime) -> Decision:
        if lu.is_of_stream:
            return Decision(Effet.NOTER, self._tried(emetteur, lu, now))
        if not lu.is_known:
            return Decision(Effet.NOTER, Motif.TYPE)
        try:
            person = person_named(emetteur, lu.subject, self.means.settings.issuer, self.means.clients, self.registre)
        except UnagreedError:
            return Decision(Effet.NOTER, Motif.SUJET)
        if person is None:
            return Decision(Effet.NOTER, Motif.INCONNU)
        wanted = emetteur.wants(lu.kind)
        less = _less(emetteur, person, wanted, now) if wanted is not Effet.NOTER else Motif.AUCUN
        return Decision(Effet.NOTER if less else wanted, less, person)

    @staticmethod
    def _tried(emetteur: Emetteur, lu: Lu, now: datetime) -> Motif:
        """Framework section 8.1.4: the event that MAG asked for, or one that it did not."""
        if lu.address != VERIFICATION:
            return Motif.AUCUN
        if not emetteur.essai_etat or lecture.state_of(lu) != emetteur.essai_etat:
            return Motif.ETAT
        emetteur.essai_etat, emetteur.verified_at = None, now
        return Motif.VERIFICATION

    # --------------------------------------------------------------------------------------------------------- the row

    @staticmethod
    def _written(emetteur: Emetteur, lu: Lu, decided: Decision, done: Effet, now: datetime) -> bool:
        person, code = decided.person, emetteur.code
        emetteur.heard_at = now
        if decided.motif is Motif.PLAFOND and emetteur.alerte_at is None:
            emetteur.alerte_at = now
            journal.record(EmetteurCapped(emetteur=code, actor=actor_of(emetteur)), now)
        event = SignalReceived(
            emetteur=code,
            evenement=lu.kind,
            jti=lu.jti,
            effet=str(done),
            motif=str(decided.motif) or None,
            declarant_id=person.id if person else None,
            siret=int(person.siret) if person else None,
            actor=actor_of(emetteur),
        )
        journal.record(event, now)
        row = SignalRecu(
            emetteur_id=emetteur.id,
            jti=lu.jti,
            kind=lu.kind,
            declarant_id=person.id if person else None,
            effet=str(done),
            motif=str(decided.motif),
            details=lu.details,
            occurred_at=lu.occurred_at,
            received_at=now,
        )
        if not row.insert():
            return False
        note("security event received", emetteur=code, event=lu.kind, effect=str(done), why=str(decided.motif))
        return True


def _less(emetteur: Emetteur, person: Declarant, wanted: Effet, now: datetime) -> Motif:
    """Why what the policy says is not done to this person; empty when it is."""
    if person.statut is not Statut.ACTIF:
        return Motif.INACTIF
    if _is_done(emetteur, person, wanted):
        return Motif.DEJA
    return Motif.PLAFOND if _is_beyond(emetteur, person, now) else Motif.AUCUN


SIGN_INS = ("ConnexionOpened", "SessionRaised", "MachineDoorOpened")
"""What the journal calls whatever opens a session or gives a token."""


def _is_done(emetteur: Emetteur, person: Declarant, wanted: Effet) -> bool:
    """As much was done already at this transmitter's word, and the person did not sign in since: there is nothing to end.

    A suspension, and two factors at the next sign-in, are states: there, or to be made again.
    """
    if wanted is Effet.SUSPENDRE or (wanted is Effet.RENFORCER and person.renforcer_at is None):
        return False
    last = SignalRecu.last_act(emetteur.id, person.id)
    if last is None or Effet(last.effet).rank < wanted.rank:
        return False
    return not AuditEvent.of_person(person.id, SIGN_INS, last.received_at, limit=1)


def _is_beyond(emetteur: Emetteur, person: Declarant, now: datetime) -> bool:
    """Too many persons for one transmitter: it lost its mind, or its keys."""
    limits = ((emetteur.plafond_heure, HOUR), (emetteur.plafond_jour, DAY))
    return any(SignalRecu.touched(emetteur.id, now - window, but=person.id) >= most for most, window in limits)
