"""What a partner signs: the request that links two accounts, and the assertions that vouch for somebody, by a browser or for a token.

RFC 7519 and RFC 7523 section 3, by the key of one of the partner's clients; RFC 8725 section 3.11: each has a `typ` of its own, so that
none is taken for another, nor for a client assertion, nor for a request object. ours: five minutes at most, `jti` once, `aud` is
the issuer alone, the clocks differ by one minute at most.
"""

from dataclasses import dataclass

from idp.ephemeral import Ephemeral
from idp.oidc import jose
from idp.oidc.client_auth import Clients
from idp.oidc.client_jwt import LONGEST, ClientJwtError, ReplayedError, check_once, check_parties, check_times, verified
from idp.oidc.jose import SKEW, Claims, Compact, UnreadableError
from idp.oidc.linked import ASSERTION
from partners.rattachement import accord
from partners.rattachement.accord import Accord
from partners.rattachement.refus import DemandeDejaServieError, DemandeRefuseeError

LINK, NAVIGATION = "rattachement+jwt", "navigation+jwt"
KINDS = {NAVIGATION: "jti-navigation", ASSERTION: "jti-rattachement-jeton"}
"""Assertions that vouch for somebody, and where the `jti` of each is kept."""
LIFE = 300
"""Seconds."""
LONGEST_COMPTE, LONGEST_LIBELLE, LONGEST_STATE = 255, 120, 512
"""Characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandeDeLien:
    """A partner asks that this account of its own be linked to whoever is at the browser."""

    accord: Accord
    compte: str
    libelle: str
    retour: str
    state: str
    auth_time: int
    """When the person signed in there; 0 when it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A partner vouches for the holder of one of its accounts."""

    accord: Accord
    compte: str
    acr: str
    auth_time: int
    vers: str


def read_link(clients: Clients, store: Ephemeral, issuer: str, text: str, now: float) -> DemandeDeLien:
    """Raises DemandeRefuseeError, DemandeDejaServieError, PartenaireSansAccordError, RetourInconnuError."""
    found, claims = _read(clients, issuer, text, LINK)
    asked = DemandeDeLien(
        accord=found,
        compte=_text(claims, "sub", LONGEST_COMPTE),
        libelle=_text(claims, "libelle", LONGEST_LIBELLE),
        retour=_text(claims, "retour", 2000),
        state=_text(claims, "state", LONGEST_STATE, needed=False),
        auth_time=_auth_time(claims, now, needed=False),
    )
    if asked.state and not asked.state.isascii():
        raise DemandeRefuseeError("state is not ASCII")
    found.check_return(asked.retour)
    _spend(store, claims, found, "jti-rattachement")
    return asked


def read_passage(clients: Clients, store: Ephemeral, issuer: str, text: str, now: float, typ: str = NAVIGATION) -> Passage:
    """Raises DemandeRefuseeError, DemandeDejaServieError, PartenaireSansAccordError."""
    found, claims = _read(clients, issuer, text, typ)
    passage = Passage(
        accord=found,
        compte=_text(claims, "sub", LONGEST_COMPTE),
        acr=_text(claims, "acr", 100, needed=False),
        auth_time=_auth_time(claims, now),
        vers=_text(claims, "vers", 500, needed=False),
    )
    _spend(store, claims, found, KINDS[typ])
    return passage


def unverified_partner(clients: Clients, text: str) -> Accord:
    """Whose it says it is. Raises DemandeRefuseeError, PartenaireSansAccordError."""
    try:
        claims = Compact.read(text, LONGEST).claims()
    except UnreadableError:
        raise DemandeRefuseeError("it cannot be read") from None
    return accord.of_client(clients, claims.get("iss"))


def _read(clients: Clients, issuer: str, text: str, typ: str) -> tuple[Accord, Claims]:
    """Who says it is first read, then proved; `jti` is spent last, so that what is refused spends nothing."""
    found = unverified_partner(clients, text)
    client = found.client
    algorithms = [alg for alg in client.profile.algs if client.token_endpoint_auth_signing_alg in ("", alg)] or client.profile.algs
    try:
        claims = verified(clients, client, text, algorithms, (typ,))
        check_parties(claims, client, issuer)
        if claims["aud"] != issuer:
            raise ClientJwtError("aud is not this issuer alone")
        check_times(claims, ("exp", "iat"), LIFE)
    except ClientJwtError as error:
        raise DemandeRefuseeError(f"{typ} of {client.client_id}: {error}") from None
    return found, claims


def _spend(store: Ephemeral, claims: Claims, found: Accord, kind: str) -> None:
    try:
        check_once(store, claims, found.client, kind, LIFE)
    except ReplayedError:
        raise DemandeDejaServieError(f"jti of {found.client.client_id} again") from None
    except ClientJwtError as error:
        raise DemandeRefuseeError(f"{found.client.client_id}: {error}") from None


def _text(claims: Claims, name: str, longest: int, *, needed: bool = True) -> str:
    value = claims.get(name, "" if not needed else None)
    if not isinstance(value, str) or (needed and not value.strip()) or len(value) > longest or not (value.isprintable() or not value):
        raise DemandeRefuseeError(f"{name} must be a text of at most {longest} printable characters")
    return value


def _auth_time(claims: Claims, now: float, *, needed: bool = True) -> int:
    """OpenID Connect Core section 2; nobody signs in tomorrow."""
    if "auth_time" not in claims and not needed:
        return 0
    value = jose.number(claims.get("auth_time"))
    if value is None or not 0 < value <= now + SKEW:
        raise DemandeRefuseeError("auth_time must be when the person signed in, in seconds")
    return int(min(value, now))
