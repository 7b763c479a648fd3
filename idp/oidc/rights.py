"""Rights in tokens: the claim `hab` for the services of the granted scopes, and the pass to the pages of a large account.

What a partner may learn is decided by `habilitations.disclosure`; this file says it in OpenID Connect's words. The pass is
the `access_token` of a distributed claim (OpenID Connect Core section 5.6.2): sealed, nothing stored, good for one client,
one person, one set of services and as long as the token it came with.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from idp.config import Settings
from idp.database import Connections, Kept
from idp.habilitations.decision import claim_page, disclose, rights_version
from idp.habilitations.disclosure import LETTERS, Disclosure, services_of_scope
from idp.habilitations.droits import Catalogue
from idp.habilitations.droits import Rights as Held
from idp.habilitations.questions import rights_at
from idp.habilitations.usages.carnet import Carnet
from idp.keys import Keyring
from idp.oidc.claims import DETAILS
from idp.oidc.client import Client
from idp.oidc.confirmation import Confirmation
from idp.oidc.details import Acting
from idp.oidc.tokens import AccessToken, Handle
from idp.seals import UnsealError, b64, unb64

PASS_LIMIT = 4096
"""Characters."""
BYTES_PER_NUMBER, SHORTEST_BOUND = 30, 40
"""Bytes of `hab` for each number of the bound; a small bound is about numbers, not about bytes."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What a claim pass opens."""

    client_id: str
    handle: Handle
    services: tuple[str, ...]
    expires_at: int
    confirmation: Confirmation | None = None


class Rights:
    """Claims about rights, for one process."""

    def __init__(self, settings: Settings, connections: Connections, catalogue: Kept[Catalogue], keyring: Keyring, carnet: Carnet) -> None:
        self.settings, self.connections, self.catalogue, self.keyring, self.carnet = settings, connections, catalogue, keyring, carnet
        self.endpoint = f"{settings.issuer}/habilitations/v1"

    def claims(
        self,
        client: Client,
        declarant_id: int,
        services: Collection[str],
        now: datetime,
        handle: Handle,
        bound: Confirmation | None = None,
        *,
        until: int | None = None,
    ) -> dict[str, Any]:
        """`hab` and what goes with it; nothing when no such scope was granted. The pass lives and dies with `handle`.

        It is bound to what the token that it comes in is bound to, and ends with it: `until`, in epoch seconds, for a token
        that is not made now.
        """
        if not services:
            return {}
        found = self.disclosed(client, declarant_id, services, now)
        expires_at = until or int(now.timestamp()) + self.settings.access_token_lifetime
        token = None if found.is_whole else self._pass(Pass(client.client_id, handle, tuple(sorted(services)), expires_at, bound))
        claims = found.claims(self.endpoint, token)
        if client.hab_flat and found.habilitations_flat is not None:
            claims["habilitations_flat"] = found.habilitations_flat
        return claims

    def disclosed(self, client: Client, declarant_id: int, services: Collection[str], now: datetime) -> Disclosure:
        """Form A within the client's bound, and within as many bytes: few targets with many different rights are long too."""
        bound = self.settings.hab_bound if client.hab_bound is None else client.hab_bound
        found = disclose(self.connections, self.catalogue(), declarant_id, services=services, now=now, bound=bound)
        if found.is_whole and len(orjson.dumps(found.hab)) > BYTES_PER_NUMBER * max(bound, SHORTEST_BOUND):
            found = disclose(self.connections, self.catalogue(), declarant_id, services=services, now=now, bound=0)
        self.carnet.noter(self.catalogue(), declarant_id, found.served, now)
        return found

    def held_there(self, declarant_id: int, acting: Acting, now: datetime) -> Held:
        """The rights of now at the one establishment of a token, within what was granted."""
        found = rights_at(self.connections, self.catalogue(), declarant_id, [acting.siret], acting.codes, now).get(acting.siret, {})
        self.carnet.noter(self.catalogue(), declarant_id, found.keys(), now)
        letters_ = dict(acting.services)
        return {code: frozenset(droit for droit in droits if LETTERS[droit] in letters_.get(code, "")) for code, droits in found.items()}

    def acting(self, client: Client, declarant_id: int, acting: Acting, now: datetime) -> list[dict[str, Any]]:
        """RFC 9396 section 7.1: what was granted, with the rights of now; no service that the client may no longer ask about (C10)."""
        kept = acting.among(services_of_scope(client.scope))
        found = rights_at(self.connections, self.catalogue(), declarant_id, [acting.siret], kept.codes, now)
        held = found.get(acting.siret, {})
        self.carnet.noter(self.catalogue(), declarant_id, held.keys(), now)
        return kept.told(held)

    def of_token(
        self, client: Client, token: AccessToken, services: Collection[str], now: datetime, bound: Confirmation | None = None
    ) -> dict[str, Any]:
        """What a token that still counts tells of rights now: about its one establishment, or in the forms of `claims`."""
        if granted := Acting.granted_in(token.claims):
            return {DETAILS: self.acting(client, token.handle.declarant_id, granted, now)}
        return self.claims(client, token.handle.declarant_id, services, now, token.handle, bound, until=token.claims["exp"])

    def version(self, declarant_id: int, now: datetime) -> str:
        """The `e` of the claims, as it is now. One statement."""
        return rights_version(self.connections, self.catalogue(), declarant_id, now)

    def _pass(self, given: Pass) -> str:
        handle = given.handle
        hangs_on = [handle.declarant_id, handle.version, handle.family_id, handle.sid]
        cnf = given.confirmation.claim if given.confirmation else None
        return b64(self.keyring.seal("claim-pass", orjson.dumps([given.client_id, hangs_on, given.services, given.expires_at, cnf])))

    def read_pass(self, text: str, now: datetime) -> Pass | None:
        """None when it is not ours, or has expired."""
        if len(text) > PASS_LIMIT or not text.isascii():
            return None
        try:
            client_id, hangs_on, services, expires_at, cnf = orjson.loads(self.keyring.open("claim-pass", unb64(text)))
        except (UnsealError, ValueError):
            return None
        found = Pass(client_id, Handle(*hangs_on), tuple(services), expires_at, Confirmation.read(cnf))
        return found if found.expires_at > now.timestamp() else None

    def page(self, given: Pass, after: str, now: datetime) -> dict[str, Any]:
        """The payload of one page. Raises InvalidPositionError."""
        page = claim_page(self.connections, self.catalogue(), given.handle.declarant_id, services=given.services, now=now, after=after)
        at = int(now.timestamp())
        return {
            "iss": self.settings.issuer,
            "aud": given.client_id,
            "iat": at,
            "exp": at + self.settings.access_token_lifetime,
            "habilitations": page.claim,
        }


def known_services(catalogue: Catalogue) -> Mapping[str, str]:
    """Codes and names of the services in force."""
    return {code: service.libelle for code, service in catalogue.services.items() if service.enabled}
