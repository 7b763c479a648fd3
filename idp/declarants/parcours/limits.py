"""How many inscriptions one network, one SIRET, one mailbox may cause: beyond, a polite refusal, and nothing is written.

Counters live in the store, before anything of the transaction. A SIRET is counted by network too, so that a stranger cannot
keep a company from being inscribed: that would take several networks.
"""

from collections.abc import Sequence

from idp.config import HOUR
from idp.ephemeral import Counter, Ephemeral, beyond
from idp.errors import RefusedError
from idp.seals import Seals, b64

DAY = 24 * HOUR
STARTS_AN_HOUR, STARTS_A_DAY = 12, 40
"""Inscriptions begun from a narrow block of addresses; a wide one is allowed four times more."""
WIDE = 4
SIRET_A_BLOCK, SIRET_A_DAY = 6, 60
"""Inscriptions begun for one SIRET in a day: from one block, and from everywhere."""
MAILS_AN_HOUR, MAILS_A_DAY = 4, 8
"""Mails of inscription to one address."""
MAILS_A_DRAFT = 8
"""Mails that one inscription may cause, to whatever addresses."""
TRIES = 8
"""Passwords tried, for one inscription, by a browser that did not fill it in."""


class TooManyInscriptionsError(RefusedError):
    """This network, or this SIRET, begins far too many inscriptions. Says nothing of anybody."""

    code = "inscriptions_freinees"
    number = "M200402"
    remedy = "Réessayez dans une heure ; au-delà, adressez-vous à l'assistance."
    status = 429
    title = "Trop d'inscriptions"
    public = (
        "Beaucoup d'inscriptions viennent d'être commencées depuis votre réseau. Réessayez dans une heure ; si vous devez en "
        "faire plusieurs, l'assistance peut vous aider."
    )
    retry_after = HOUR


class TooManyMailsError(RefusedError):
    """This mailbox has had its mails. Says nothing of who has it."""

    code = "courriels_freines"
    number = "M200403"
    remedy = "Cherchez le message déjà envoyé, ou réessayez plus tard."
    status = 429
    title = "Message déjà envoyé"
    public = (
        "Plusieurs messages ont déjà été envoyés à cette adresse. Cherchez le dernier, y compris parmi les courriers indésirables, "
        "ou réessayez dans une heure."
    )
    retry_after = HOUR


def count_start(store: Ephemeral, blocks: Sequence[str], siret: str) -> None:
    """One more inscription begun. Raises TooManyInscriptionsError; what is refused is not counted."""
    limits: dict[Counter, int] = {}
    for width, block in zip((1, WIDE), blocks, strict=True):
        limits[Counter(f"insc:{block}:h", HOUR)] = STARTS_AN_HOUR * width
        limits[Counter(f"insc:{block}:j", DAY)] = STARTS_A_DAY * width
    limits[Counter(f"insc:{siret}:{blocks[0]}", DAY)] = SIRET_A_BLOCK
    limits[Counter(f"insc:{siret}", DAY)] = SIRET_A_DAY
    if counter := beyond(store, limits):
        raise TooManyInscriptionsError(counter.name)


def check_draft(mails: int) -> None:
    """Raises TooManyMailsError."""
    if mails >= MAILS_A_DRAFT:
        raise TooManyMailsError("draft")


def count_mail(store: Ephemeral, seals: Seals, address: str) -> None:
    """One more mail to this address. Raises TooManyMailsError."""
    name = b64(seals.mac("inscription", address.lower().encode())[:16])
    if counter := beyond(store, {Counter(f"inscm:{name}:h", HOUR): MAILS_AN_HOUR, Counter(f"inscm:{name}:j", DAY): MAILS_A_DAY}):
        raise TooManyMailsError(counter.name)


def count_try(store: Ephemeral, inscription_id: int) -> bool:
    """One more password tried; whether it may be."""
    return store.count(Counter(f"insce:{inscription_id}", DAY))[0] <= TRIES
