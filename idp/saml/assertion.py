"""Responses and assertions, as elements not yet signed (SAML core sections 2.3 and 3.3.3, profiles section 4.1.4.2). Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.saml.attributes import Attribute
from idp.saml.vocabulary import BEARER, TRANSIENT, URI, Element, child, instant, root

LIFETIME = timedelta(minutes=5)
"""For which an assertion may be presented."""
BEFORE = timedelta(seconds=60)
"""Clocks of service providers that are late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What an assertion says."""

    id: str
    issuer: str
    audience: str
    recipient: str
    in_response_to: str
    name_id: str
    name_id_format: str
    name_qualifier: str
    """Whose persistent identifier it is: the service provider's, or its sector's."""
    session_index: str
    signed_in_at: datetime
    session_until: datetime
    context: str
    attributes: tuple[Attribute, ...]
    now: datetime


def name_id(parent: Element, issuer: str, name: str, form: str, qualifier: str) -> Element:
    """Core section 8.3.7: a persistent identifier says between whom it holds; a transient one need not (8.3.8)."""
    between = {} if form == TRANSIENT else {"NameQualifier": issuer, "SPNameQualifier": qualifier}
    return child(parent, "saml:NameID", name, Format=form, **between)


def assertion(said: Statement) -> Element:
    made = root("saml:Assertion", {"ID": said.id, "Version": "2.0", "IssueInstant": instant(said.now)}, "saml")
    child(made, "saml:Issuer", said.issuer)
    _subject(made, said)
    until = instant(said.now + LIFETIME)
    conditions = child(made, "saml:Conditions", None, NotBefore=instant(said.now - BEFORE), NotOnOrAfter=until)
    child(child(conditions, "saml:AudienceRestriction"), "saml:Audience", said.audience)
    index, end = said.session_index, instant(said.session_until)
    authn = child(made, "saml:AuthnStatement", None, AuthnInstant=instant(said.signed_in_at), SessionIndex=index, SessionNotOnOrAfter=end)
    child(child(authn, "saml:AuthnContext"), "saml:AuthnContextClassRef", said.context)
    if said.attributes:
        told = child(made, "saml:AttributeStatement")
        for attribute in said.attributes:
            one = child(told, "saml:Attribute", None, Name=attribute.name, NameFormat=URI, FriendlyName=attribute.friendly)
            for value in attribute.values:
                child(one, "saml:AttributeValue", value)
    return made


def _subject(made: Element, said: Statement) -> None:
    """Profiles section 4.1.4.2: a bearer, for one recipient, in answer to one request."""
    subject = child(made, "saml:Subject")
    name_id(subject, said.issuer, said.name_id, said.name_id_format, said.name_qualifier)
    asked = {"InResponseTo": said.in_response_to} if said.in_response_to else {}
    confirmation = child(subject, "saml:SubjectConfirmation", None, Method=BEARER)
    until = instant(said.now + LIFETIME)
    child(confirmation, "saml:SubjectConfirmationData", None, Recipient=said.recipient, NotOnOrAfter=until, **asked)


def response(
    kind: str, identifier: str, issuer: str, destination: str, in_response_to: str, now: datetime, *statuses: str, message: str = ""
) -> Element:
    """A `samlp:Response` or a `samlp:LogoutResponse`, with its status: the first one and those inside it."""
    asked = {"InResponseTo": in_response_to} if in_response_to else {}
    head = {"ID": identifier, "Version": "2.0", "IssueInstant": instant(now), "Destination": destination, **asked}
    made = root(kind, head, "samlp saml")
    child(made, "saml:Issuer", issuer)
    status = child(made, "samlp:Status")
    code = status
    for value in filter(None, statuses):
        code = child(code, "samlp:StatusCode", None, Value=value)
    if message:
        child(status, "samlp:StatusMessage", message)
    return made
