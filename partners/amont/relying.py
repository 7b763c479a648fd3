"""A person goes to a provider and comes back proved: `start`, `finish`, `take`. The core that every use of a provider stands on.

OpenID Connect Core section 3.1 (code flow), RFC 7636 (S256), RFC 9207 (who answers), RFC 9700 sections 2.1, 4.4 and 4.7, RP-Initiated
Logout 1.0 section 2. A request in progress is kept sealed under its own `state`, for ten minutes, and opens in the browser that began
it alone. Left out on purpose: implicit and hybrid flows, answers by form, refresh tokens (MAG asks once and forgets).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

import orjson

from idp.config import Settings
from idp.ephemeral import Ephemeral
from idp.logs import note
from idp.oidc.jose import number
from idp.seals import Seals, UnsealError, b64, digest, random_token, seal_under, unb64, unseal_under
from partners.amont import echange
from partners.amont.jetons import Cles, Expected, Reader
from partners.amont.metadonnees import Discovery, Metadonnees
from partners.amont.models import Fournisseur
from partners.amont.refus import (
    KNOWN,
    WITHOUT_A_WORD,
    ArriveeInconnueError,
    FournisseurInconnuError,
    RefusChezFournisseurError,
    RetourEtrangerError,
    RetourInconnuError,
    RetourRejoueError,
    SilentRefusalError,
)
from partners.outgoing import Fetcher

RETURN, OUT, KEYS = "/amont/retour", "/amont/sortie", "/amont/cles"
"""Where providers answer, send back whoever signed out there, and read MAG's keys; under the issuer's path."""
PROGRESS, ARRIVAL = "amont", "amont_arrivee"
LEAVING = "sortie"
"""Purpose of an arrival that is kept to end the session there, and for nothing else."""
PROGRESS_LIFE, ARRIVAL_LIFE = 600, 300
"""Seconds."""
LONGEST = 4_096
"""Characters of a parameter of an answer."""
TOKEN_CLAIMS = frozenset({"iss", "aud", "azp", "exp", "iat", "nbf", "nonce", "at_hash", "c_hash", "jti", "sid", "s_hash"})
"""Of the token, not of the person."""


@dataclass(frozen=True, slots=True)
class Amont:
    """The components that speak with providers, of one process: `current_app.extensions["mag_amont"]`."""

    settings: Settings
    store: Ephemeral
    seals: Seals
    fetcher: Fetcher
    discovery: Discovery
    keys: Cles

    @classmethod
    def build(cls, settings: Settings, store: Ephemeral, seals: Seals, fetcher: Fetcher) -> Self:
        return cls(settings, store, seals, fetcher, Discovery(fetcher), Cles(settings, fetcher=fetcher))

    @property
    def redirect_uri(self) -> str:
        return self.settings.issuer + RETURN


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What was asked of a provider, until it answers."""

    fournisseur: str
    issuer: str
    purpose: str
    back: str
    bound: str
    nonce: str
    verifier: str
    acr_values: tuple[str, ...]
    max_age: int | None
    silent: bool
    asked_at: int
    fresh: bool = False
    """A session there was not to be enough (`prompt=login`)."""

    @classmethod
    def load(cls, raw: bytes) -> Self:
        values: dict[str, Any] = orjson.loads(raw)
        return cls(**values | {"acr_values": tuple(values["acr_values"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Somebody, as a provider proved them just now."""

    fournisseur: str
    """Its code."""
    purpose: str
    back: str
    bound: str
    """As `start` was given it: whom or what it is for."""
    subject: str
    claims: dict[str, Any]
    """Of the person: userinfo over the ID token."""
    acr: str
    amr: tuple[str, ...]
    auth_time: int | None
    """Epoch seconds; None where the provider does not say."""
    at: int
    id_token: str
    """For the end of the session there (`farewell`), and nothing else."""

    @classmethod
    def load(cls, raw: bytes) -> Self:
        values: dict[str, Any] = orjson.loads(raw)
        return cls(**values | {"amr": tuple(values["amr"])})


# ------------------------------------------------------------------------------------------------------------------- there


def start(
    amont: Amont,
    fournisseur: Fournisseur,
    purpose: str,
    *,
    browser: str,
    back: str,
    bound: str,
    now: datetime,
    prompt: str | None = None,
    max_age: int | None = None,
    login_hint: str | None = None,
    acr_values: Sequence[str] | None = None,
) -> str:
    """The address to send this browser to. `browser` is its binding (`http.binding()`), `back` a path of MAG.

    `bound` says whom it is for: the view of `purpose` compares it. Raises FournisseurInconnuError, FournisseurInjoignableError.
    """
    if not fournisseur.lives:
        raise FournisseurInconnuError(f"{fournisseur.code} is cut off")
    known, profile, state = amont.discovery.of(fournisseur), fournisseur.profile, random_token()
    asked = tuple(acr_values) if acr_values is not None else fournisseur.acr_values
    if max_age is not None and not profile.max_age:
        prompt = "login" if prompt != "none" else prompt
    progress = Progress(
        fournisseur=fournisseur.code,
        issuer=known.issuer,
        purpose=purpose,
        back=back,
        bound=bound,
        nonce=random_token(),
        verifier=random_token() if fournisseur.pkce else "",
        acr_values=asked,
        max_age=max_age,
        silent=prompt == "none",
        asked_at=int(now.timestamp()),
        fresh=prompt == "login",
    )
    sealed = b64(seal_under(state, orjson.dumps(progress)))
    amont.store.put(PROGRESS, digest(state), sealed, PROGRESS_LIFE, proof=digest(browser))
    parameters = {"nonce": progress.nonce} | _level(fournisseur, asked)
    if prompt is not None and prompt in profile.prompts:
        parameters["prompt"] = prompt
    if max_age is not None and profile.max_age:
        parameters["max_age"] = str(max_age)
    if login_hint:
        parameters["login_hint"] = login_hint
    client = echange.client_of(fournisseur, known, amont.fetcher, amont.seals, amont.redirect_uri)
    note("provider asked", fournisseur=fournisseur.code, purpose=purpose)
    return echange.address(client, known, state, progress.verifier, parameters)


def _level(fournisseur: Fournisseur, asked: tuple[str, ...]) -> dict[str, str]:
    """OpenID Connect Core sections 5.5.1.1 and 3.1.2.1. `auth_time` too: `prompt=login` may be deleted on the way."""
    if not asked or not fournisseur.profile.acr_through:
        return {}
    if fournisseur.profile.acr_through == "acr_values":
        return {"acr_values": " ".join(asked)}
    wanted = {"value": asked[0]} if len(asked) == 1 else {"values": list(asked)}
    members = {"acr": {"essential": True, **wanted}, "amr": {"essential": True}, "auth_time": {"essential": True}}
    return {"claims": orjson.dumps({"id_token": members}).decode()}


# --------------------------------------------------------------------------------------------------------------- and back


def finish(amont: Amont, args: Mapping[str, str], *, browser: str, now: datetime) -> Arrived:
    """Who came back. `args`: the parameters of the answer, each once. Raises AmontError; nothing was opened."""
    progress, fournisseur = _asked(amont, args, browser)
    known = amont.discovery.of(fournisseur)
    _check_issuer(args, progress, known)
    if "error" in args:
        error = args["error"] if args["error"] in KNOWN else "unknown_error"
        if progress.silent and error in WITHOUT_A_WORD:
            raise SilentRefusalError(error, fournisseur.nom, progress.back)
        raise RefusChezFournisseurError(error, fournisseur.nom)
    code = args.get("code", "")
    if not 0 < len(code) <= LONGEST or not code.isascii() or not code.isprintable():
        raise RetourInconnuError("no code")
    client = echange.client_of(fournisseur, known, amont.fetcher, amont.seals, amont.redirect_uri)
    tokens = echange.redeem(client, fournisseur, known, code, progress.verifier)
    reader = Reader(fournisseur, known, amont.fetcher, amont.keys, amont.seals)
    expected = Expected(progress.nonce, progress.acr_values, progress.max_age, progress.asked_at, progress.fresh)
    token, proved = reader.id_token(tokens.get("id_token"), tokens["access_token"], expected, int(now.timestamp()))
    return _arrived(progress, proved, reader.userinfo(tokens["access_token"], proved["sub"]), token, now)


def _asked(amont: Amont, args: Mapping[str, str], browser: str) -> tuple[Progress, Fournisseur]:
    """What this answers, used once. Raises RetourInconnuError, RetourRejoueError, FournisseurInconnuError."""
    state = args.get("state", "")
    if not 32 <= len(state) <= 100 or not state.isascii():
        raise RetourInconnuError("no state")
    spent = amont.store.spend(PROGRESS, digest(state), digest(browser))
    if spent is None:
        raise RetourInconnuError("unknown state, or another browser")
    if not spent.first:
        raise RetourRejoueError("state used before")
    try:
        progress = Progress.load(unseal_under(state, unb64(spent.value)))
    except (UnsealError, ValueError, TypeError) as error:
        raise RetourInconnuError("not readable") from error
    fournisseur = Fournisseur.named(progress.fournisseur)
    if fournisseur is None or not fournisseur.lives or fournisseur.issuer != progress.issuer:
        raise FournisseurInconnuError(f"{progress.fournisseur} was cut off meanwhile")
    return progress, fournisseur


def _check_issuer(args: Mapping[str, str], progress: Progress, known: Metadonnees) -> None:
    """RFC 9207 section 2.4: before anything else that the answer says, errors included."""
    given = args.get("iss")
    if given is None and not known.says_iss:
        return
    if given != progress.issuer:
        raise RetourEtrangerError(f"{progress.fournisseur}: iss {str(given)[:100]}")


def _arrived(progress: Progress, proved: Mapping[str, Any], said: Mapping[str, Any], id_token: str, now: datetime) -> Arrived:
    amr, acr, auth_time = proved.get("amr"), proved.get("acr"), number(proved.get("auth_time"))
    return Arrived(
        fournisseur=progress.fournisseur,
        purpose=progress.purpose,
        back=progress.back,
        bound=progress.bound,
        subject=proved["sub"],
        claims={name: value for name, value in {**proved, **said}.items() if name not in TOKEN_CLAIMS},
        acr=acr if isinstance(acr, str) else "",
        amr=tuple(one for one in amr if isinstance(one, str)) if isinstance(amr, list) else (),
        auth_time=None if auth_time is None else int(auth_time),
        at=int(now.timestamp()),
        id_token=id_token,
    )


# ------------------------------------------------------------------------------------------------- from one page to another


def keep(amont: Amont, arrived: Arrived, *, browser: str) -> str:
    """A handle that the page `back` takes once, in this browser, within five minutes. Nothing of it is readable in the store."""
    handle = random_token()
    sealed = b64(seal_under(handle, orjson.dumps(arrived)))
    amont.store.put(ARRIVAL, digest(handle), sealed, ARRIVAL_LIFE, proof=digest(browser))
    return handle


def take(amont: Amont, handle: str, purpose: str, *, browser: str) -> Arrived:
    """Raises ArriveeInconnueError: used, too old, of another browser, or kept for another purpose."""
    spent = amont.store.spend(ARRIVAL, digest(handle), digest(browser)) if 0 < len(handle) <= 100 else None
    if spent is None or not spent.first:
        raise ArriveeInconnueError("unknown handle" if spent is None else "handle used before")
    try:
        arrived = Arrived.load(unseal_under(handle, unb64(spent.value)))
    except (UnsealError, ValueError, TypeError) as error:
        raise ArriveeInconnueError("not readable") from error
    if arrived.purpose != purpose:
        raise ArriveeInconnueError(f"kept for {arrived.purpose}")
    return arrived


def keep_exit(amont: Amont, arrived: Arrived, *, browser: str) -> str:
    """A word with which this browser may end the session there, once: both ask their partners to offer it."""
    return keep(amont, replace(arrived, purpose=LEAVING, subject="", claims={}), browser=browser)


def farewell(amont: Amont, fournisseur: Fournisseur, id_token: str, state: str = "") -> str:
    """Where the session there ends, and comes back to MAG (RP-Initiated Logout section 2); empty where the provider has no such address."""
    known = amont.discovery.of(fournisseur)
    if not known.end_session_endpoint:
        return ""
    query = {"id_token_hint": id_token, "post_logout_redirect_uri": amont.settings.issuer + OUT, "client_id": fournisseur.client_id}
    joined = urlencode(query | ({"state": state} if state else {}))
    return known.end_session_endpoint + ("&" if "?" in known.end_session_endpoint else "?") + joined
