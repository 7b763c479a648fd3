"""Single Logout (SAML profiles section 4.4): a session ends, and each service provider that took part is told, one after the other.

MAG's session is over before anybody is told, so that a site that does not come back leaves nobody signed in here. What remains to
be told is kept under the identifier of the message that is on its way: only its answer, signed, goes on. ours: requests and answers
are signed, always. Left out on purpose: SOAP (the browser tells), encrypted identifiers, logout of one session index among several.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from idp.authentication.session import Session, was_closed
from idp.saml.assertion import name_id, response
from idp.saml.bindings import Arrived, Departure, by_post, by_redirect, check_relay_state
from idp.saml.checks import AGE, SKEW
from idp.saml.errors import PARTIAL_LOGOUT, REQUESTER, SUCCESS, UNKNOWN_PRINCIPAL, MessageRefusedError, StaleMessageError
from idp.saml.models import Participant, SamlParticipation
from idp.saml.provider import LogoutService, ServiceProvider
from idp.saml.reading import every, identifier, moment, one, text_of
from idp.saml.request import issuer_of
from idp.saml.signature import sign_element
from idp.saml.sso import Components, new_id, provider_of
from idp.saml.vocabulary import POST, Element, child, instant, named, root
from idp.seals import Seals, UnsealError, b64, digest, unb64

TARGET = "/saml/slo"
KIND, LIFETIME = "saml_sortie", 600
SESSION_INDEX = re.compile(r"[A-Za-z0-9_-]{1,32}")
MOST_NAMED = 20
"""Sessions in one request: each is looked for."""
ENDS_PURPOSE, ENDS_LIFETIME = "saml-sortie", 300


@dataclass(frozen=True, slots=True)
class Asked:
    """A logout that a service provider asks for, verified."""

    entity_id: str
    id: str
    name: str
    sessions: tuple[str, ...]
    """Those that MAG may have opened, of the ones that are named."""
    relay_state: str
    named_some: bool = True
    """Section 3.7.1: without any SessionIndex, the person's session of this browser."""

    def dump(self) -> str:
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def load(cls, text: str) -> "Asked":
        values: dict[str, Any] = orjson.loads(text)
        return cls(**{**values, "sessions": tuple(values["sessions"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Who is still to be told, who was; where it ends."""

    sid: str
    waiting: tuple[tuple[str, str, str, str], ...] = ()
    """Code of a service provider, the name it knows, its format, what it calls the session."""
    current: str = ""
    """Entity that is being told."""
    confirmed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    origin: str = ""
    """Entity that asked; empty when it was MAG, or OpenID Connect."""
    request_id: str = ""
    relay_state: str = ""
    final: str = ""
    """Path of the page that ends it, when nobody is to be answered."""
    alone: str = ""
    """`client_id` of the one that is told, when the session goes on without it."""

    def dump(self) -> str:
        """Without `alone` when it is empty: code of before it reads chains too while MAG is deployed."""
        return orjson.dumps({name: value for name, value in asdict(self).items() if value or name != "alone"}).decode()

    @classmethod
    def load(cls, text: str) -> "Chain":
        values: dict[str, Any] = orjson.loads(text)
        lists = {name: tuple(values[name]) for name in ("confirmed", "failed")}
        waiting = tuple((code, name, form, *(index or [values["sid"]])) for code, name, form, *index in values["waiting"])
        return cls(**{**values, **lists, "waiting": waiting})


@dataclass(frozen=True, slots=True)
class Ends:
    """What became of the service providers, for the page that ends it."""

    confirmed: tuple[str, ...] = ()
    failed: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Logout:
    """At one instant."""

    mag: Components
    now: datetime

    # -------------------------------------------------------------------------------------------------------------- arriving

    def receive(self, arrived: Arrived) -> Asked:
        """A LogoutRequest (core section 3.7.1). Raises MessageRefusedError, UnknownProviderError, StaleMessageError."""
        provider, message = self._verified(arrived, "samlp:LogoutRequest")
        until = moment(message.get("NotOnOrAfter"))
        if until is not None and until <= self.now - SKEW:
            raise StaleMessageError("NotOnOrAfter has passed")
        check_relay_state(arrived.relay_state)
        name = text_of(one(message, "saml:NameID"))
        if not name:
            raise MessageRefusedError("a logout without NameID")
        indexes = [text_of(found) for found in every(message, "samlp:SessionIndex")]
        if len(indexes) > MOST_NAMED:
            raise MessageRefusedError(f"a logout of {len(indexes)} sessions")
        ours = tuple(dict.fromkeys(index for index in indexes if SESSION_INDEX.fullmatch(index)))
        return Asked(provider.entity_id, identifier(message), name, ours, arrived.relay_state, named_some=bool(indexes))

    def answered(self, arrived: Arrived) -> Chain:
        """A LogoutResponse to the request on its way: the chain, this link told; `telling_others` commits.

        Raises MessageRefusedError, StaleMessageError.
        """
        provider, message = self._verified(arrived, "samlp:LogoutResponse")
        found = self.mag.ephemeral.take(KIND, digest(message.get("InResponseTo", "")))
        if found is None:
            raise StaleMessageError("an answer that nobody waits for")
        chain = Chain.load(found)
        if chain.current != provider.entity_id:
            raise MessageRefusedError("an answer of somebody else")
        status = one(message, "samlp:Status")
        codes = [code.get("Value") for code in status.iter(named("samlp:StatusCode"))] if status is not None else []
        if chain.alone and codes == [SUCCESS]:
            SamlParticipation.forget_one(chain.sid, chain.alone)
        return _noted(chain, provider.name, succeeded=codes == [SUCCESS])

    def _verified(self, arrived: Arrived, name: str) -> tuple[ServiceProvider, Element]:
        provider = provider_of(self.mag.saml, issuer_of(arrived.root))
        if not arrived.signed:
            raise MessageRefusedError("a message of logout that is not signed")
        message = arrived.verified(provider.signing)
        if message.tag != named(name):
            raise MessageRefusedError(f"not a {name}")
        if message.get("Version") != "2.0" or message.get("Destination") != self.mag.settings.issuer + TARGET:
            raise MessageRefusedError("Version or Destination is not ours")
        at = moment(message.get("IssueInstant"))
        if at is None or not self.now - AGE - SKEW <= at <= self.now + SKEW:
            raise StaleMessageError(f"issued at {at}")
        return provider, message

    def session_of(self, asked: Asked, here: Session | None) -> str:
        """The session that ends: this browser's, when it is named or none is, else one of those named.

        Empty when this service provider takes part in none; one named that MAG never opened is nobody's, and no other ends for it.
        """
        client_id = provider_of(self.mag.saml, asked.entity_id).client_id
        called = [SamlParticipation.named(client_id, index) for index in asked.sessions]
        mine = [here.sid] if here and (not asked.named_some or here.sid in called) else []
        for sid in mine + called:
            took_part = SamlParticipation.of_session(sid)
            if any(one_.client_id == client_id and one_.name_id == asked.name for one_ in took_part):
                return sid
        return ""

    # --------------------------------------------------------------------------------------------------------------- leaving

    def chain(self, asked: Asked, sid: str, participants: Sequence[Participant], untold: Sequence[str] = ()) -> Chain:
        """From the service provider that asked, through the others. `untold`: names of partners that nobody can tell from here."""
        provider = provider_of(self.mag.saml, asked.entity_id)
        others = tuple(_link(found) for found in participants if found.client_id != provider.client_id)
        waits = {"waiting": others, "failed": tuple(untold)}
        return Chain(sid=sid, origin=asked.entity_id, request_id=asked.id, relay_state=asked.relay_state, **waits)  # type: ignore[arg-type]

    def unknown(self, asked: Asked) -> Departure | None:
        """The answer to a service provider that takes part in no session: it is over already, or never was."""
        over = any(was_closed(self.mag.ephemeral, sid) for sid in asked.sessions)
        statuses = (SUCCESS,) if over else (REQUESTER, UNKNOWN_PRINCIPAL)
        return self._answer(Chain(sid="", origin=asked.entity_id, request_id=asked.id, relay_state=asked.relay_state), *statuses)

    def onward(self, chain: Chain) -> tuple[Chain, Departure | None]:
        """To the next one that can be told, else back to whoever asked; None: to `final`. To be called after the commit."""
        while chain.waiting:
            (code, name, form, index), *rest = chain.waiting
            chain = replace(chain, waiting=tuple(rest))
            provider = self.mag.saml.providers.with_code(code)
            if provider is None or not provider.logouts:  # None: disabled since
                chain = _noted(chain, provider.name if provider else code, succeeded=False)
                continue
            return chain, self._tell(replace(chain, current=provider.entity_id), provider, name, form, index)
        if not chain.origin:
            return chain, None
        return chain, self._answer(chain, SUCCESS, PARTIAL_LOGOUT if chain.failed else "")

    def _tell(self, chain: Chain, provider: ServiceProvider, name: str, form: str, index: str) -> Departure:
        """Core section 3.7.1, profiles section 4.4.4.1."""
        service, issuer, made_id = provider.logouts[0], self.mag.settings.issuer, new_id()
        head = {"ID": made_id, "Version": "2.0", "IssueInstant": instant(self.now), "Destination": service.url}
        until = instant(self.now + timedelta(seconds=LIFETIME))
        message = root("samlp:LogoutRequest", {**head, "NotOnOrAfter": until}, "samlp saml")
        child(message, "saml:Issuer", issuer)
        name_id(message, issuer, name, form, provider.sector or provider.entity_id)
        child(message, "samlp:SessionIndex", index)
        self.mag.ephemeral.put(KIND, digest(made_id), chain.dump(), LIFETIME)
        return self._sent("SAMLRequest", message, "", provider, service, service.url)

    def _answer(self, chain: Chain, *statuses: str) -> Departure | None:
        """Core section 3.7.2; None for a service provider that says nowhere where it is answered, or that was disabled meanwhile."""
        provider = self.mag.saml.providers.find(chain.origin)
        if provider is None or not provider.logouts:
            return None
        service = provider.logouts[0]
        issuer, to = self.mag.settings.issuer, service.response_url
        message = response("samlp:LogoutResponse", new_id(), issuer, to, chain.request_id, self.now, *statuses)
        return self._sent("SAMLResponse", message, chain.relay_state, provider, service, to)

    def _sent(
        self, kind: str, message: Element, relay_state: str, provider: ServiceProvider, service: LogoutService, url: str
    ) -> Departure:
        signer = self.mag.saml.keys.published().signer(provider.alg)
        if service.binding == POST:
            sign_element(message, signer, 1)
            return by_post(kind, message, relay_state, url)
        return by_redirect(kind, message, relay_state, url, signer)


def _link(found: Participant) -> tuple[str, str, str, str]:
    return found.client_id.partition(":")[2], found.name_id, found.name_id_format, found.session_index


def _noted(chain: Chain, name: str, *, succeeded: bool) -> Chain:
    if succeeded:
        return replace(chain, confirmed=(*chain.confirmed, name))
    return replace(chain, failed=(*chain.failed, name))


def begun_here(sid: str, participants: Sequence[Participant], final: str) -> Chain:
    """A logout that MAG, or a client of OpenID Connect, asked for: it ends at a page."""
    return Chain(sid=sid, waiting=tuple(map(_link, participants)), final=final)


def parted_here(sid: str, participant: Participant, final: str) -> Chain:
    """The person takes one service provider out of a session that goes on. ours: it takes part until it says that it ended its own."""
    return Chain(sid=sid, waiting=(_link(participant),), final=final, alone=participant.client_id)


# -------------------------------------------------------------------------------------------------- for the page that ends it


def seal_ends(seals: Seals, ends: Chain | Ends, now: datetime) -> str:
    value = [int(now.timestamp()), ends.confirmed, ends.failed]
    return b64(seals.seal(ENDS_PURPOSE, orjson.dumps(value)))


def read_ends(seals: Seals, unverified: str, now: datetime) -> Ends:
    """Empty for what is too old, or not ours."""
    try:
        at, confirmed, failed = orjson.loads(seals.open(ENDS_PURPOSE, unb64(unverified)))
    except (UnsealError, ValueError):
        return Ends()
    return Ends(tuple(confirmed), tuple(failed)) if now.timestamp() - at <= ENDS_LIFETIME else Ends()
