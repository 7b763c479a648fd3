"""What the page of a sign-out shows: who is told, and the frames that tell some of them.

Implements OpenID Connect Front-Channel Logout 1.0 sections 2 and 3, for clients that registered an address for it and no
other. Left out on purpose: waiting for what a frame answers (its browser may not let it know who the person was); frames for
sessions of other browsers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode, urlsplit

import orjson

from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.responses import origin
from idp.oidc.sandbox import shown_name
from idp.seals import Seals, UnsealError, b64, unb64

LIFETIME = 300
"""Seconds for which the page of a sign-out may be shown again."""
SHOWN = 30
"""Partners named on the page, at most."""
PURPOSE = "depart"


@dataclass(frozen=True, slots=True)
class Farewell:
    """Names of the partners told, and addresses to open in frames."""

    names: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    """Names of those that did not say that they ended their session."""

    def with_ends(self, confirmed: Sequence[str], failed: Sequence[str]) -> "Farewell":
        """And the service providers of the other protocol."""
        return replace(self, names=tuple(sorted({*self.names, *confirmed}, key=str.casefold)), failed=tuple(failed))

    @property
    def origins(self) -> str:
        """For the policy of the page: these frames, and none other."""
        return " ".join(sorted({origin(frame) for frame in self.frames}))


def farewell(issuer: str, clients: Sequence[Client], sid: str) -> Farewell:
    """`sid`: of this browser's session; the others' frames would say nothing to it."""
    frames = (frame(issuer, client.frontchannel_logout_uri, sid) for client in clients if client.frontchannel_logout_uri and sid)
    return Farewell(tuple(map(shown_name, clients[:SHOWN])), tuple(frames))


def frame(issuer: str, uri: str, sid: str) -> str:
    """Section 2: `iss` and `sid` are added to the address, whose own query is kept."""
    return uri + ("&" if urlsplit(uri).query else "?") + urlencode({"iss": issuer, "sid": sid})


def seal(seals: Seals, clients: Sequence[Client], sid: str, now: int) -> str:
    """What the page needs to know after the redirect that follows a form; empty when nobody is told."""
    value = [now, sid, [client.client_id for client in clients[:SHOWN]]]
    return b64(seals.seal(PURPOSE, orjson.dumps(value))) if clients else ""


def read(seals: Seals, clients: Clients, issuer: str, unverified: str, now: int) -> Farewell:
    """An empty farewell for what is too old, or not ours."""
    try:
        at, sid, client_ids = orjson.loads(seals.open(PURPOSE, unb64(unverified)))
    except (UnsealError, ValueError):
        return Farewell()
    found = [client for client_id in client_ids if (client := clients.find(client_id)) is not None]
    return farewell(issuer, found, sid) if now - at <= LIFETIME else Farewell()
