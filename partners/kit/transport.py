"""HTTP to MAG: bounded in time, without redirects, on connections that are kept.

Names ending in `.localhost` are this machine (RFC 6761 section 6.3): the resolver of some systems does not know it, so the
kit connects to 127.0.0.1 itself and leaves the name in the request.
"""

from typing import Any, cast
from urllib.parse import urlsplit

from authlib.integrations.requests_client import OAuth2Session
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from .config import KitConfig, is_localhost

TIMEOUT = (3, 10)
"""Seconds to connect, and between two pieces of the answer."""


class LocalhostAdapter(HTTPAdapter):
    """An ordinary adapter that knows where `.localhost` is."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        parts = urlsplit(request.url or "")
        if is_localhost(str(parts.hostname or "")):
            request.headers["Host"] = str(parts.netloc)
        return super().send(request, *args, **options)

    def build_connection_pool_key_attributes(self, request: PreparedRequest, verify: bool | str, cert: Any = None) -> Any:
        where, how = cast(tuple[dict[str, Any], dict[str, Any]], super().build_connection_pool_key_attributes(request, verify, cert))
        name = str(where["host"])
        if is_localhost(name):
            where["host"] = "127.0.0.1"
            if where["scheme"] == "https":
                how |= {"server_hostname": name, "assert_hostname": name}
        return where, how


class Transport:
    """Makes the sessions that speak to MAG; they share the connections."""

    def __init__(self, config: KitConfig) -> None:
        self._trust_env = not config.is_local
        self._adapter = LocalhostAdapter(max_retries=0)

    def ready(self, session: OAuth2Session) -> OAuth2Session:
        session.trust_env = self._trust_env
        session.mount("https://", self._adapter)
        session.mount("http://", self._adapter)
        return session
