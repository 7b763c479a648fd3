"""One decision, or a thousand: AuthZEN Authorization API 1.0 sections 5 and 6.

Decided on the database at the moment of the question; asked again about one subject whose rights did not change, from memory
(`habilitations.souvenir`). `v`, the version of the rights, comes with a yes that may be kept for a while and asked again
(`rights_state.py`). It never comes with `payer`, which is looked at in the database each time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp.habilitations.disclosure import services_of_scope
from idp.habilitations.perimetre import Origine
from idp.habilitations.questions import Question, check_many
from idp.habilitations.souvenir import NOT_KEPT, Souvenirs
from idp.oidc.authzen.known import Directory, Known
from idp.oidc.authzen.requests import ACCOUNT, Evaluation
from idp.oidc.client import Client
from idp.oidc.rights import Rights

Decision = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decisions:
    """Decides, for one process."""

    directory: Directory
    rights: Rights
    souvenirs: Souvenirs

    def decide(self, client: Client, evaluations: Sequence[Evaluation], now: datetime) -> list[Decision]:
        """In the order asked."""
        known = self.directory.find(client, {one.subject for one in evaluations}, now)
        refused = [refusal(client, one) for one in evaluations]
        asked = [question(one, known.get(one.subject)) if not why else None for one, why in zip(evaluations, refused, strict=True)]
        questions = [one for one in asked if one]
        version = self._version(questions, evaluations, now)
        found = iter(self._found(questions, version, now))
        given = [next(found) if one else () for one in asked]
        self._note(zip(asked, given, strict=True), now)
        return [answer(one, why, origins, version) for one, why, origins in zip(evaluations, refused, given, strict=True)]

    def _note(self, answered: Iterable[tuple[Question | None, tuple[Origine, ...]]], now: datetime) -> None:
        """Who was said to have a right on which services: uses of them."""
        used: dict[int, set[str]] = {}
        for one, origins in answered:
            if one is not None and origins:
                used.setdefault(one.declarant_id, set()).add(one.service)
        for declarant_id, services in used.items():
            self.rights.carnet.noter(self.rights.catalogue(), declarant_id, services, now)

    def _found(self, questions: Sequence[Question], version: str, now: datetime) -> list[tuple[Origine, ...]]:
        catalogue = self.rights.catalogue()
        if version:
            return self.souvenirs.check_many(catalogue, questions[0].declarant_id, version, questions, now)
        return check_many(self.rights.connections, catalogue, questions, now)

    def _version(self, asked: Sequence[Question], evaluations: Iterable[Evaluation], now: datetime) -> str:
        """Read before the rights are: it is never newer than they are. For one subject, and what may be kept."""
        persons = {one.declarant_id for one in asked if one.droit not in NOT_KEPT}
        alone = len(persons) == 1 and len({one.subject for one in evaluations}) == 1
        return self.rights.version(persons.pop(), now) if alone else ""


def refusal(client: Client, asked: Evaluation) -> str:
    """Why the answer is no, whoever the subject is; empty when it depends on them."""
    if asked.subject.kind != ACCOUNT:
        return "sujet_inconnu"
    if asked.droit is None:
        return "action_inconnue"
    if asked.service not in services_of_scope(client.scope):
        return "service_non_ouvert"
    return "" if asked.cible is not None else "ressource_inconnue"


def question(asked: Evaluation, known: Known | None) -> Question | None:
    """What is asked of the rights; None for whom the partner does not know."""
    if known is None or asked.cible is None or asked.droit is None or not known.opens(asked.cible, asked.service, asked.droit):
        return None
    return Question(known.declarant_id, asked.cible, asked.service, asked.droit)


def answer(asked: Evaluation, why: str, origins: tuple[Origine, ...], version: str) -> Decision:
    """Section 5.2. A no says nothing of who the subject is."""
    if not origins:
        return {"decision": False, "context": {"reason": why or "aucun_droit"}}
    kept = {"v": version} if version and asked.droit not in NOT_KEPT else {}
    return {"decision": True, "context": {"origine": origins[0].nom, **kept}}


def cut(decisions: list[Decision], semantic: str) -> list[Decision]:
    """Section 6.1.1: nothing after the first no, or the first yes, where that is asked."""
    stop = {"deny_on_first_deny": False, "permit_on_first_permit": True}.get(semantic)
    at = next((i for i, one in enumerate(decisions) if one["decision"] is stop), len(decisions))
    return decisions[: at + 1]
