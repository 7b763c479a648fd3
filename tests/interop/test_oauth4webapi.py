"""npm's oauth4webapi, which leaves every step to its caller: FAPI 2.0, security profile then message signing."""

from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tests import factories
from tests.interop.conftest import REDIRECT

pytestmark = pytest.mark.interop

KEY = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
SHOWN = {"id_token_signed_response_alg": "ES256", "authorization_signed_response_alg": "ES256", "dpop_bound_access_tokens": True}
REGISTERED = {
    "redirect_uris": [REDIRECT],
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": "openid siret",
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": {"keys": [KEY.as_dict(private=False)]},
    **SHOWN,
}


@pytest.fixture(scope="module")
def issuer(serve: Callable[..., str]) -> str:
    clients = {profile: {**REGISTERED, "profile": profile} for profile in ("fapi2", "fapi2-message")}
    return serve("sqlite", clients, MAG_DPOP_NONCE="fapi2")


@pytest.mark.parametrize(
    ("profile", "answered", "nonces"),
    [
        pytest.param("fapi2", ["code", "iss", "state"], 1, id="security-profile"),
        pytest.param("fapi2-message", ["response"], 0, id="message-signing"),
    ],
)
def test_fapi(play: Callable[..., dict[str, Any]], issuer: str, profile: str, answered: list[str], nonces: int) -> None:
    """PAR, private_key_jwt, DPoP; with nonces for the first, which one refusal gives; signed request and signed answer for the second."""
    seen = play(
        "oauth4webapi/fapi.mjs",
        issuer=issuer,
        client_id=profile,
        key=KEY.as_dict(private=True),
        metadata=SHOWN,
        redirect_uri=REDIRECT,
        scope="openid siret",
        signed=profile == "fapi2-message",
    )

    assert seen["answered"] == answered
    assert (seen["token_type"], seen["siret"]) == ("dpop", factories.SIRET)
    assert seen["rotated"] == [False, False]
    assert seen["active"] is False
    assert seen["nonces"] == nonces
