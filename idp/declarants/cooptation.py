"""A later administrator is let in by one who is there already: agreed or refused, the first decision wins (facts 30, 31, 33, 34, 36).

Left out on purpose: the key by post (`activation.py`), time (`echeances.py`), and the rights of an administrator who is replaced,
which belong to a higher room.
"""

from datetime import datetime, timedelta

from idp.audit import journal
from idp.database import db
from idp.declarants import transitions
from idp.declarants.equipe import messages
from idp.declarants.equipe.models import Candidature, Decision
from idp.declarants.events import CandidacyOpened
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Statut
from idp.errors import RefusedError
from idp.notifications.models import Letter, Mail

DELAY = timedelta(days=15)
"""Fact 33: without a decision, the candidacy is erased."""
KEY_LETTER = "cle_activation"
"""Letters that lose their reason once somebody decides (`activation.py` writes them)."""


class AlreadyDecidedError(RefusedError):
    """Another administrator, the key or time was first; `public` says which."""

    code = "demande_deja_decidee"
    number = "M200201"
    remedy = "Rien à faire : la demande est réglée."
    status = 409
    title = "Demande déjà décidée"
    public = "Cette demande est déjà décidée."


class AdministeredError(RefusedError):
    """An operator answers in the place of administrators who can."""

    code = "administrateur_en_place"
    number = "M200215"
    remedy = "Laissez répondre l'administrateur en place."
    status = 409
    public = "Cet établissement a un administrateur qui peut répondre : la décision lui revient."


class CollusionError(RefusedError):
    """Nobody vouches for an address that is his own."""

    code = "cooptation_de_soi"
    number = "M200202"
    remedy = "Un autre administrateur doit répondre, ou la clé postée à l'établissement."
    status = 403
    public = (
        "Cette demande porte votre propre adresse électronique : vous ne pouvez pas vous porter garant de vous-même. Un autre "
        "administrateur doit répondre, ou la clé postée à l'établissement."
    )


def open_candidacy(declarant: Declarant, now: datetime, *, issuer: str) -> Candidature:
    """Somebody whose identity was just inscribed as CANDIDAT waits for a decision; every administrator is told.

    A transaction that does nothing else twice: asked again, the candidacy there is answered.
    """
    found = Candidature.of(declarant.id)
    if found is not None:
        return found
    declarant.expires_at = now + DELAY
    opened = Candidature.open(declarant, now, declarant.expires_at)
    journal.record(CandidacyOpened(declarant_id=declarant.id, siret=int(declarant.siret)), now)
    reachable = _reachable(declarant)
    for one in reachable:
        message = messages.candidacy(issuer, one.full_name, declarant.full_name, declarant.siret, declarant.expires_at, opened.reference)
        Mail.write("candidature", one.email or "", message, now, one.id)
    if declarant.email:
        received = messages.candidacy_received(issuer, declarant.full_name, declarant.siret, declarant.expires_at, told=bool(reachable))
        Mail.write("candidature_recue", declarant.email, received, now, declarant.id)
    return opened


def _reachable(declarant: Declarant) -> list[Declarant]:
    return [one for one in Declarant.administrators(declarant.siret) if one.email]


def check_decides(administrator: Declarant, candidate: Declarant) -> None:
    """Raises CollusionError when both have one address."""
    if candidate.email and administrator.email and mailbox(candidate.email) == mailbox(administrator.email):
        raise CollusionError(f"declarant {administrator.id}")


def mailbox(address: str) -> str:
    """The box behind an address: case, and what follows a `+`, do not make another one."""
    name, _, domain = address.casefold().rpartition("@")
    return f"{name.partition('+')[0]}@{domain}"


def coopter(candidature: Candidature, administrator: Declarant, now: datetime, *, issuer: str) -> Declarant:
    """Agreed: the candidate administers from now on. Raises AlreadyDecidedError, CollusionError."""
    candidate = _decide(candidature, Decision.ACCORD, administrator, now)
    transitions.apply(candidate, Act.COOPTER, By.ADMINISTRATEUR, now, actor=administrator.actor)
    _tell_accepted(candidate, now, issuer)
    return candidate


def _tell_accepted(candidate: Declarant, now: datetime, issuer: str) -> None:
    if candidate.email:
        message = messages.accepted(issuer, candidate.identite)
        Mail.write("candidature_acceptee", candidate.email, message, now, candidate.id)


def autoriser(candidature: Candidature, operator: str, now: datetime, *, issuer: str) -> Declarant:
    """An operator agrees, for an establishment whose administrators are all suspended. `operator`: as the journal names them.

    Raises AlreadyDecidedError, AdministeredError.
    """
    candidate = db.session.get(Declarant, candidature.declarant_id)
    if candidate is None or candidate.statut is not Statut.CANDIDAT:
        raise already(candidature)
    Declarant.hold(candidature.siret.siren, candidate.id)
    if Declarant.administrators(candidature.siret):
        raise AdministeredError(f"candidacy {candidature.id}")
    _close(candidature, candidate, Decision.ACCORD, now, None)
    transitions.apply(candidate, Act.AUTORISER, By.OPERATEUR, now, actor=operator)
    _tell_accepted(candidate, now, issuer)
    return candidate


def refuser(candidature: Candidature, administrator: Declarant, now: datetime, *, issuer: str) -> str:
    """Refused: the identity is erased (fact 34); the name it had. Raises AlreadyDecidedError, CollusionError."""
    candidate = _decide(candidature, Decision.REFUS, administrator, now)
    name, email, siret = candidate.full_name, candidate.email, candidate.siret
    transitions.apply(candidate, Act.REFUSER, By.ADMINISTRATEUR, now, actor=administrator.actor)
    if email:
        Mail.write("candidature_refusee", email, messages.refused(issuer, name, siret), now)
    return name


def _decide(candidature: Candidature, decision: Decision, administrator: Declarant, now: datetime) -> Declarant:
    candidate = db.session.get(Declarant, candidature.declarant_id)
    if candidate is None or candidate.statut is not Statut.CANDIDAT:
        raise already(candidature)
    check_decides(administrator, candidate)
    _close(candidature, candidate, decision, now, administrator.id)
    return candidate


def _close(candidature: Candidature, candidate: Declarant, decision: Decision, now: datetime, by: int | None) -> None:
    if not candidature.decide(decision, now, by):
        raise already(candidature)
    Letter.void(KEY_LETTER, candidate.id, now)
    db.session.refresh(candidate)


def already(candidature: Candidature) -> AlreadyDecidedError:
    """Who was first, in words."""
    decider = db.session.get(Declarant, candidature.decided_by) if candidature.decided_by else None
    by = decider.full_name if decider else "un autre administrateur"
    public = {
        Decision.ACCORD: f"Cette demande est déjà décidée par {by} : la réponse est l'accord.",
        Decision.REFUS: f"Cette demande est déjà décidée par {by} : la réponse est le refus.",
        Decision.CLE: "Cette demande est déjà réglée : la clé postée à l'établissement a été saisie.",
        Decision.EXPIRATION: "Cette demande n'existe plus : personne n'avait répondu dans le délai.",
    }.get(candidature.decision or Decision.EXPIRATION, AlreadyDecidedError.public)
    return AlreadyDecidedError(f"candidacy {candidature.id}", public=public)
