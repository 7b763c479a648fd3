"""Service providers as the protocol reads them, in memory, anew within a second of a change. Implements `ServiceProviders`."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from idp.database import Connections, Kept, Versions
from idp.logs import logger
from idp.saml.metadata import Described
from idp.saml.provider import AttributeService, Consumer, LogoutService, ServiceProvider
from idp.saml.vocabulary import PERSISTENT, TRANSIENT
from partners.saml.models import EVERY_PROVIDER

VERSION = "saml"
"""Name of the number that says that service providers changed."""
FORMATS = {"persistent": PERSISTENT, "transient": TRANSIENT}


def dump(described: Described) -> dict[str, Any]:
    """What metadata say, as the table keeps it."""
    return {
        "acs": [[one.index, one.url, one.default] for one in described.consumers],
        "slo": [[one.binding, one.url, one.response_url] for one in described.logouts],
        "signing": [base64.b64encode(der).decode() for der in described.signing],
        "encryption": base64.b64encode(described.encryption).decode(),
        "encryption_method": described.encryption_method,
        "attributes": [[one.index, list(one.names), one.default] for one in described.attribute_services],
        "requests_signed": described.requests_signed,
        **({"uris": dict(described.uris)} if described.uris else {}),
    }


def read_provider(
    code: str, entity_id: str, nom: str, partenaire: str, described: Mapping[str, Any], choices: Mapping[str, Any]
) -> ServiceProvider:
    """Raises KeyError, TypeError or ValueError for what nobody wrote here."""
    return ServiceProvider(
        code=code,
        entity_id=entity_id,
        name=nom,
        partenaire=partenaire,
        consumers=tuple(Consumer(*one) for one in described["acs"]),
        logouts=tuple(LogoutService(*one) for one in described["slo"]),
        signing=tuple(base64.b64decode(one) for one in described["signing"]),
        encryption=base64.b64decode(described["encryption"]),
        encryption_method=described["encryption_method"],
        attribute_services=tuple(AttributeService(index, tuple(names), default) for index, names, default in described["attributes"]),
        require_signed=choices.get("require_signed", True),
        sign=tuple(choices.get("sign", ("response", "assertion"))),
        alg=choices.get("alg", "RS256"),
        encrypt=choices.get("encrypt", False),
        name_id_formats=tuple(FORMATS[one] for one in choices.get("name_id", FORMATS)),
        scope=frozenset(choices.get("scope", ())),
        sector=choices.get("sector", ""),
        first_party=choices.get("first_party", True),
        idp_initiated=choices.get("idp_initiated", False),
        hab_bound=choices.get("hab_bound"),
        uris={**described.get("uris", {}), **choices.get("uris", {})},
    )


class Providers:
    """Finds service providers without a round trip."""

    def __init__(self, connections: Connections, versions: Versions) -> None:
        self._connections = connections
        self._kept = Kept(versions, VERSION, self._load)

    def _load(self) -> tuple[Mapping[str, ServiceProvider], Mapping[str, ServiceProvider]]:
        found = [one for row in self._connections.all(EVERY_PROVIDER) if (one := _read(row)) is not None]
        return {one.entity_id: one for one in found}, {one.code: one for one in found}

    def find(self, entity_id: str) -> ServiceProvider | None:
        return self._kept()[0].get(entity_id)

    def with_code(self, code: str) -> ServiceProvider | None:
        return self._kept()[1].get(code)

    def every(self) -> Iterable[ServiceProvider]:
        return self._kept()[1].values()


def _read(row: tuple[Any, ...]) -> ServiceProvider | None:
    try:
        return read_provider(*row)
    except (KeyError, TypeError, ValueError) as error:
        logger.error("service provider left out of the registry", extra={"fields": {"code": row[0], "reason": str(error)}})
        return None
