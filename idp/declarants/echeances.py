"""What time does: candidacies and first administrators that nobody decided on are erased, after warnings (facts 22, 33).

Run by a timer as often as wished: each step is a conditional write, so that run twice it changes nothing. The caller commits.
Left out on purpose: invitations, whose rights are a higher room's.
"""

from datetime import datetime, timedelta

from idp.database import db
from idp.declarants import transitions
from idp.declarants.equipe import messages
from idp.declarants.equipe.models import Candidature, Decision, expired_primo
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Statut
from idp.notifications.models import Letter, Mail

WARNINGS = (1, 3)
"""Days left at which everybody concerned is warned, the last one first."""


def expire(now: datetime, *, issuer: str) -> int:
    """Erase the candidacies whose time is over; how many."""
    return sum(_expire(one, now, issuer) for one in Candidature.due(now))


def _expire(candidature: Candidature, now: datetime, issuer: str) -> bool:
    """The person's row is locked before the candidacy, as whoever answers it does."""
    candidate = db.session.get(Declarant, candidature.declarant_id)
    there = candidate is not None and candidate.take(with_administrators=False)
    if not candidature.decide(Decision.EXPIRATION, now):
        return False
    if candidate is None or not there or candidate.statut is not Statut.CANDIDAT:
        return False
    _erase(candidate, now, issuer)
    return True


def expire_primo(now: datetime, *, issuer: str) -> int:
    """Erase the first administrators whose controls nobody settled in time; how many."""
    found = expired_primo(now)
    for one in found:
        _erase(one, now, issuer)
    return len(found)


def _erase(person: Declarant, now: datetime, issuer: str) -> None:
    name, email, siret = person.full_name, person.email, person.siret
    Letter.void("cle_activation", person.id, now)
    transitions.apply(person, Act.EXPIRER, By.TEMPS, now)
    if email:
        Mail.write("demande_effacee", email, messages.expired(issuer, name, siret), now)


def warn(now: datetime, *, issuer: str) -> int:
    """Warn three days and one day before the end, once each; how many warnings. One that was missed is not sent late."""
    warned = 0
    for candidature in Candidature.due(now + timedelta(days=max(WARNINGS)), limit=1000):
        left = next(days for days in WARNINGS if candidature.expires_at <= now + timedelta(days=days))
        candidate = db.session.get(Declarant, candidature.declarant_id)
        if candidate is not None and candidature.expires_at > now and candidature.warn(left):
            _warn(candidature, candidate, now, issuer)
            warned += 1
    return warned


def _warn(candidature: Candidature, candidate: Declarant, now: datetime, issuer: str) -> None:
    until, siret = candidature.expires_at, candidate.siret
    if candidate.email:
        message = messages.own_candidacy_soon_over(issuer, candidate.full_name, siret, until)
        Mail.write("candidature_bientot", candidate.email, message, now, candidate.id)
    for one in Declarant.administrators(siret):
        if one.email:
            message = messages.candidacy_soon_over(issuer, one.full_name, candidate.full_name, siret, until, candidature.reference)
            Mail.write("candidature_bientot", one.email, message, now, one.id)
