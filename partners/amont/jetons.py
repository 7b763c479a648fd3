"""What a provider says of a person, read with suspicion: the ID token, then userinfo. Every check is ours, none a library's default (C62).

OpenID Connect Core sections 3.1.3.7, 5.3.2 and 5.3.4, RFC 8725. Ours: asymmetric signatures alone, of a list that the operator may
shorten; no key but those of the provider's own `jwks_uri`; clocks five minutes apart at most.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from idp.logs import note
from idp.oidc.jose import Claims, Compact, UnreadableError, keys_for, number
from idp.seals import Seals, b64
from partners.amont import cles
from partners.amont.metadonnees import Metadonnees
from partners.amont.models import Fournisseur
from partners.amont.profils import satisfies
from partners.amont.refus import FournisseurInjoignableError, HorlogeError, JetonRefuseError, NiveauError
from partners.outgoing import Fetcher, OutgoingRefusedError
from partners.published_keys import JwksCache

SKEW = 300
"""Seconds between the provider's clock and ours, at most; beyond a minute it is noted in the log."""
NOTABLE = 60
LONGEST = 48 * 1024
"""Characters of a token."""
JOSE_TYPES = ("application/jwt", "application/jose")
HASHES = {"ES256": "sha256", "RS256": "sha256", "PS256": "sha256", "EdDSA": "sha512"}
"""By which a token is digested in `at_hash`: that of the signature (Ed25519: SHA-512, as openid-connect-core errata 2 has it)."""


@dataclass(frozen=True, slots=True)
class Published:
    """A provider, as the cache of keys names whoever publishes some."""

    client_id: str
    jwks_uri: str


class Cles(JwksCache):
    """Keys of providers: a `kid` unknown so far is looked for once a minute at most (C55)."""

    QUIET = 60.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What MAG asked, and when: the answer must be of that very question."""

    nonce: str
    acr_values: tuple[str, ...]
    max_age: int | None
    asked_at: int
    fresh: bool
    """A session there was not to be enough (`prompt=login`)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Of the answers of one provider."""

    fournisseur: Fournisseur
    known: Metadonnees
    fetcher: Fetcher
    keys: Cles
    seals: Seals

    def _refused(self, reason: str) -> JetonRefuseError:
        return JetonRefuseError(f"{self.fournisseur.code}: {reason}", self.fournisseur.nom)

    # ------------------------------------------------------------------------------------------------------ signatures

    def signed(self, token: str, what: str) -> tuple[Compact, Claims]:
        """A JWT that this provider signed, decrypted first when it was encrypted for MAG. Raises JetonRefuseError."""
        if token.count(".") == 4:
            try:
                token = cles.decrypt(self.seals, self.fournisseur, token)
            except cles.NotForUsError:
                raise self._refused(f"{what}: cannot be decrypted") from None
        try:
            jws = Compact.read(token, LONGEST)
        except UnreadableError:
            raise self._refused(f"{what}: not a JWS") from None
        if not jws.is_acceptable or jws.header.get("alg") not in self.fournisseur.algs:
            raise self._refused(f"{what}: header refused (alg {str(jws.header.get('alg'))[:12]})")
        published = self.keys.get(Published(f"fournisseur:{self.fournisseur.code}", self.known.jwks_uri), jws.kid)
        if published is None:
            raise FournisseurInjoignableError(f"{self.fournisseur.code}: keys cannot be had", self.fournisseur.nom)
        claims = jws.verified(keys_for(published, jws.kid), self.fournisseur.algs)
        if claims is None:
            raise self._refused(f"{what}: signature")
        return jws, claims

    # -------------------------------------------------------------------------------------------------------- ID token

    def id_token(self, token: Any, access_token: str, expected: Expected, now: int) -> tuple[str, Claims]:
        """The token as it was signed, and what it says. Raises JetonRefuseError, HorlogeError, NiveauError, FournisseurInjoignableError."""
        if not isinstance(token, str):
            raise self._refused("no ID token")
        jws, claims = self.signed(token, "id token")
        self._check_parties(claims)
        self._check_times(claims, now)
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), expected.nonce.encode()):
            raise self._refused("id token: nonce")
        self._check_at_hash(claims, str(jws.header["alg"]), access_token)
        self._check_level(claims, expected)
        self._check_freshness(claims, expected, now)
        return jws.text, claims

    def _check_parties(self, claims: Claims) -> None:
        """Section 3.1.3.7, rules 2 to 5; ours: no other audience than MAG."""
        audience = claims.get("aud")
        if claims.get("iss") != self.known.issuer:
            raise self._refused("id token: iss")
        if audience not in (self.fournisseur.client_id, [self.fournisseur.client_id]):
            raise self._refused("id token: aud")
        if claims.get("azp", self.fournisseur.client_id) != self.fournisseur.client_id:
            raise self._refused("id token: azp")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isascii():
            raise self._refused("id token: sub")

    def _check_times(self, claims: Claims, now: int) -> None:
        """Rules 9 and 10. It comes straight from the provider: what is wrong with its dates is a clock, or an old token."""
        issued, expires = number(claims.get("iat")), number(claims.get("exp"))
        if issued is None or expires is None:
            raise self._refused("id token: iat or exp")
        begins = number(claims.get("nbf", issued))
        apart = max(issued - now, (begins if begins is not None else issued) - now, now - expires)
        if apart > SKEW or now - issued > 2 * SKEW:
            raise HorlogeError(f"{self.fournisseur.code}: iat {issued - now:+.0f} s, exp {expires - now:+.0f} s", self.fournisseur.nom)
        signed_in = number(claims.get("auth_time"))
        if claims.get("auth_time") is not None and (signed_in is None or not 0 < signed_in <= now + SKEW):
            raise self._refused("id token: auth_time")
        if apart > NOTABLE:
            note("provider clock is apart", fournisseur=self.fournisseur.code, seconds=int(apart))

    def _check_at_hash(self, claims: Claims, alg: str, access_token: str) -> None:
        """Section 3.1.3.8: optional in this flow, never wrong."""
        if "at_hash" not in claims:
            return
        whole = hashlib.new(HASHES[alg], access_token.encode()).digest()
        if not hmac.compare_digest(str(claims["at_hash"]).encode(), b64(whole[: len(whole) // 2]).encode()):
            raise self._refused("id token: at_hash")

    def _check_level(self, claims: Claims, expected: Expected) -> None:
        """Section 5.5.1.1 : what was asked as essential is there, or nothing was proved."""
        acr = claims.get("acr")
        if not satisfies(self.fournisseur.profile, acr if isinstance(acr, str) else "", expected.acr_values):
            asked = " ".join(expected.acr_values)[:200]
            raise NiveauError(f"{self.fournisseur.code}: acr {str(acr)[:80]} for {asked}", self.fournisseur.nom)

    def _check_freshness(self, claims: Claims, expected: Expected, now: int) -> None:
        """Section 2, `auth_time`: compared with `iat`, which the same clock wrote, so that the gap between clocks is no excuse.

        `prompt=login` travels through the browser, where it may be deleted: an older sign-in that is told is refused, five minutes apart
        at most, since ProConnect passes on what another clock wrote. A provider that tells none, as FranceConnect may, is believed: that
        whoever was asked to sign in did so is then its promise.
        """
        signed_in, issued = number(claims.get("auth_time")), number(claims.get("iat")) or 0
        counted = expected.max_age is not None and self.fournisseur.profile.max_age
        if signed_in is None and counted:
            raise self._refused("id token: auth_time is missing")
        limits = [expected.max_age + 1] if counted and expected.max_age is not None else []
        limits += [SKEW] if expected.fresh else []
        if signed_in is not None and limits and issued - signed_in > min(limits) + (now - expected.asked_at):
            raise NiveauError(f"{self.fournisseur.code}: signed in {issued - signed_in:.0f} s before", self.fournisseur.nom)

    # -------------------------------------------------------------------------------------------------------- userinfo

    def userinfo(self, access_token: str, subject: str) -> Claims:
        """Sections 5.3.1 to 5.3.4. Empty for a provider that has none. Raises JetonRefuseError, FournisseurInjoignableError."""
        if not self.known.userinfo_endpoint:
            return {}
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json, application/jwt"}
        try:
            answer = self.fetcher.ask("GET", self.known.userinfo_endpoint, headers)
        except OutgoingRefusedError as error:
            raise FournisseurInjoignableError(f"userinfo: {error}", self.fournisseur.nom) from error
        if answer.status != 200:
            raise FournisseurInjoignableError(f"userinfo: answered {answer.status}", self.fournisseur.nom)
        claims = self._signed_userinfo(answer.body) if answer.kind in JOSE_TYPES else self._plain_userinfo(answer.kind, answer.body)
        if claims.get("sub") != subject:
            raise self._refused("userinfo: sub")
        return claims

    def _signed_userinfo(self, body: bytes) -> Claims:
        try:
            _, claims = self.signed(body.decode("ascii").strip(), "userinfo")
        except UnicodeDecodeError:
            raise self._refused("userinfo: not ASCII") from None
        if claims.get("iss", self.known.issuer) != self.known.issuer:
            raise self._refused("userinfo: iss")
        if claims.get("aud", self.fournisseur.client_id) not in (self.fournisseur.client_id, [self.fournisseur.client_id]):
            raise self._refused("userinfo: aud")
        return claims

    def _plain_userinfo(self, kind: str, body: bytes) -> Claims:
        if self.fournisseur.profile.signed_userinfo:
            raise self._refused("userinfo: not signed")
        try:
            claims = orjson.loads(body)
        except orjson.JSONDecodeError:
            claims = None
        if kind != "application/json" or not isinstance(claims, Mapping):
            raise self._refused("userinfo: not a JSON object")
        return claims
