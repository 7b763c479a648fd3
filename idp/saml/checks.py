"""What every authentication request must hold, each a function of one reason to fail; the order is data.

Those of TRUST fail before anybody is proved to have asked: a page says so, and nobody is redirected. Those of CHECKS are answered
to the service provider, in a status (SAML core section 3.2.2.2).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.saml.bindings import check_relay_state
from idp.saml.contexts import COMPARISONS, Context, asked
from idp.saml.errors import (
    INVALID_NAME_ID,
    NO_CONTEXT,
    REQUESTER,
    RESPONDER,
    UNSUPPORTED,
    VERSION_MISMATCH,
    MessageRefusedError,
    SamlError,
    StaleMessageError,
)
from idp.saml.provider import Consumer, ServiceProvider
from idp.saml.request import AuthnRequest
from idp.saml.vocabulary import POST, UNSPECIFIED

SKEW = timedelta(seconds=60)
AGE = timedelta(minutes=5)
"""How long a request may have been on its way."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request, who sent it, where it arrived, when."""

    request: AuthnRequest
    provider: ServiceProvider
    endpoint: str
    signed: bool
    now: datetime


def check_signature(received: Received) -> None:
    """Metadata section 2.4.4, `AuthnRequestsSigned`; ours: unless the operator said that this service provider does without."""
    if received.provider.require_signed and not received.signed:
        raise MessageRefusedError("the request is not signed")


def check_destination(received: Received) -> None:
    """Core section 3.2.1; bindings sections 3.4.5.2 and 3.5.5.2: required of what is signed."""
    destination = received.request.destination
    if destination != received.endpoint and (destination or received.signed):
        raise MessageRefusedError(f"Destination is {destination or 'absent'}")


def check_instant(received: Received) -> None:
    """Core section 3.2.1, `IssueInstant`."""
    at = received.request.issued_at
    if at is None or not received.now - AGE - SKEW <= at <= received.now + SKEW:
        raise StaleMessageError(f"issued at {at}")


def check_relay(received: Received) -> None:
    """Bindings section 3.4.3."""
    check_relay_state(received.request.relay_state)


def check_consumer(received: Received) -> None:
    """Core section 3.4.1: the response goes to a registered address alone, which one request does not name twice."""
    request = received.request
    if request.acs_url and request.acs_index is not None:
        raise MessageRefusedError("an address and an index of consumer")
    consumer_of(received)


def consumer_of(received: Received) -> Consumer:
    """Raises MessageRefusedError."""
    found = received.provider.consumer(received.request.acs_url, received.request.acs_index)
    if found is None:
        raise MessageRefusedError(
            f"no consumer of {received.provider.entity_id} is at {received.request.acs_url or received.request.acs_index}"
        )
    return found


def check_version(received: Received) -> None:
    """Core section 3.2.1."""
    if received.request.version != "2.0":
        raise SamlError(VERSION_MISMATCH, "", "Version is not 2.0")


def check_binding(received: Received) -> None:
    """Core section 3.4.1, `ProtocolBinding`; ours: responses are posted."""
    if received.request.binding not in ("", POST):
        raise SamlError(REQUESTER, UNSUPPORTED, "responses are sent by HTTP-POST")


def check_contents(received: Received) -> None:
    """Core sections 3.4.1 and 2.5: what would narrow the answer is not ignored."""
    if received.request.holds:
        raise SamlError(REQUESTER, UNSUPPORTED, "Subject and Conditions are not supported in requests")


def check_name_id(received: Received) -> None:
    """Core section 3.4.1.1; `unspecified` is whatever this service provider gets by default."""
    request, provider = received.request, received.provider
    if request.name_id_format not in ("", UNSPECIFIED, *provider.name_id_formats):
        raise SamlError(REQUESTER, INVALID_NAME_ID, "NameIDPolicy asks for a format that this service provider does not get")
    if request.name_qualifier not in ("", provider.entity_id):
        raise SamlError(REQUESTER, INVALID_NAME_ID, "NameIDPolicy asks for the identifiers of somebody else")


def check_attributes(received: Received) -> None:
    """Core section 3.4.1, `AttributeConsumingServiceIndex`."""
    try:
        received.provider.attributes(received.request.attributes)
    except (LookupError, StopIteration):
        raise SamlError(REQUESTER, UNSUPPORTED, "AttributeConsumingServiceIndex is not in the metadata") from None


def check_context(received: Received) -> None:
    """Core section 3.3.2.2.1."""
    request = received.request
    if request.comparison not in COMPARISONS:
        raise SamlError(REQUESTER, UNSUPPORTED, "Comparison is none of SAML 2.0")
    if request.other_contexts or context_of(request).impossible:
        raise SamlError(RESPONDER, NO_CONTEXT, "no requested authentication context can be reached")


def context_of(request: AuthnRequest) -> Context:
    return asked(request.comparison, request.contexts)


TRUST = (check_signature, check_destination, check_instant, check_relay, check_consumer)
CHECKS = (check_version, check_binding, check_contents, check_name_id, check_attributes, check_context)
