"""People who are in already are examined too: whoever accepts an invitation, and everybody again before they declare (fact 73).

Nothing here closes a door: an operator decides of what is doubtful, at the desk. Left out on purpose: the sign-in, which waits
for no register.
"""

from collections import Counter
from datetime import datetime

from idp.declarants.controles import pipeline
from idp.declarants.controles.dossier import Moment, Subject
from idp.declarants.controles.models import Controle, to_examine
from idp.declarants.controles.verdict import Verdict
from idp.declarants.models import Declarant
from idp.declarants.parcours.models import ProfilEtablissement
from idp.declarants.profils import Profil

BATCH = 200
"""People of one transaction."""


def subject(person: Declarant, moment: Moment) -> Subject:
    """As the rules see somebody who is in: with the profile of the establishment, and no service asked for."""
    known = ProfilEtablissement.find(person.siret)
    profil = known.profil if known else Profil.ENTREPRISE
    return Subject(person.siret, person.nom, person.prenom, person.email or "", profil, moment=moment)


def invite(person: Declarant, now: datetime) -> Verdict:
    """Whoever accepts an invitation: a colleague vouched for them, an operator sees what is doubtful."""
    outcome = pipeline.examine(subject(person, Moment.INSCRIPTION), now)
    return pipeline.keep(person.id, outcome, now).verdict


def revoir(now: datetime, before: datetime, after: int = 0) -> tuple[Counter[Verdict], int]:
    """Examine again those whose last examination is older than `before`, by number: verdicts, and the last number (0: none left).

    What is found again as it was only says when: the decision of an operator holds until something else is found.
    """
    seen: Counter[Verdict] = Counter()
    people = to_examine(before, after, BATCH)
    for person in people:
        outcome = pipeline.examine(subject(person, Moment.DECLARATION), now)
        last = Controle.last(person.id, Moment.DECLARATION)
        if last is not None and (last.verdict, tuple(last.motifs.split())) == (outcome.verdict, outcome.reasons):
            last.examined_at = now
        else:
            pipeline.keep(person.id, outcome, now)
        seen[outcome.verdict] += 1
    return seen, people[-1].id if people else 0
