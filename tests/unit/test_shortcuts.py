"""What MAG does itself because a library's way costs too much says what the library says."""

import base64
import hmac
from urllib.parse import parse_qsl, urlencode

import pytest
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.keys import _concatenated
from idp.oidc.responses import joined
from idp.oidc.wire import FIELDS_LIMIT, REPEATABLE, read_pairs
from idp.seals import b64, mac_under, random_bytes

ANY = settings(deadline=None, max_examples=300)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256: R and S are below it."""
FORM = st.text(alphabet="ab=&+%2041E9C3éA\0 ;", max_size=40).map(lambda text: text.encode("ascii", "ignore").decode())


def reference(text: str) -> dict[str, str] | None:
    """As `urllib.parse` reads a form; None for what MAG refuses."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS_LIMIT)
    except ValueError:
        return None
    names = [name for name, _ in pairs]
    if any("\0" in name + value for name, value in pairs) or any(names.count(name) > 1 for name in set(names) - REPEATABLE):
        return None
    return {name: value for name, value in pairs if value}


@ANY
@given(st.sampled_from(["", "scope=", "redirect_uri="]), FORM)
def test_a_form_is_read_as_urllib_reads_it(beginning, rest):
    text = beginning + rest
    expected = reference(text)
    if expected is None:
        with pytest.raises(InvalidRequestError):
            read_pairs(text)
    else:
        assert read_pairs(text) == expected


@pytest.mark.parametrize(
    "text", ["a=%00", "a=\0", "\0=a", "a=%FF", "a=1&a=2", "a=1&%61=2", "&".join(f"a{i}=1" for i in range(FIELDS_LIMIT + 1))]
)
def test_what_cannot_be_read_without_doubt_is_refused(text):
    with pytest.raises(InvalidRequestError):
        read_pairs(text)


def test_as_many_fields_as_allowed_are_read():
    assert len(read_pairs("&".join(f"a{i}=1" for i in range(FIELDS_LIMIT)))) == FIELDS_LIMIT


def test_a_separator_in_an_escape_separates_nothing():
    assert read_pairs("a%3Db=c%26d") == {"a=b": "c&d"}


@ANY
@given(st.dictionaries(st.text(), st.text(), min_size=1, max_size=4))
def test_an_address_is_written_as_urllib_writes_it(parameters):
    assert joined("https://portail.test/", parameters) == f"https://portail.test/?{urlencode(parameters)}"


@ANY
@given(st.binary(min_size=1, max_size=200), st.binary(max_size=200))
def test_a_mac_is_hmac(key, data):
    """RFC 2104; a key longer than a block is hashed first."""
    assert mac_under(key)(data) == hmac.digest(key, data, "sha256")


@ANY
@given(st.binary(max_size=100))
def test_base64url_is_that_of_the_library(raw):
    assert b64(raw) == base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@ANY
@given(st.integers(1, ORDER - 1), st.integers(1, ORDER - 1))
def test_a_signature_of_whatever_length_is_two_numbers_of_32_bytes(r, s):
    assert _concatenated(encode_dss_signature(r, s)) == r.to_bytes(32, "big") + s.to_bytes(32, "big")


@pytest.mark.parametrize(("r", "s"), [(1, 1), (127, 128), (255, 256), (2**255, 2**247), (2**248 - 1, ORDER - 1)])
def test_a_short_or_a_padded_number_keeps_its_place(r, s):
    assert _concatenated(encode_dss_signature(r, s)) == r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_a_signature_made_by_a_key():
    signature = ec.generate_private_key(ec.SECP256R1()).sign(b"x", ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(signature)

    assert _concatenated(signature) == r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_random_values_differ():
    assert len({random_bytes(16) for _ in range(100)}) == 100
