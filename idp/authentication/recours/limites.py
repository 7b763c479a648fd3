"""Brakes of recovery (L8 of docs/securite.md): beyond, what is asked is dropped in silence, with the same page.

By account (whether it exists or not) from one network and from all of them, by network, and for the whole service. One round
trip. What a stranger asks elsewhere leaves the owner their own requests. A store that does not answer refuses: nothing here
fails open.
"""

from dataclasses import dataclass

from idp.authentication.recours.voies import CODE, CODE_TRIES, CODE_TRIES_IN_ALL, PROVED_TRIES, QUESTION_TRIES
from idp.authentication.throttle import Attempt
from idp.config import HOUR
from idp.ephemeral import Counter, Ephemeral
from idp.logs import logger

BY_ACCOUNT, BY_ACCOUNT_WIDE, BY_ACCOUNT_IN_ALL = 3, 6, 20
"""Requests an hour for one account: from one network, from its wide block (/24 or /48), from everywhere."""
BY_NETWORK, IN_ALL = 10, 2_000
"""Requests an hour, whatever the accounts."""
TRIES_BY_NETWORK = 30
"""Codes and answers an hour from one network, whatever the accounts."""
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Asking:
    """What the counters say of one request."""

    allowed: bool
    others: bool
    """The account was also asked for from another network within the hour."""


def may_ask(store: Ephemeral, account: str, address: str) -> Asking:
    """Counted, then judged: parallel requests do not slip through. `account` is the digest of `throttle.account_of`."""
    network, wide = Attempt(account, address).blocks
    names = (f"c:{account}:{network}", f"c:{account}:{wide}", f"c:{account}", f"r:{network}", "g")
    mine, block, account_in_all, by_network, in_all = store.count(*(Counter(f"l8:{name}", HOUR) for name in names))
    if in_all == IN_ALL + 1:
        logger.warning(
            "recoveries are asked for far more than usual: they are dropped until the hour ends", extra={"fields": {"limit": IN_ALL}}
        )
    asked_here = mine <= BY_ACCOUNT and block <= BY_ACCOUNT_WIDE and by_network <= BY_NETWORK
    return Asking(asked_here and account_in_all <= BY_ACCOUNT_IN_ALL and in_all <= IN_ALL, others=account_in_all > mine)


def may_try_code(store: Ephemeral, account: str, address: str) -> bool:
    """One more try of a code: few from one network, many from all of them, so that a stranger cannot spend the owner's."""
    network = Attempt(account, address).blocks[0]
    life = int(CODE.total_seconds())
    numbers = store.count(Counter(f"l8:k:{account}:{network}", life), Counter(f"l8:k:{account}", life), Counter(f"l8:k:r:{network}", HOUR))
    return numbers[0] <= CODE_TRIES and numbers[1] <= CODE_TRIES_IN_ALL and numbers[2] <= TRIES_BY_NETWORK


def renew_code_tries(store: Ephemeral, account: str) -> None:
    """A new code was handed over: what was tried before, from everywhere, no longer counts against it."""
    store.delete("n", f"l8:k:{account}")


def may_answer(store: Ephemeral, account: str, address: str) -> bool:
    """One more answer to a secret question."""
    network = Attempt(account, address).blocks[0]
    numbers = store.count(Counter(f"l8:q:{account}", DAY), Counter(f"l8:k:r:{network}", HOUR))
    return numbers[0] <= QUESTION_TRIES and numbers[1] <= TRIES_BY_NETWORK


def may_prove(store: Ephemeral, subject: str, address: str) -> bool:
    """One more passage at a provider. By the account there (a digest of it), so that nobody spends what is its owner's."""
    network = Attempt("", address).blocks[0]
    numbers = store.count(Counter(f"l8:f:{subject}", HOUR), Counter(f"l8:k:r:{network}", HOUR))
    return numbers[0] <= PROVED_TRIES and numbers[1] <= TRIES_BY_NETWORK
