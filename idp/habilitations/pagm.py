"""PAGM: what an agreement between two bodies lets a token say of somebody, from the rights they hold. Pure.

InterOPS calls PAGM (« profil applicatif générique métier ») the words, agreed by convention, in which the body that authenticates
tells the other one what a person may do there. Here each is a URN that stands for one right on one service, so that what a chain
of tokens may say is a set of such pairs and never grows; or for the application itself, when nobody is there.

OpenID Connect and SAML both ask `pagm`. Who may act at whom, and the file of agreements, is `partners/conventions/`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from idp.habilitations.disclosure import LETTERS, Disclosure
from idp.habilitations.droits import Droit, Pair, Rights


class Possession(StrEnum):
    """What whoever bears the tokens of an agreement must hold."""

    AUCUNE = "aucune"
    DPOP = "dpop"
    """A key, by RFC 9449."""
    MTLS = "mtls"
    """A certificate, by RFC 8705."""


class Reaction(StrEnum):
    """What MAG does when the other body declares a suspicious behaviour."""

    NOTER = "noter"
    FERMER = "fermer"
    """End the person's sessions, and what clients keep in their name."""
    SUSPENDRE = "suspendre"


@dataclass(frozen=True, slots=True)
class Pagm:
    """One profile of an agreement: a URN for one right on one service, or, with neither, for the application itself."""

    urn: str
    service: str = ""
    droit: Droit | None = None

    @property
    def pair(self) -> Pair | None:
        return (self.service, self.droit) if self.droit is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """An agreement: the body that acts, the body where it acts, and how far."""

    code: str
    objet: str = ""
    client: str
    """Code of the partner who acts (« organisme client »)."""
    fournisseur: str
    """Code of the partner where it acts (« organisme fournisseur »)."""
    clients: frozenset[str]
    """Which of the first one's clients may."""
    audiences: frozenset[str]
    """What their tokens are aimed at; the identifier of a client, for a portal that people sign in to."""
    du: date
    au: date
    """Last day included."""
    cessee: bool = False
    """Ended before its time, or one of the partners is disabled."""
    pagm: tuple[Pagm, ...] = ()
    possession: Possession = Possession.DPOP
    duree: int = 300
    """Longest life of a token, in seconds."""
    usage_unique: bool = False
    """A token is shown to MAG once (fact 71: the path of a user from site to site)."""
    jeton_acteur: bool = False
    """An exchange must bring the token of who acts (RFC 8693 section 2.1)."""
    emprunt: bool = False
    """An exchange may ask for a token that does not say who acts (RFC 8693 section 1.1, impersonation)."""
    mandataire: str = ""
    """The one client that may act with its tokens (RFC 8693 section 4.4, `may_act`); empty: whoever the token is aimed at."""
    suspicion: Reaction = Reaction.NOTER
    signaux: bool = False
    """The two bodies are told of suspicious behaviours by their streams of events; by mail where they have none."""

    def in_force(self, on: date) -> bool:
        return not self.cessee and self.du <= on <= self.au

    @property
    def services(self) -> frozenset[str]:
        """Those that its profiles speak of."""
        return frozenset(one.service for one in self.pagm if one.service)

    @property
    def pairs(self) -> frozenset[Pair]:
        return frozenset(pair for one in self.pagm if (pair := one.pair) is not None)


def pairs_of(rights: Rights) -> frozenset[Pair]:
    return frozenset((code, droit) for code, droits in rights.items() for droit in droits)


def held(disclosure: Disclosure) -> frozenset[Pair]:
    """Every right that somebody has somewhere; of a large account, those that it may meet (form B)."""
    if disclosure.targets is None:
        return pairs_of(disclosure.services)
    several = (rights for target in disclosure.targets for rights in (target.rights, *(part.rights for part in target.partial)))
    return frozenset(pair for rights in several for pair in pairs_of(rights))


def pagm(convention: Convention, disclosure: Disclosure, on: date) -> list[str]:
    """The URNs that this agreement lets a token say of somebody, that day; nothing when it is not in force."""
    return of_pairs(convention, held(disclosure), on)


def of_pairs(convention: Convention, pairs: Collection[Pair], on: date) -> list[str]:
    """The same, from rights already known, or bounded."""
    return sorted(one.urn for one in convention.pagm if one.pair in pairs) if convention.in_force(on) else []


def of_application(convention: Convention, on: date) -> list[str]:
    """The URNs of the application itself, when nobody is there."""
    return sorted(one.urn for one in convention.pagm if one.pair is None) if convention.in_force(on) else []


def bounded(convention: Convention, before: Collection[Pair] | None) -> frozenset[Pair]:
    """The rights that its tokens may speak of, within what the token before could (None: there was none). Never wider than either."""
    return convention.pairs if before is None else convention.pairs & frozenset(before)


def words(pairs: Iterable[Pair]) -> tuple[str, ...]:
    """Short, for a sealed handle: `dsn:d`."""
    return tuple(sorted(f"{service}:{LETTERS[droit]}" for service, droit in pairs))


def read_words(several: Iterable[str]) -> frozenset[Pair]:
    """What `words` wrote."""
    droits = {letter: droit for droit, letter in LETTERS.items()}
    return frozenset((one[:-2], droits[one[-1]]) for one in several)


@dataclass(frozen=True, slots=True)
class Conventions:
    """All the agreements at one version of the registry."""

    every: tuple[Convention, ...] = ()

    def named(self, code: str) -> Convention | None:
        return next((one for one in self.every if one.code == code), None)

    def between(self, client_id: str, audiences: Collection[str]) -> tuple[Convention, ...]:
        """Those that speak of this client and one of these audiences, in force or not."""
        return tuple(one for one in self.every if client_id in one.clients and one.audiences.intersection(audiences))

    def opened_to(self, client_id: str, on: date) -> frozenset[str]:
        """Where agreements in force let this client go."""
        return frozenset(audience for one in self.every if client_id in one.clients and one.in_force(on) for audience in one.audiences)

    def spoken_of(self, client_id: str) -> frozenset[str]:
        """Where an agreement, whatever its dates, says whether this client may go."""
        return frozenset(audience for one in self.every if client_id in one.clients for audience in one.audiences)
