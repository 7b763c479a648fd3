"""Resource indicators (RFC 8707): which of a client's audiences a token is aimed at, and no other.

A client names resources among those it registered (`audience`), when it asks for a person, and again, fewer, at each token. A
token aimed at named resources opens nothing of MAG's.
"""

from collections.abc import Iterable, Sequence

from authlib.oauth2.rfc6749.errors import OAuth2Error

from idp.oidc.client import Client


class InvalidTargetError(OAuth2Error):
    """Section 2; RFC 8693 section 2.2.2."""

    error = "invalid_target"
    description = "this resource was not granted, or is not registered for this client"


def read_resources(text: str) -> list[str]:
    """Values of the repeated parameter, once each."""
    return list(dict.fromkeys(text.split()))


def are_open(client: Client, resources: Iterable[str]) -> bool:
    """Section 2: absolute URIs without a fragment; ours: registered."""
    return all(":" in resource and "#" not in resource and resource in client.audience for resource in resources)


def opened_resources(client: Client, text: str) -> list[str]:
    """Those that a request names, where every one of them is open to its client. Raises InvalidTargetError."""
    resources = read_resources(text)
    if not are_open(client, resources):
        raise InvalidTargetError()
    return resources


def aimed_at(client: Client, granted: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """Section 2.2: what the token request names, within what was granted; all of that when it names nothing.

    Empty when nothing was ever named: the token has the client's own audience. Raises InvalidTargetError.
    """
    wanted = asked or granted
    if not wanted:
        return ()
    if not are_open(client, wanted) or (granted and not set(asked) <= set(granted)):
        raise InvalidTargetError()
    return tuple(wanted)
