"""Password hashes of other systems: bcrypt, PBKDF2 (Django's and passlib's writing), SHA-crypt (`$5$`, `$6$`). Values alone.

An imported hash is never kept as it came: what it says of the password is peppered and hashed again with Argon2id, and only
its *recipe* (scheme, cost, salt) stays beside, so that the same can be computed from what is typed. Costs are bounded: an
imported line must not make each sign-in slow. Left out on purpose: unsalted and DES hashes, which are not passwords any more.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

import bcrypt
from passlib.hash import sha256_crypt, sha512_crypt  # type: ignore[import-untyped]  # libpass has no annotations

from idp.errors import RefusedError

LONGEST_RECIPE = 140
"""Characters: with an Argon2id hash behind it, it fits the column."""
BCRYPT_BYTES = 72
"""What bcrypt reads of a password; systems of before cut there."""
COSTS = {"bcrypt": (4, 14), "pbkdf2": (1_000, 2_000_000), "sha-crypt": (1_000, 200_000)}
"""Least and most: log2 of the rounds, iterations, rounds. Each most is some half a second."""
ENCODINGS = ("utf-8", "latin-1")
BCRYPT = re.compile(r"(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{22})([./A-Za-z0-9]{31})")
DJANGO = re.compile(r"(pbkdf2_(sha1|sha256)\$(\d{1,9})\$([^$\s|]{1,64}))\$([A-Za-z0-9+/]+=*)")
PASSLIB = re.compile(r"(\$pbkdf2(|-sha256|-sha512)\$(\d{1,9})\$([./A-Za-z0-9]{1,86}))\$([./A-Za-z0-9]+)")
SHA_CRYPT = re.compile(r"(\$([56])\$(?:rounds=(\d{1,9})\$)?([./A-Za-z0-9]{1,16}))\$([./A-Za-z0-9]+)")
SHA_CRYPT_ROUNDS = 5_000
"""When the hash does not say."""
DIGESTS = {"sha1": 20, "sha256": 32, "sha512": 64}
"""Bytes."""


class LegacyHashRefusedError(RefusedError):
    """A hash that cannot be imported; `public` says why, in French."""

    code = "hash_refuse"
    number = "M400020"
    remedy = "Exploitant : retirez la ligne du fichier ; la personne choisira un mot de passe par « mot de passe oublié »."

    def __init__(self, reason: str) -> None:
        super().__init__(reason, public=reason)


@dataclass(frozen=True, slots=True)
class LegacyHash:
    """What an imported hash is made of: how to compute it, and what comes out."""

    recipe: str
    outcome: bytes


def read(encoded: str, encoding: str = "utf-8") -> LegacyHash:
    """Raises LegacyHashRefusedError. `encoding`: how the other system turned a password into bytes."""
    prefix = "" if encoding == "utf-8" else f"{encoding}:"
    for pattern, parse in ((BCRYPT, _bcrypt), (DJANGO, _django), (PASSLIB, _passlib), (SHA_CRYPT, _sha_crypt)):
        if found := pattern.fullmatch(encoded.strip()):
            scheme, cost, outcome = parse(found)
            least, most = COSTS[scheme]
            if not least <= cost <= most:
                raise LegacyHashRefusedError(f"Le coût du hash est hors des bornes ({least} à {most}).")
            if len(prefix + found[1]) > LONGEST_RECIPE:
                raise LegacyHashRefusedError("Le sel du hash est trop long.")
            return LegacyHash(prefix + found[1], outcome)
    raise LegacyHashRefusedError("Ce hash n'est ni bcrypt, ni PBKDF2 (Django ou passlib), ni SHA-crypt ($5$, $6$).")


def compute(recipe: str, password: str) -> bytes:
    """What the other system would have kept of this password; `recipe` comes from `read`."""
    encoding, colon, plain = recipe.partition(":")
    raw = password.encode("latin-1", "xmlcharrefreplace") if colon and encoding == "latin-1" else password.encode("utf-8", "surrogatepass")
    return _scheme(plain if colon else recipe)(raw)


def _scheme(recipe: str) -> Callable[[bytes], bytes]:
    if recipe.startswith("$2"):
        return lambda raw: bcrypt.hashpw(raw[:BCRYPT_BYTES], recipe.encode())[-31:]
    if recipe.startswith("pbkdf2_"):
        name, rounds, salt = recipe.removeprefix("pbkdf2_").split("$")
        return lambda raw: hashlib.pbkdf2_hmac(name, raw, salt.encode(), int(rounds))
    if recipe.startswith("$pbkdf2"):
        _, scheme, rounds, salt = recipe.split("$")
        return lambda raw: hashlib.pbkdf2_hmac(_digest(scheme), raw, _unb64(salt), int(rounds))
    found = SHA_CRYPT.fullmatch(f"{recipe}$x")
    if found is None:
        raise LegacyHashRefusedError("unknown recipe")
    handler = sha256_crypt if found[2] == "5" else sha512_crypt
    made = handler.using(salt=found[4], rounds=int(found[3] or SHA_CRYPT_ROUNDS))
    return lambda raw: made.hash(raw).rpartition("$")[2].encode()


def _bcrypt(found: re.Match[str]) -> tuple[str, int, bytes]:
    return "bcrypt", int(found[2]), found[3].encode()


def _django(found: re.Match[str]) -> tuple[str, int, bytes]:
    return "pbkdf2", int(found[3]), _whole(found[5], found[2])


def _passlib(found: re.Match[str]) -> tuple[str, int, bytes]:
    return "pbkdf2", int(found[3]), _whole(found[5], _digest(found[1].split("$")[1]))


def _sha_crypt(found: re.Match[str]) -> tuple[str, int, bytes]:
    if len(found[5]) != {"5": 43, "6": 86}[found[2]]:
        raise LegacyHashRefusedError("Le hash est tronqué.")
    return "sha-crypt", int(found[3] or SHA_CRYPT_ROUNDS), found[5].encode()


def _digest(scheme: str) -> str:
    return scheme.removeprefix("pbkdf2").removeprefix("-") or "sha1"


def _whole(text: str, digest: str) -> bytes:
    """The bytes of a digest, all of them: one cut short would match too much."""
    raw = _unb64(text)
    if len(raw) != DIGESTS[digest]:
        raise LegacyHashRefusedError("Le hash est tronqué.")
    return raw


def _unb64(text: str) -> bytes:
    """Ordinary base64, with or without padding; passlib writes `.` for `+`."""
    plain = text.rstrip("=").replace(".", "+")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise LegacyHashRefusedError("Le hash est illisible.") from None
