"""What comes next in an authorization: one pure function of what is known. Steps never route to one another.

OpenID Connect Core sections 3.1.2.3 (authentication), 3.1.2.4 (consent), 3.1.2.6 (errors of `prompt=none`).
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from idp.authentication.levels import TWO_FACTORS, satisfies, within_reach
from idp.authentication.session import Session
from idp.oidc.errors import AuthorizationError
from idp.oidc.request import AuthorizationRequest


class Step(StrEnum):
    """The page to show, or the code to give."""

    SIGN_IN = "sign_in"
    SELECT = "select"
    RAISE = "raise"
    CONSENT = "consent"
    ISSUE = "issue"


class Progress(NamedTuple):
    """What happened since the partner asked (`asked_at`, epoch seconds; None at the first visit)."""

    asked_at: int | None = None
    signed_in_since: bool = False
    """The session was opened after the partner asked."""
    selected: bool = False
    refused: bool = False
    level_refused: bool = False
    """The person does without a second factor, or was not asked for a level that is only wished."""
    demanded: bool = False
    """A policy of MAG calls for two factors here."""
    consented_at: datetime | None = None
    consented_scope: frozenset[str] = frozenset()


def needs_sign_in(request: AuthorizationRequest, session: Session | None, progress: Progress, now: int) -> bool:
    """Core section 3.1.2.1: `prompt=login`, `max_age` (0 is the same); a sign-in made since the partner asked satisfies both.

    `max_age` counts from when MAG itself authenticated the person: no partner's word has an age.
    """
    if session is None or (session.vouched and lacks_level(request, session, progress)):
        return True
    if progress.signed_in_since:
        return False
    if "create" in request.prompt:
        return True
    too_old = request.max_age is not None and (request.max_age == 0 or session.vouched or now - session.auth_time > request.max_age)
    return "login" in request.prompt or too_old


def lacks_level(request: AuthorizationRequest, session: Session, progress: Progress) -> bool:
    """A level that a sign-in of MAG's own could reach, and a partner's word did not: ours, the password is asked before any factor.

    One that is only wished is asked for too, unless the person does without.
    """
    if progress.demanded and not satisfies(session.acr, (TWO_FACTORS,)):
        return True
    asked = required_levels(request) or (frozenset() if progress.level_refused else frozenset(request.acr_values))
    return bool(asked) and within_reach(asked) and not satisfies(session.acr, asked)


def needs_choice(request: AuthorizationRequest, session: Session | None, progress: Progress) -> bool:
    """Core section 3.1.2.1, `select_account`; ours: `select_organization`, and a `siret_hint` that is not the session's.

    Of a request about one establishment, `select_organization` is about that one (`acting.py`), not about who signs in.
    """
    if progress.selected or progress.signed_in_since:
        return False
    hint = request.siret_hint
    elsewhere = bool(hint) and session is not None and session.siret not in ("", hint)
    organization = "select_organization" in request.prompt and request.acting is None
    return elsewhere or organization or "select_account" in request.prompt


def needs_consent(request: AuthorizationRequest, scope: list[str], progress: Progress) -> bool:
    """Core section 3.1.2.4; ours: partners that the registry calls first-party ask only with `prompt=consent`."""
    if "consent" in request.prompt:
        return progress.consented_at is None or progress.asked_at is None or progress.consented_at.timestamp() < progress.asked_at
    return not request.client.first_party and not set(scope) <= progress.consented_scope


def next_step(
    request: AuthorizationRequest,
    session: Session | None,
    sub: str | None,
    hinted_sub: str | None,
    scope: list[str],
    progress: Progress,
    now: int,
) -> Step:
    """Raises AuthorizationError, for the partner. `hinted_sub` is the subject of a valid `id_token_hint`, or asked by `claims`."""
    silent = "none" in request.prompt
    if progress.refused:
        raise AuthorizationError("access_denied", "the person refused")
    if needs_sign_in(request, session, progress, now) or (hinted_sub is not None and hinted_sub != sub):
        if silent:
            raise AuthorizationError("login_required", "no session answers this request")
        if progress.signed_in_since:
            raise AuthorizationError("access_denied", "another person signed in than the one asked for")
        return Step.SIGN_IN
    if needs_choice(request, session, progress):
        if silent:
            raise AuthorizationError("account_selection_required", "the session is of another establishment")
        return Step.SELECT
    if session is not None and needs_raise(request, session, progress):
        if silent:
            raise AuthorizationError(request.client.profile.unmet_acr, "requested ACRs could not be satisfied")
        return Step.RAISE
    if needs_consent(request, scope, progress):
        if silent:
            raise AuthorizationError("consent_required", "the person has not agreed yet")
        return Step.CONSENT
    return Step.ISSUE


def needs_raise(request: AuthorizationRequest, session: Session, progress: Progress) -> bool:
    """Whether a second factor is to be asked for, of a session that lacks one.

    Core section 5.5.1.1; an essential level that cannot be reached is an error (OpenID Connect Unmet Authentication Requirements).
    A level that is only wished is asked for, once, and done without (RFC 9470 section 5 sends clients here with `acr_values`).
    ours: where the profile demands `acr_values`, as FranceConnect does, it demands that one of them be reached.
    """
    required = required_levels(request)
    unmet = bool(required) and not satisfies(session.acr, required)
    demanded = progress.demanded and not satisfies(session.acr, (TWO_FACTORS,))
    if unmet and (not within_reach(required) or progress.level_refused):
        raise AuthorizationError(request.client.profile.unmet_acr, "requested ACRs could not be satisfied")
    if demanded and progress.level_refused:
        raise AuthorizationError(request.client.profile.unmet_acr, "two factors are required here")
    return unmet or demanded or (not progress.level_refused and is_wished(request, session))


def required_levels(request: AuthorizationRequest) -> frozenset[str]:
    """Levels of which one must be reached."""
    required = request.claims.required_acr()
    return required or (frozenset(request.acr_values) if request.client.profile.acr_values else frozenset())


def is_wished(request: AuthorizationRequest, session: Session) -> bool:
    """A level that is within reach, asked for as a preference (Core section 3.1.2.1); never of a silent request."""
    wished = request.acr_values
    return "none" not in request.prompt and bool(wished) and within_reach(wished) and not satisfies(session.acr, wished)


def asked_levels(request: AuthorizationRequest) -> tuple[str, ...]:
    """Of which one is answered, when the sign-in satisfies one: what `claims` says, else `acr_values`."""
    return tuple(request.claims.asked_acr()) or tuple(request.acr_values)
