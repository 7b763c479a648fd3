"""What comes next for an authentication request: one pure function of what is known (SAML core section 3.4.1, profiles section 4.1.3).

The steps are those of OpenID Connect's dispatcher, and so are the pages: one session serves both.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from idp.authentication.levels import TWO_FACTORS, satisfies
from idp.authentication.session import Session
from idp.saml.contexts import CLASSES, Context
from idp.saml.errors import AUTHN_FAILED, DENIED, NO_CONTEXT, NO_PASSIVE, RESPONDER, SamlError
from idp.saml.request import AuthnRequest


class Step(StrEnum):
    """The page to show, or the assertion to give."""

    SIGN_IN = "sign_in"
    RAISE = "raise"
    CONSENT = "consent"
    ISSUE = "issue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What happened since the service provider asked."""

    signed_in_since: bool = False
    refused: bool = False
    level_refused: bool = False
    """The person does without a second factor."""
    demanded: bool = False
    """A policy of MAG calls for two factors here."""
    consented_at: datetime | None = None
    consented_scope: frozenset[str] = frozenset()


def next_step(
    request: AuthnRequest, context: Context, session: Session | None, progress: Progress, *, scope: frozenset[str], first_party: bool
) -> Step:
    """Raises SamlError, for the service provider."""
    if progress.refused:
        raise SamlError(RESPONDER, DENIED, "the person refused")
    if session is None or (request.force and not progress.signed_in_since):
        return _unless_passive(request, Step.SIGN_IN)
    if needs_raise(context, session, progress):
        return _unless_passive(request, Step.SIGN_IN if session.vouched else Step.RAISE)
    if not first_party and (progress.consented_at is None or not scope <= progress.consented_scope):
        return _unless_passive(request, Step.CONSENT)
    return Step.ISSUE


def needs_raise(context: Context, session: Session, progress: Progress) -> bool:
    """Whether a second factor is to be asked for. Raises SamlError when the person does without it."""
    unmet = context.answered(session.acr) is None
    demanded = progress.demanded and not satisfies(session.acr, (TWO_FACTORS,))
    if not unmet and not demanded:
        return False
    if progress.level_refused:
        raise SamlError(RESPONDER, NO_CONTEXT if unmet else AUTHN_FAILED, "two factors are required here")
    if unmet and not any(satisfies(TWO_FACTORS, (CLASSES[one],)) for one in context.classes):
        raise SamlError(RESPONDER, NO_CONTEXT, "no requested authentication context can be reached")
    return True


def _unless_passive(request: AuthnRequest, step: Step) -> Step:
    """Core section 3.4.1, `IsPassive`: nothing is asked of the person."""
    if request.passive:
        raise SamlError(RESPONDER, NO_PASSIVE, "the person would have to be asked something")
    return step
