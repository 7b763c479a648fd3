"""What a stranger, or somebody who is in, makes MAG tell the administrators of an establishment (facts 14, 26). The caller commits.

No text of a stranger is passed on: a name in letters, an address to answer, and boxes that were ticked. The answer on the page is
the same whoever administers, and whether anybody does.
"""

from collections.abc import Sequence
from datetime import datetime

from idp.audit import journal
from idp.config import HOUR
from idp.declarants.models import Declarant
from idp.declarants.parcours import messages
from idp.declarants.parcours.events import CardContested, WordRelayed
from idp.declarants.parcours.limits import DAY, TooManyMailsError
from idp.entreprises.models import Carte
from idp.ephemeral import Counter, Ephemeral
from idp.notifications.models import Mail

MOST_TOLD = 20
"""Administrators written to at once."""
A_BLOCK, A_SIRET, FREE = 6, 5, 2
"""Words a day: from one network, to one establishment; those of a network that ask for no proof of work."""
CONTESTED_A_DAY = 2
FAUX = {
    "nom": "le nom",
    "adresse": "l'adresse",
    "etat": "l'état (ouvert ou fermé)",
    "siege": "le siège",
    "autre": "autre chose",
}
"""What may be said to be false of a card."""


def count(store: Ephemeral, siret: str, block: str) -> int:
    """One more word; how many this network has had passed on today. Raises TooManyMailsError."""
    counters = (Counter(f"relais:{block}", DAY), Counter(f"relais:{siret}:{block}", HOUR), Counter(f"relais:{siret}", DAY))
    numbers = store.count(*counters)
    if any(number > most for number, most in zip(numbers, (A_BLOCK, FREE, A_SIRET), strict=True)):
        store.count(*counters, by=-1)
        raise TooManyMailsError("relais")
    return numbers[0]


def told(store: Ephemeral, block: str) -> int:
    """How many this network has had passed on today."""
    return store.count(Counter(f"relais:{block}", DAY), by=0)[0]


def relay(issuer: str, card: Carte, name: str, email: str, now: datetime) -> None:
    """Each administrator is told that somebody would join; they learn a name and an address, the other learns nothing."""
    administrators = [one for one in Declarant.administrators(card.siret) if one.email][:MOST_TOLD]
    for one in administrators:
        Mail.write("relais", one.email or "", messages.wishes_to_join(issuer, one.full_name, name, email, card.designation), now, one.id)
    journal.record(WordRelayed(siret=int(card.siret), recipients=len(administrators)), now)


def contest(issuer: str, card: Carte, faux: Sequence[str], person: Declarant | None, now: datetime) -> None:
    """Administrators are told that the card is said to be false; the journal keeps it for the desk."""
    what = ", ".join(FAUX[name] for name in faux)
    for one in Declarant.administrators(card.siret)[:MOST_TOLD]:
        if one.email and (person is None or one.id != person.id):
            message = messages.card_contested(issuer, one.full_name, card.designation, what, person.full_name if person else "")
            Mail.write("fiche_contestee", one.email, message, now, one.id)
    event = CardContested(siret=int(card.siret), declarant_id=person.id if person else None, what=what)
    journal.record(event, now)


def count_contest(store: Ephemeral, siret: str, block: str) -> bool:
    """Whether this network may still say it of this establishment today."""
    return (
        store.count(Counter(f"fiche:{siret}:{block}", DAY))[0] <= CONTESTED_A_DAY
        and store.count(Counter(f"fiche:{block}", DAY))[0] <= 5 * A_BLOCK
    )
