"""What comes next in an authorization, as a table: OpenID Connect Core sections 3.1.2.1 to 3.1.2.6."""

from datetime import UTC, datetime

import pytest

from idp.authentication.session import Session
from idp.oidc.client import Client
from idp.oidc.dispatch import Progress, Step, next_step
from idp.oidc.errors import AuthorizationError
from idp.oidc.request import AuthorizationRequest, ClaimsRequest

NOW = 1_000_000
OURS = Client(client_id="x", client_name="x")
THIRD = Client(client_id="x", client_name="x", first_party=False)
OLD = Session("sid", 1, 1, "uid", NOW - 3600, ("pwd",), "eidas1", NOW + 3600)
FRESH = OLD._replace(auth_time=NOW)
ASKED = Progress(asked_at=NOW - 10)
SIGNED_IN = Progress(asked_at=NOW - 10, signed_in_since=True)
AGREED = datetime.fromtimestamp(NOW - 5, UTC)
LONG_AGO = datetime.fromtimestamp(NOW - 500, UTC)


def step(client=OURS, session=OLD, progress=None, hinted=None, acr=None, **parameters):
    """The step, or the name of the error."""
    claims = ClaimsRequest({"acr": {"essential": True, "value": acr}}) if acr else ClaimsRequest()
    request = AuthorizationRequest(parameters, client, claims)
    sub = "sub" if session else None
    try:
        return next_step(request, session, sub, hinted, ["openid"], progress or Progress(), NOW)
    except AuthorizationError as error:
        return error.error


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param({"session": None}, Step.SIGN_IN, id="nobody"),
        pytest.param({"session": None, "prompt": "none"}, "login_required", id="nobody-silently"),
        pytest.param({"session": None, "prompt": "select_account"}, Step.SIGN_IN, id="nobody-to-choose"),
        pytest.param({}, Step.ISSUE, id="sso"),
        pytest.param({"prompt": "none"}, Step.ISSUE, id="sso-silently"),
        pytest.param({"prompt": "login"}, Step.SIGN_IN, id="login"),
        pytest.param({"prompt": "login", "session": FRESH}, Step.SIGN_IN, id="login-though-fresh"),
        pytest.param({"prompt": "login", "progress": ASKED}, Step.SIGN_IN, id="login-not-walked-around"),
        pytest.param({"prompt": "login", "progress": SIGNED_IN}, Step.ISSUE, id="login-done"),
        pytest.param({"max_age": "3599"}, Step.SIGN_IN, id="too-old"),
        pytest.param({"max_age": "3600"}, Step.ISSUE, id="just-young-enough"),
        pytest.param({"max_age": "0", "session": FRESH}, Step.SIGN_IN, id="max-age-zero"),
        pytest.param({"max_age": "0", "progress": SIGNED_IN}, Step.ISSUE, id="max-age-zero-done"),
        pytest.param({"max_age": "1", "prompt": "none"}, "login_required", id="too-old-silently"),
        pytest.param({"hinted": "sub"}, Step.ISSUE, id="hint-same"),
        pytest.param({"hinted": "autre"}, Step.SIGN_IN, id="hint-other"),
        pytest.param({"hinted": "autre", "prompt": "none"}, "login_required", id="hint-other-silently"),
        pytest.param({"hinted": "autre", "progress": SIGNED_IN}, "access_denied", id="hint-other-after-sign-in"),
        pytest.param({"prompt": "select_account"}, Step.SELECT, id="select"),
        pytest.param({"prompt": "select_account", "progress": ASKED._replace(selected=True)}, Step.ISSUE, id="select-done"),
        pytest.param({"prompt": "select_account", "progress": SIGNED_IN}, Step.ISSUE, id="select-by-signing-in"),
        pytest.param({"acr": "eidas1"}, Step.ISSUE, id="level-reached"),
        pytest.param({"acr": "eidas2"}, "unmet_authentication_requirements", id="level-out-of-reach"),
        pytest.param({"client": THIRD}, Step.CONSENT, id="consent"),
        pytest.param({"client": THIRD, "prompt": "none"}, "consent_required", id="consent-silently"),
        pytest.param({"client": THIRD, "progress": Progress(consented_scope=frozenset({"openid"}))}, Step.ISSUE, id="consent-given"),
        pytest.param({"client": THIRD, "progress": Progress(consented_scope=frozenset({"email"}))}, Step.CONSENT, id="consent-to-less"),
        pytest.param({"prompt": "consent"}, Step.CONSENT, id="consent-asked-of-ours"),
        pytest.param({"prompt": "consent", "progress": ASKED._replace(consented_at=LONG_AGO)}, Step.CONSENT, id="consent-from-before"),
        pytest.param({"prompt": "consent", "progress": ASKED._replace(consented_at=AGREED)}, Step.ISSUE, id="consent-since"),
        pytest.param({"progress": ASKED._replace(refused=True)}, "access_denied", id="refused"),
        pytest.param({"session": None, "progress": ASKED._replace(refused=True)}, "access_denied", id="refused-without-a-session"),
    ],
)
def test_the_next_step(case, expected):
    assert step(**case) == expected
