"""The secret question (fact 17): off unless an operator wants it, one answer three times a day, never enough where more is at stake.

Whoever asks is never told which question was chosen, nor that there is one: they say which it was, and answer it. The hash covers both.
With a second factor, or for an administrator, the right answer replaces the mail alone: the request goes to the
administrators of the establishment, who must still recognise the person.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.audit import journal
from idp.authentication.ceremony import Means
from idp.authentication.passwords import Stored
from idp.authentication.recours import demandes, limites, messages
from idp.authentication.recours.demandes import PURPOSE
from idp.authentication.recours.events import RecoveryFailed, SecretQuestionSet
from idp.authentication.recours.models import SecretQuestion
from idp.authentication.recours.voies import ANSWERED, Voie
from idp.authentication.throttle import account_of
from idp.config import Settings
from idp.database import db
from idp.declarants.identite import Identite, fold
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.errors import RefusedError, UnknownPageError
from idp.notifications.models import Mail, OneTimeLink

QUESTIONS = {
    "ecole": "Comment s'appelait votre première école ?",
    "rue": "Dans quelle rue habitiez-vous à dix ans ?",
    "professeur": "Comment s'appelait le professeur qui vous a le plus marqué ?",
    "livre": "Quel livre avez-vous relu le plus souvent ?",
    "vacances": "Où avez-vous passé vos premières vacances sans vos parents ?",
    "metier": "Quel métier vouliez-vous faire à dix ans ?",
}
OWN = "autre"
"""A question of one's own."""
LONGEST_QUESTION, SHORTEST_ANSWER, LONGEST_ANSWER = 200, 4, 100
"""Characters; of an answer once folded, for the shortest."""


class AnswerRefusedError(RefusedError):
    """The one answer: wrong, not enough for this account, no question, nobody, or one try too many."""

    code = "reponse_refusee"
    number = "M400028"
    remedy = "Prenez une autre voie : le lien par courrier électronique, votre administrateur ou l'assistance."
    status = 422
    public = (
        "Nous ne pouvons pas vous laisser choisir un mot de passe avec cette seule réponse. Si elle est juste mais ne suffit pas pour "
        "votre compte, vos administrateurs viennent d'être prévenus et vous aideront. Sinon, vérifiez vos informations ou prenez "
        "une autre voie."
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """Which question, and its answer, as they are compared."""

    question: str
    text: str

    @property
    def normal(self) -> str:
        """Case, accents, spaces and signs do not count. Never longer than what is hashed."""
        return f"{self.question}:{fold(self.text).replace(' ', '')}"[:128]


def check_offered(settings: Settings) -> None:
    """Raises UnknownPageError where the operator does not want it."""
    if not settings.secret_question:
        raise UnknownPageError("secret questions are off")


def choose(means: Means, declarant: Declarant, answer: Answer, text: str, now: datetime) -> None:
    """A question instead of the one before, if any. `text`: as its owner reads it again. Raises OverloadedError."""
    stored = means.passwords.hash(answer.normal)
    found = SecretQuestion.of(declarant.id) or SecretQuestion(declarant_id=declarant.id)
    found.text, found.answer_hash, found.pepper_id, found.set_at = text, stored.hash, stored.pepper_id, now
    db.session.add(found)
    _record_change(means.settings, declarant, now, removed=False)


def remove(settings: Settings, declarant: Declarant, now: datetime) -> None:
    """No question any more; nothing when there was none."""
    found = SecretQuestion.of(declarant.id)
    if found is not None:
        db.session.delete(found)
        _record_change(settings, declarant, now, removed=True)


def _record_change(settings: Settings, declarant: Declarant, now: datetime, *, removed: bool) -> None:
    journal.record(SecretQuestionSet(declarant_id=declarant.id, siret=int(declarant.siret), removed=removed), now)
    message = messages.question_changed(settings.issuer, declarant.full_name, now, removed=removed)
    Mail.write("question_secrete", declarant.email or "", message, now, declarant.id)


def answer_to(means: Means, identite: Identite, answer: Answer, network: str, now: datetime) -> str:
    """The word of a link that gives a new password, for a quarter of an hour. Raises AnswerRefusedError, OverloadedError.

    The first may leave lines of journal and mails for the caller to commit. Counted before tried; whoever exists or not, has a question
    or not, costs one hash.
    """
    with means.passwords.place():
        account = account_of(means.seals, identite)
        may = limites.may_answer(means.store, account, network)
        found = Declarant.find(identite)
        kept = SecretQuestion.of(found.id if found else demandes.NOBODY)
        opened = means.passwords.verify(_compared_with(means, kept), answer.normal)
    if found is None or kept is None or not (may and opened) or found.statut is not Statut.ACTIF:
        reason = "too many tries" if not may else "answer" if kept else "no question"
        declarant_id = found.id if found else None
        journal.record(RecoveryFailed(voie=Voie.QUESTION, reason=reason, declarant_id=declarant_id, siret=int(identite.siret)), now)
        raise AnswerRefusedError(reason)
    if found.second_factor or found.role.administers:
        _tell_account(means.settings, found, now)
        demandes.to_administrators(means.settings, identite, now, answered=True)
        raise AnswerRefusedError("not enough for this account")
    _tell_account(means.settings, found, now)
    data = {"voie": Voie.QUESTION, "version": found.version}
    return OneTimeLink.issue(PURPOSE, now, ANSWERED, declarant_id=found.id, data=data)


def _compared_with(means: Means, kept: SecretQuestion | None) -> Stored:
    return Stored(kept.answer_hash, kept.pepper_id) if kept else means.passwords.decoy()


def _tell_account(settings: Settings, found: Declarant, now: datetime) -> None:
    Mail.write("question_repondue", found.email or "", messages.answered(settings.issuer, found.full_name, now), now, found.id)
