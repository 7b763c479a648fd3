"""RFC 6238: its own vectors, and what a code may never do."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.authentication.totp import in_groups, matching_step, new_secret, provisioning_uri, step_at

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
"""RFC 6238 appendix B: the ASCII string 12345678901234567890."""


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        pytest.param(59, "287082", id="B-1"),
        pytest.param(1111111109, "081804", id="B-2"),
        pytest.param(1111111111, "050471", id="B-3"),
        pytest.param(1234567890, "005924", id="B-4"),
        pytest.param(2000000000, "279037", id="B-5"),
        pytest.param(20000000000, "353130", id="B-6"),
    ],
)
def test_C41_the_vectors_of_the_specification_hold_at_their_step_and_one_around(seconds, code):
    at = datetime.fromtimestamp(seconds, UTC)

    for drift in (-30, 0, 30):
        assert matching_step(SECRET, code, at + timedelta(seconds=drift), None) == seconds // 30
    for drift in (-60, 60):
        assert matching_step(SECRET, code, at + timedelta(seconds=drift), None) is None


def test_C41_a_code_serves_once_and_never_after_a_later_one():
    at = datetime.fromtimestamp(59, UTC)

    assert matching_step(SECRET, "287082", at, step_at(at) - 1) == 1
    assert matching_step(SECRET, "287082", at, step_at(at)) is None
    assert matching_step(SECRET, "287082", at, step_at(at) + 1) is None


def test_a_code_may_be_typed_as_it_is_shown():
    assert matching_step(SECRET, " 287 082\u00a0", datetime.fromtimestamp(59, UTC), None) == 1


@pytest.mark.parametrize("typed", ["", "28708", "2870820", "28708x", "２８７０８２", "-87082", "\ud800", "287082" * 1000])
def test_anything_else_is_no_code(typed):
    assert matching_step(SECRET, typed, datetime.fromtimestamp(59, UTC), None) is None


def test_a_new_secret_has_160_bits_and_is_told_to_applications():
    secret = new_secret()
    uri = provisioning_uri(secret, "Claire Lefèvre (732 829 320 00074)", "MAG")

    assert len(secret) == 32
    assert secret != new_secret()
    assert uri.startswith("otpauth://totp/MAG:Claire%20Lef%C3%A8vre")
    assert f"secret={secret}" in uri
    assert "issuer=MAG" in uri
    assert in_groups("ABCDEFGHI") == "ABCD EFGH I"
