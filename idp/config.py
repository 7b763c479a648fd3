"""Every setting of MAG: typed, documented, with a safe default or a refusal to start that names it.

Settings are read once from the environment into a frozen value. `mag reglages` prints this list with the
values in force, secrets hidden. `docs/exploitation.md` is written from the same documentation.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from idp.errors import SettingError

MINUTE, HOUR = 60, 3600


def setting(doc: str, default: Any = None, *, secret: bool = False) -> Any:
    """A documented field. `doc` is what the operator reads; `secret` hides the value wherever settings are shown."""
    return field(default=default, repr=not secret, metadata={"doc": doc, "secret": secret})


@dataclass(frozen=True, slots=True)
class Secret:
    """One master secret: its identifier, written beside whatever it sealed, and 32 bytes or more."""

    id: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force. Durations are in seconds, sizes in bytes unless the name says otherwise."""

    issuer: str = setting(
        "Address of MAG as partners and browsers know it, without a trailing slash; may carry a path. https, unless the host is localhost.",
        "",
    )
    secrets: tuple[Secret, ...] = setting(
        "Master secrets `id:base64url`, comma separated, 32 bytes or more each. The first one seals; the others only open.", (), secret=True
    )
    database_url: str = setting(
        "SQLAlchemy address of the database: postgresql+psycopg://… in production, sqlite:///… for one machine.",
        "sqlite:///var/mag.sqlite3",
    )
    redis_url: str = setting("Address of Redis for short-lived state; empty: the database keeps it.", "")
    hosts: tuple[str, ...] = setting("Host names answered, comma separated, beside the issuer's own.", ())
    trusted_proxies: int = setting("How many reverse proxies in front add to X-Forwarded-For. 0: the header is ignored.", 0)
    tls_certificate_header: str = setting(
        "Header where a reverse proxy of MAG_TLS_PROXIES writes the client certificate (mutual TLS), as URL-encoded PEM or `:base64:`; "
        "empty: no certificate is ever read. The proxy must replace this header in every request.",
        "",
    )
    tls_verified_header: str = setting(
        "Header where it says that it verified the certificate's chain (`SUCCESS` or `0`); empty: tls_client_auth is refused.", ""
    )
    tls_proxies: tuple[str, ...] = setting("Addresses or networks, comma separated, whose connections may carry client certificates.", ())
    client_secret_jwt: bool = setting("1: clients registered for it may authenticate by client_secret_jwt, an old method.", False)
    dpop_nonce: tuple[str, ...] = setting("Profiles, comma separated, whose clients put a nonce of MAG in their DPoP proofs.", ())
    extra_ca: str = setting("Path of a PEM file of certificate authorities trusted for outgoing calls, beside the system's.", "")
    outgoing_hosts: tuple[str, ...] = setting(
        "Hosts (`name` or `name:port`) that outgoing calls may reach although their address is private or loopback.", ()
    )
    test_identities: tuple[str, ...] = setting(
        "Test identities `siret|nom|prenom`, comma separated, whose sign-in throttles are lifted. Never in production.", ()
    )
    open_registration: bool = setting(
        "1: anybody may register a client (RFC 7591), without a token. For conformance suites; 0 in production.", False
    )
    sandbox: bool = setting("1: anybody may have a client at once, for the test identities alone, for 30 days.", False)
    session_lifetime: int = setting("Longest life of an SSO session, whatever its use.", 12 * HOUR)
    session_idle: int = setting("An SSO session unused for this long ends.", 2 * HOUR)
    demande_lifetime: int = setting("How long a sign-in may take, from the partner's request to the password.", 30 * MINUTE)
    code_lifetime: int = setting("Life of an authorization code; at most 60.", 60)
    pushed_request_lifetime: int = setting("Life of a pushed authorization request (RFC 9126).", 90)
    front_channel_tokens: bool = setting(
        "1: clients registered for them may use the response types that give tokens through the browser (implicit, hybrid).", False
    )
    access_token_lifetime: int = setting("Life of an access token; at most 600.", 5 * MINUTE)
    id_token_lifetime: int = setting("Life of an ID token; at most 600.", 5 * MINUTE)
    refresh_token_lifetime: int = setting("Longest life of a family of refresh tokens.", 12 * HOUR)
    offline_lifetime: int = setting("Longest life of a family of refresh tokens granted with offline_access.", 30 * 24 * HOUR)
    software_lifetime: int = setting(
        "Longest life of what a person grants with offline_access to a software that proves itself each time (jwt-bearer, "
        "private_key_jwt, tokens bound to a key).",
        365 * 24 * HOUR,
    )
    refresh_grace: int = setting("For this long a rotated refresh token still gives the same successor (lost answers); at most 30.", 10)
    key_rotation_days: int = setting("Days a signing key signs before the next one does, by itself; 0: only `mag cles tourner`.", 90)
    argon2_memory_kib: int = setting("Argon2id memory, in KiB; 19456 is the OWASP minimum.", 19456)
    argon2_time: int = setting("Argon2id passes.", 2)
    argon2_parallelism: int = setting("Argon2id lanes.", 1)
    password_policy: str = setting("Policy of new passwords: `mag` (12 characters or more) or `longue` (15 or more).", "mag")
    secret_question: bool = setting("1: people may set a secret question, a weak way back into an account without second factor.", False)
    hash_slots: int = setting("Passwords hashed at once by one process, on niced threads.", 1)
    hash_queue: int = setting("Sign-ins that may wait for a hash slot in one process; beyond, 503 at once. Each holds a thread.", 40)
    hab_bound: int = setting(
        "Largest number of establishments and companies that a token lists; beyond, the token points to the claim endpoint.", 40
    )
    mass_approval: int = setting(
        "Rights that a mass file, or one act, may change without a second person's agreement: another administrator's, or an operator's. "
        "0: never.",
        500,
    )
    smtp_url: str = setting(
        "Where mails go: smtp://user:password@host:port, smtps://… or smtp+starttls://…; empty: mails wait in the outbox.", "", secret=True
    )
    mail_from: str = setting("Sender of MAG's mails.", "MAG <ne-pas-repondre@localhost>")
    bounce_address: str = setting(
        "Address where mails that do not arrive come back, read by `mag courrier retours`; MAG adds `+` and a number before the @. "
        "Empty: they come back to the sender.",
        "",
    )
    email_check_months: int = setting("Months after which a person is asked whether an e-mail address still is theirs; 0: never.", 12)
    dormant_months: int = setting("Months without a sign-in after which an account is suspended, warned a month before; 0: never.", 13)
    first_administrator: str = setting(
        "What becomes of a first administrator whom nothing known ties to the company: `manual`, an operator decides; `warn`, it is noted.",
        "manual",
    )
    places: str = setting(
        "File that says where addresses roughly are, for people's lists of sessions (docs/exploitation.md); empty: the address alone.", ""
    )
    support_url: str = setting(
        "Address of the assistance that pages of refusal lead to, with the client, the code and the trace in its query; empty: none.", ""
    )
    desk_url: str = setting(
        "Address of the operators' desk, on a host of its own, without path: https://bureau.example.fr; empty: there is no desk.", ""
    )
    frontchannel_logout: bool = setting(
        "1: discovery says that front-channel logout is supported; clients that registered an address for it have it anyway.", False
    )
    machine_door: tuple[str, ...] = setting(
        "Services of the machine door `/authentifier/1.0/` (a password against a token, for old payroll software), comma separated: "
        "`code:client_id:service`, as 25:dsn-depot:dsn. Empty: the door does not exist.",
        (),
    )
    log_level: str = setting("DEBUG, INFO, WARNING or ERROR.", "INFO")

    def __post_init__(self) -> None:
        checks = (
            check_issuer,
            check_secrets,
            check_bounds,
            check_test_identities,
            check_mutual_tls,
            check_support,
            check_desk,
            check_bounces,
            check_machine_door,
        )
        for check in checks:
            check(self)

    @property
    def issuer_path(self) -> str:
        """Path of the issuer, without a trailing slash: '' or '/api/v2'."""
        return urlsplit(self.issuer).path

    @property
    def issuer_host(self) -> str:
        """Host of the issuer, with its port when it has one."""
        return urlsplit(self.issuer).netloc

    @property
    def issuer_origin(self) -> str:
        return f"{urlsplit(self.issuer).scheme}://{self.issuer_host}"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read `MAG_<NAME>` for every field. Raises SettingError, naming the setting, on anything missing, unknown or unsafe."""
        environ = os.environ if environ is None else environ
        known = {f"MAG_{f.name.upper()}": f for f in fields(cls)}
        for name in environ:
            if name.startswith("MAG_") and name not in known:
                raise SettingError(f"{name} is not a setting of MAG")
        return cls(**{f.name: _parse(name, environ[name], f) for name, f in known.items() if name in environ})


def _parse(name: str, raw: str, f: Any) -> Any:
    if f.name == "secrets":
        return tuple(_parse_secret(part) for part in raw.split(",") if part.strip())
    if f.type is bool:
        if raw not in ("0", "1"):
            raise SettingError(f"{name} must be 0 or 1, not {raw!r}")
        return raw == "1"
    if f.type is int:
        if not (raw.isascii() and raw.isdigit()):
            raise SettingError(f"{name} must be a whole number, not {raw!r}")
        return int(raw)
    if isinstance(f.default, tuple):
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    return raw.strip()


def _parse_secret(part: str) -> Secret:
    identifier, _, encoded = part.strip().partition(":")
    try:
        value = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError):
        value = b""
    if not identifier or not identifier.isalnum() or len(value) < 32:
        raise SettingError("MAG_SECRETS must be `id:base64url` with 32 bytes or more; make one with `mag secret`")
    if len(set(value)) < 8:
        raise SettingError("MAG_SECRETS holds a secret that is not random; make one with `mag secret`")
    return Secret(identifier, value)


def check_issuer(settings: Settings) -> None:
    """OpenID Connect Discovery section 3: https, no query, no fragment; ours: http for localhost alone."""
    if not settings.issuer:
        raise SettingError("MAG_ISSUER is missing: the address of MAG as partners know it, such as https://mag.example.fr")
    parts = urlsplit(settings.issuer)
    local = (parts.hostname or "").split(".")[-1] == "localhost" or parts.hostname == "127.0.0.1"
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise SettingError("MAG_ISSUER must be https (http is accepted for localhost alone)")
    if not parts.hostname or parts.query or parts.fragment or settings.issuer.endswith("/"):
        raise SettingError("MAG_ISSUER must be an address without query, fragment or trailing slash")


def check_secrets(settings: Settings) -> None:
    if not settings.secrets:
        raise SettingError("MAG_SECRETS is missing: make one with `mag secret`")
    if len({secret.id for secret in settings.secrets}) != len(settings.secrets):
        raise SettingError("MAG_SECRETS names the same identifier twice")


def check_support(settings: Settings) -> None:
    """A link that people follow: https, or http for localhost; what MAG adds goes to its query."""
    parts = urlsplit(settings.support_url)
    local = parts.scheme == "http" and (parts.hostname or "").split(".")[-1] == "localhost"
    if settings.support_url and (not parts.hostname or parts.fragment or not (parts.scheme == "https" or local)):
        raise SettingError("MAG_SUPPORT_URL must be an https address without fragment")


def check_machine_door(settings: Settings) -> None:
    for text in settings.machine_door:
        code, client_id, service = [*text.split(":"), "", "", ""][:3]
        if text.count(":") != 2 or not (code.isascii() and code.isdigit() and client_id and service):
            raise SettingError(f"MAG_MACHINE_DOOR must be `code:client_id:service`, not {text!r}")
    if len({text.split(":")[0] for text in settings.machine_door}) != len(settings.machine_door):
        raise SettingError("MAG_MACHINE_DOOR names the same code twice")


def check_desk(settings: Settings) -> None:
    """Operators have a host of their own: its cookies and pages are out of reach of the public one, and the reverse."""
    parts = urlsplit(settings.desk_url)
    local = parts.scheme == "http" and (parts.hostname or "").split(".")[-1] == "localhost"
    if not settings.desk_url:
        return
    if not parts.hostname or parts.path or parts.query or parts.fragment or not (parts.scheme == "https" or local):
        raise SettingError("MAG_DESK_URL must be an https address without path (http is accepted for localhost alone)")
    if parts.hostname == urlsplit(settings.issuer).hostname or parts.netloc in settings.hosts:
        raise SettingError("MAG_DESK_URL must have a host of its own, which is neither that of MAG_ISSUER nor one of MAG_HOSTS")


def check_bounces(settings: Settings) -> None:
    """One address, which a number is added to: the local part of what results has 64 characters at most."""
    if settings.bounce_address and not re.fullmatch(r"[A-Za-z0-9._-]{1,32}@[A-Za-z0-9.-]{1,180}", settings.bounce_address):
        raise SettingError("MAG_BOUNCE_ADDRESS must be an address such as retours@mag.example.fr")


def check_test_identities(settings: Settings) -> None:
    """A test identity that names nobody would leave its brakes on, and say nothing."""
    for text in settings.test_identities:
        siret, *names = text.split("|")
        if len(names) != 2 or not all(name.strip() for name in names) or not re.fullmatch("[0-9]{14}", "".join(siret.split())):
            raise SettingError("MAG_TEST_IDENTITIES must be `siret|nom|prenom`, comma separated, each SIRET of 14 digits")


def check_mutual_tls(settings: Settings) -> None:
    """A header that anyone could write is worse than none."""
    headers = (settings.tls_certificate_header, settings.tls_verified_header)
    if any(header and not re.fullmatch("[A-Za-z][A-Za-z0-9-]*", header) for header in headers):
        raise SettingError("MAG_TLS_CERTIFICATE_HEADER and MAG_TLS_VERIFIED_HEADER must be names of headers")
    if headers[0] and not (settings.tls_proxies and settings.trusted_proxies):
        raise SettingError("MAG_TLS_CERTIFICATE_HEADER needs MAG_TLS_PROXIES, and MAG_TRUSTED_PROXIES of 1 or more")
    if headers[1] and not headers[0]:
        raise SettingError("MAG_TLS_VERIFIED_HEADER needs MAG_TLS_CERTIFICATE_HEADER")
    for network in settings.tls_proxies:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise SettingError(f"MAG_TLS_PROXIES must be addresses or networks, not {network!r}") from None


BOUNDS = {
    "code_lifetime": (10, 60),
    "pushed_request_lifetime": (5, 599),
    "access_token_lifetime": (30, 600),
    "id_token_lifetime": (30, 600),
    "refresh_grace": (0, 30),
    "key_rotation_days": (0, 366),
    "session_idle": (60, 24 * HOUR),
    "session_lifetime": (60, 24 * HOUR),
    "demande_lifetime": (60, 2 * HOUR),
    "refresh_token_lifetime": (60, 31 * 24 * HOUR),
    "offline_lifetime": (60, 366 * 24 * HOUR),
    "argon2_memory_kib": (7168, 4 << 20),
    "argon2_time": (1, 20),
    "argon2_parallelism": (1, 16),
    "hash_slots": (1, 64),
    "hash_queue": (0, 10_000),
    "hab_bound": (0, 120),
    "trusted_proxies": (0, 10),
    "email_check_months": (0, 60),
    "dormant_months": (0, 60),
    "mass_approval": (0, 10_000_000),
}


def check_bounds(settings: Settings) -> None:
    for name, (low, high) in BOUNDS.items():
        if not low <= getattr(settings, name) <= high:
            raise SettingError(f"MAG_{name.upper()} must be between {low} and {high}")
    if settings.argon2_memory_kib * settings.argon2_time < 7168 * 5:
        raise SettingError(
            "MAG_ARGON2_MEMORY_KIB and MAG_ARGON2_TIME are below the OWASP minimum (19456 with 2, 12288 with 3, 7168 with 5)"
        )
    if settings.extra_ca and not Path(settings.extra_ca).is_file():
        raise SettingError("MAG_EXTRA_CA names a file that does not exist")
    if settings.places and not Path(settings.places).is_file():
        raise SettingError("MAG_PLACES names a file that does not exist")
    if settings.password_policy not in ("mag", "longue"):
        raise SettingError("MAG_PASSWORD_POLICY must be mag or longue")
    if settings.first_administrator not in ("manual", "warn"):
        raise SettingError("MAG_FIRST_ADMINISTRATOR must be manual or warn")
    if settings.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise SettingError("MAG_LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR")
