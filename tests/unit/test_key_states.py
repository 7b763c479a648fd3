"""When keys ask for something, and the certificates that may go with them. RFC 7517 section 4.7; check C71."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from joserfc.jwk import KeySet, OKPKey, import_key

from idp.config import Secret, Settings
from idp.key_states import is_due
from idp.keys import ALGORITHMS, CertificateRefusedError, KeyState, PublishedKeys, certify, make_key
from idp.oidc.upkeep import Watch
from idp.seals import Seals

SECRETS = (Secret("essai", bytes(range(32))),)
SEALS = Seals(SECRETS)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def published(*, days: int = 0, missing: str = "", retired_at: datetime | None = None) -> PublishedKeys:
    algs = [alg for alg in ALGORITHMS if alg != missing]
    return PublishedKeys(dict.fromkeys(algs), b"", KeySet([]), b"", dict.fromkeys(algs, NOW - timedelta(days=days)), retired_at)


@pytest.mark.parametrize(
    ("given", "due"),
    [
        pytest.param({}, False, id="new"),
        pytest.param({"days": 89}, False, id="89-days"),
        pytest.param({"days": 90}, True, id="90-days"),
        pytest.param({"missing": "EdDSA"}, True, id="an-algorithm-without-a-key"),
        pytest.param({"retired_at": NOW - timedelta(hours=25)}, False, id="retired-for-25-hours"),
        pytest.param({"retired_at": NOW - timedelta(hours=27)}, True, id="retired-for-27-hours"),
    ],
)
def test_C71_keys_ask_for_something_in_time(given, due):
    assert is_due(published(**given), NOW, 90) is due


class Held:
    """A keyring that holds keys of long ago."""

    def published(self) -> PublishedKeys:
        return published(days=5000)


@pytest.mark.parametrize(("days", "looks"), [(90, 2), (0, 0)])
def test_a_process_looks_once_an_hour_and_never_when_told_not_to(days, looks):
    worked, clock = [], [0.0]
    settings = Settings(issuer="https://mag.test", secrets=SECRETS, key_rotation_days=days)
    watch = Watch(settings, Held(), lambda: worked.append(1), clock=lambda: clock[0])
    for clock[0] in (0.0, 1.0, 3599.0, 3600.0, 7199.0):
        watch()
        if watch.worker:
            watch.worker.join()

    assert len(worked) == looks


# ----------------------------------------------------------------------------------------------------------- certificates


def certificate(row, *, days: int = 365) -> bytes:
    """Signed by the key itself."""
    private = serialization.load_der_private_key(SEALS.open("signing_keys", row.private_sealed, row.kid), None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mag.test")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(7)
    made = made.not_valid_before(NOW - timedelta(days=400)).not_valid_after(NOW + timedelta(days=days))
    return made.sign(private, None if row.alg == "EdDSA" else hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_7517_4_7_a_certificate_is_published_with_its_key(alg):
    row = make_key(SEALS, alg, KeyState.ACTIVE, NOW)
    certify(row, certificate(row), NOW)
    [der] = row.public_jwk["x5c"]

    assert x509.load_der_x509_certificate(base64.b64decode(der)).serial_number == 7
    assert import_key(row.public_jwk).thumbprint() == row.kid


def test_7517_4_7_another_certificate_is_refused():
    row, other = make_key(SEALS, "ES256", KeyState.ACTIVE, NOW), make_key(SEALS, "ES256", KeyState.ACTIVE, NOW)
    before = dict(row.public_jwk)
    for pem in (certificate(other), certificate(row, days=-1), b"", b"x", OKPKey.generate_key("Ed25519").as_pem(private=False)):
        with pytest.raises(CertificateRefusedError):
            certify(row, pem, NOW)

    assert row.public_jwk == before


def test_9_two_keys_never_share_a_name():
    made = [make_key(SEALS, alg, KeyState.NEXT, NOW) for alg in ALGORITHMS for _ in range(2)]

    assert len({row.kid for row in made}) == len(made)
