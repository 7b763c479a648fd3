"""The directory changed the card of an establishment: its administrators are told what, once (fact 14).

Run by a timer after each import, as often as wished: a card that is as it was known tells nothing, and the first time one is seen it
is only kept. The caller commits. Left out on purpose: accounts and rights, which a person decides upon.
"""

from datetime import datetime
from typing import Any

from idp.audit import journal
from idp.declarants.fiches import messages
from idp.declarants.fiches.events import CardChanged
from idp.declarants.fiches.models import FicheConnue
from idp.declarants.models import Declarant
from idp.entreprises.models import Carte
from idp.notifications.models import Mail

LOT = 200
"""Establishments of one transaction."""
NOT_SAID = "non diffusée"


def passer(now: datetime, *, issuer: str, after: int = 0) -> tuple[int, int]:
    """A lot, by SIRET: how many cards changed, and the last SIRET (0: none left)."""
    changed, found = 0, FicheConnue.to_read(after, LOT)
    for place, company, known in found:
        carte = place.carte()
        words = _words(carte)
        before = dict(known.carte) if known is not None else words
        if moved := [(name, before.get(name, ""), said) for name, said in words.items() if before.get(name, "") != said]:
            _tell(carte, moved, now, issuer)
            changed += 1
        FicheConnue.keep(place.siret, words, (place.mis_a_jour, company), now)
    return changed, int(found[-1][0].siret) if found else 0


def _words(carte: Carte) -> dict[str, Any]:
    """What a person is shown of a card, in the words that mails use."""
    place = "siège de l'entreprise" if carte.siege else "établissement secondaire"
    return {
        "Nom": carte.nom,
        "Adresse": ", ".join(carte.adresse) or NOT_SAID,
        "Rang": place,
        "État": "ouvert" if carte.actif else "fermé",
    }


def _tell(carte: Carte, moved: list[tuple[str, str, str]], now: datetime, issuer: str) -> None:
    what = ", ".join(name.lower() for name, _, _ in moved)
    journal.record(CardChanged(siret=int(carte.siret), what=what), now)
    for one in Declarant.administrators(carte.siret):
        if one.email:
            message = messages.card_changed(issuer, one.full_name, carte.designation, moved, closed=not carte.actif)
            Mail.write("fiche_changee", one.email, message, now, one.id)
