"""Reading a client from its metadata: RFC 7591 section 2, the registered members of the other specifications, and MAG's own.

Each member has one way to fail, with the error that RFC 7591 section 3.2.2 names. Unknown members are ignored.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from idp.authentication.levels import LEVELS
from idp.errors import RefusedError
from idp.oidc.client import CONTENT_ENCS, GRANT_TYPES, KEY_ALGS, RESPONSE_TYPES, WIDGET_MODES, Client, Encryption, origin_of
from idp.oidc.link_prefixes import AmbiguousAddressError, read_place
from idp.oidc.mtls import SubjectError, read_subject
from idp.oidc.profiles import AUTH_METHODS, DEFAULT, NEW_NAMES, PROFILES, by_every_name

TLS_NAMES = ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email")
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


SHORTEST_REASON = 20
"""Characters."""
SANDBOX_GRANTS = frozenset({"authorization_code", "refresh_token", "client_credentials", "implicit"})


class InvalidClientMetadataError(RefusedError):
    """RFC 7591 section 3.2.2. `error` is `invalid_redirect_uri` or `invalid_client_metadata`."""

    code = "client_invalide"
    number = "M600001"
    remedy = "Partenaire : corrigez la métadonnée que le message nomme."

    def __init__(self, reason: str, error: str = "invalid_client_metadata") -> None:
        super().__init__(reason, public=reason)
        self.error = error


def read_client(
    client_id: str,
    metadata: Mapping[str, Any],
    *,
    partenaire: str = "",
    client_name: str = "",
    secret_hashes: Iterable[str] = (),
    secret_keys: Iterable[bytes] = (),
) -> Client:
    """The client that this metadata describes. Raises InvalidClientMetadataError."""
    reader = _Reader(metadata)
    profile = PROFILES[reader.one("profile", tuple(PROFILES), DEFAULT)]
    redirect_uris = reader.uris("redirect_uris")
    grants = frozenset(reader.some("grant_types", GRANT_TYPES, ("authorization_code",)))
    algs = profile.algs
    client = Client(
        client_id=client_id,
        partenaire=partenaire,
        client_name=reader.text("client_name", 120) or client_name or client_id,
        profile=profile,
        first_party=reader.flag("first_party", default=True),
        redirect_uris=redirect_uris,
        post_logout_redirect_uris=reader.uris("post_logout_redirect_uris"),
        grant_types=grants,
        response_types=reader.response_types(("code",) if "authorization_code" in grants else ()),
        scope=frozenset(reader.text("scope", 4000).split()) or frozenset({"openid"}),
        authorization_details_types=frozenset(reader.texts("authorization_details_types")),
        audience=reader.texts("audience"),
        exchange=frozenset(reader.texts("exchange")),
        introspect=frozenset(reader.texts("introspect")),
        token_endpoint_auth_method=reader.one("token_endpoint_auth_method", AUTH_METHODS, "client_secret_basic"),
        token_endpoint_auth_signing_alg=reader.signing_alg("token_endpoint_auth_signing_alg", (*algs, "HS256", "HS384", "HS512")),
        secret_hashes=frozenset(secret_hashes),
        secret_keys=tuple(secret_keys),
        jwks=reader.jwks(),
        jwks_uri=reader.uri("jwks_uri"),
        tls_client_auth=reader.tls_client_auth(),
        tls_client_certificate_bound_access_tokens=reader.flag("tls_client_certificate_bound_access_tokens"),
        dpop_bound_access_tokens=reader.flag("dpop_bound_access_tokens"),
        require_pushed_authorization_requests=reader.flag("require_pushed_authorization_requests"),
        require_signed_request_object=reader.flag("require_signed_request_object"),
        request_object_signing_alg=reader.signing_alg("request_object_signing_alg", algs),
        request_uris=reader.uris("request_uris", fragment=True),
        default_max_age=reader.number("default_max_age"),
        require_auth_time=reader.flag("require_auth_time"),
        default_acr_values=reader.texts("default_acr_values"),
        initiate_login_uri=reader.uri("initiate_login_uri"),
        link_prefixes=reader.prefixes("link_prefixes"),
        linking_return_uris=reader.uris("linking_return_uris"),
        linking_initiate_uri=reader.uri("linking_initiate_uri"),
        linking_max_acr=reader.one("linking_max_acr", (*LEVELS, ""), ""),
        linking_several=reader.flag("linking_several"),
        subject_type=reader.one("subject_type", ("pairwise", "public"), "pairwise"),
        sector=reader.sector(redirect_uris) or client_id,
        id_token_signed_response_alg=reader.one("id_token_signed_response_alg", algs, "RS256" if "RS256" in algs else "ES256"),
        id_token_encryption=reader.encryption("id_token"),
        userinfo_signed_response_alg=reader.one("userinfo_signed_response_alg", (*algs, ""), ""),
        userinfo_encryption=reader.encryption("userinfo"),
        introspection_signed_response_alg=reader.one("introspection_signed_response_alg", (*algs, ""), ""),
        introspection_encryption=reader.encryption("introspection"),
        authorization_signed_response_alg=reader.one("authorization_signed_response_alg", (*algs, ""), ""),
        authorization_encryption=reader.encryption("authorization"),
        access_token_signing_alg=reader.one("access_token_signing_alg", algs, "ES256"),
        access_token_format=reader.one("access_token_format", ("jwt", "opaque"), "jwt"),
        hab_bound=reader.number("hab_bound", most=120),
        hab_flat=reader.flag("hab_flat"),
        amr_names=reader.one("amr_names", ("franceconnect", ""), ""),
        widget_modes=frozenset(reader.some("widget_modes", WIDGET_MODES, ("fedcm", "popup", "redirect"))),
        widget_inline_reason=reader.text("widget_inline_reason", 400),
        widget_origins=reader.origins("widget_origins"),
        backchannel_logout_uri=reader.uri("backchannel_logout_uri"),
        backchannel_logout_session_required=reader.flag("backchannel_logout_session_required"),
        frontchannel_logout_uri=reader.uri("frontchannel_logout_uri"),
        frontchannel_logout_session_required=reader.flag("frontchannel_logout_session_required"),
        backchannel_token_delivery_mode=reader.one("backchannel_token_delivery_mode", ("poll", "ping", ""), ""),
        backchannel_client_notification_endpoint=reader.uri("backchannel_client_notification_endpoint"),
        backchannel_authentication_request_signing_alg=reader.signing_alg("backchannel_authentication_request_signing_alg", algs),
        client_uri=reader.uri("client_uri"),
        logo_uri=reader.uri("logo_uri"),
        policy_uri=reader.uri("policy_uri"),
        tos_uri=reader.uri("tos_uri"),
    )
    for check in TOGETHER:
        check(client)
    return client


# ------------------------------------------------------------------------------------ what one member asks of another


def check_redirection(client: Client) -> None:
    """RFC 7591 section 2."""
    if "authorization_code" in client.grant_types and not client.redirect_uris:
        raise InvalidClientMetadataError("redirect_uris: at least one is needed for authorization_code", "invalid_redirect_uri")
    words = {word for response_type in client.response_types for word in response_type.split()}
    if words & {"token", "id_token"} and "implicit" not in client.grant_types:
        raise InvalidClientMetadataError("response_types: token and id_token need the grant type implicit")


def check_grants(client: Client) -> None:
    """RFC 6749 sections 4.4 and 6, RFC 8693 section 2.1, CIBA Core section 4."""
    giving = client.grant_types - {"refresh_token", "client_credentials", "implicit"}
    if "refresh_token" in client.grant_types and not giving:
        raise InvalidClientMetadataError("grant_types: refresh_token needs authorization_code, or another grant about a person")
    alone = {g for g in client.grant_types if g == "client_credentials" or g.endswith(("token-exchange", "jwt-bearer", "ciba"))}
    if client.is_public and alone:
        raise InvalidClientMetadataError(f"grant_types: a public client cannot use {', '.join(sorted(alone))}")
    if "urn:openid:params:grant-type:ciba" in client.grant_types and not client.backchannel_token_delivery_mode:
        raise InvalidClientMetadataError("backchannel_token_delivery_mode: poll or ping is needed for CIBA")
    if client.backchannel_token_delivery_mode == "ping" and not client.backchannel_client_notification_endpoint:
        raise InvalidClientMetadataError("backchannel_client_notification_endpoint is needed for the ping mode")


def check_sandbox(client: Client) -> None:
    """ours: a client for test identities reaches people through the sign-in page alone, where it is known who they are."""
    beyond = client.grant_types - SANDBOX_GRANTS
    if client.profile.test_identities and beyond:
        raise InvalidClientMetadataError(f"grant_types: {', '.join(sorted(beyond))} is not allowed by the profile {client.profile.name}")


def check_proof(client: Client) -> None:
    """RFC 7523, RFC 8705 section 2.1.2, and what the profile asks."""
    method = client.token_endpoint_auth_method
    if method not in client.profile.auth_methods:
        raise InvalidClientMetadataError(f"token_endpoint_auth_method: {method} is not allowed by the profile {client.profile.name}")
    if method in ("private_key_jwt", "self_signed_tls_client_auth") and not (client.jwks or client.jwks_uri):
        raise InvalidClientMetadataError(f"{method} needs jwks or jwks_uri")
    if method == "tls_client_auth" and client.tls_client_auth is None:
        raise InvalidClientMetadataError("tls_client_auth needs one of tls_client_auth_subject_dn, _san_dns, _san_uri, _san_ip, _san_email")
    if client.tls_client_auth and client.tls_client_auth[0] == "subject_dn":
        check_subject(client.tls_client_auth[1])
    if client.jwks and client.jwks_uri:
        raise InvalidClientMetadataError("jwks and jwks_uri exclude each other")


def check_subject(text: str) -> None:
    """RFC 8705 section 2.1.2."""
    try:
        read_subject(text)
    except SubjectError as error:
        raise InvalidClientMetadataError(f"tls_client_auth_subject_dn: {error}") from None


def check_frames(client: Client) -> None:
    """Front-Channel Logout section 2: the frame is of an origin that the client already has."""
    origins = {urlsplit(uri)[:2] for uri in client.redirect_uris}
    if client.frontchannel_logout_uri and urlsplit(client.frontchannel_logout_uri)[:2] not in origins:
        raise InvalidClientMetadataError("frontchannel_logout_uri: its origin must be that of a redirect_uri")


def check_inline(client: Client) -> None:
    """ours: a frame where passwords are typed is given for a reason, which is written."""
    if "inline" not in client.widget_modes:
        return
    if len(client.widget_inline_reason.strip()) < SHORTEST_REASON:
        raise InvalidClientMetadataError(f"widget_inline_reason: inline needs its reason, in {SHORTEST_REASON} characters at least")
    if "code" not in client.response_types or client.profile.signed_response:
        raise InvalidClientMetadataError("widget_modes: inline needs response_type code, and answers that are not signed")


def check_encryption(client: Client) -> None:
    """RFC 7591 section 2: what is encrypted for a client needs its key."""
    asked = (client.id_token_encryption, client.userinfo_encryption, client.introspection_encryption, client.authorization_encryption)
    if any(asked) and not (client.jwks or client.jwks_uri):
        raise InvalidClientMetadataError("an encrypted answer needs jwks or jwks_uri")


def check_linking(client: Client) -> None:
    """ours: accounts are linked before they lead anywhere, and never for test identities."""
    if not client.linking_return_uris and (client.linking_initiate_uri or client.linking_max_acr or client.linking_several):
        raise InvalidClientMetadataError("linking_return_uris: one at least is needed to link accounts")
    if client.linking_return_uris and client.profile.test_identities:
        raise InvalidClientMetadataError(f"linking_return_uris: not with the profile {client.profile.name}")


TOGETHER = (check_redirection, check_grants, check_sandbox, check_proof, check_encryption, check_frames, check_inline, check_linking)


class _Reader:
    """Reads members of untrusted metadata, each with one way to fail."""

    def __init__(self, unverified_metadata: Mapping[str, Any]) -> None:
        self.given = unverified_metadata

    def text(self, name: str, longest: int = 2000) -> str:
        value = self.given.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            raise InvalidClientMetadataError(f"{name}: a text of at most {longest} printable characters is expected")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.given.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, str) and 0 < len(v) <= 2000 and v.isprintable() for v in value):
            raise InvalidClientMetadataError(f"{name}: a list of texts is expected")
        return tuple(dict.fromkeys(value))

    def one(self, name: str, allowed: Sequence[str], default: str) -> str:
        value = self.given.get(name, default)
        if value not in allowed:
            raise InvalidClientMetadataError(f"{name}: one of {', '.join(a for a in allowed if a)} is expected")
        return str(value)

    def signing_alg(self, name: str, allowed: Sequence[str]) -> str:
        """With which the client signs, by either name; empty when it says nothing."""
        value = self.one(name, (*by_every_name(allowed), ""), "")
        return next((alg for alg, new in NEW_NAMES.items() if value == new), value)

    def some(self, name: str, allowed: Sequence[str], default: Sequence[str]) -> tuple[str, ...]:
        values = self.texts(name) if name in self.given else tuple(default)
        if unknown := set(values) - set(allowed):
            raise InvalidClientMetadataError(f"{name}: {', '.join(sorted(unknown))} is not supported")
        return values

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.given.get(name, default)
        if not isinstance(value, bool):
            raise InvalidClientMetadataError(f"{name}: true or false is expected")
        return value

    def number(self, name: str, most: int = 10**9) -> int | None:
        value = self.given.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most):
            raise InvalidClientMetadataError(f"{name}: a whole number between 0 and {most} is expected")
        return value

    def uri(self, name: str) -> str:
        value = self.text(name)
        if value:
            check_uri(name, value)
        return value

    def uris(self, name: str, *, fragment: bool = False) -> tuple[str, ...]:
        values = self.texts(name)
        for value in values:
            check_uri(name, value.partition("#")[0] if fragment else value)
        return values

    def prefixes(self, name: str) -> tuple[str, ...]:
        """Addresses that hold others."""
        values = self.uris(name)
        for value in values:
            try:
                read_place(value, prefix=True)
            except AmbiguousAddressError as error:
                raise InvalidClientMetadataError(f"{name}: {value}: {error}") from None
        return values

    def origins(self, name: str) -> tuple[str, ...]:
        """Without a path, as browsers write them."""
        values = self.uris(name)
        if others := [value for value in values if origin_of(value) != value]:
            raise InvalidClientMetadataError(f"{name}: {others[0]} is not an origin, such as https://www.exemple.fr")
        return values

    def response_types(self, default: Sequence[str]) -> frozenset[str]:
        """Their words in whatever order."""
        given = [" ".join(sorted(v.split())) for v in self.texts("response_types")] if "response_types" in self.given else list(default)
        if unknown := set(given) - set(RESPONSE_TYPES):
            raise InvalidClientMetadataError(f"response_types: {', '.join(sorted(unknown))} is not supported")
        return frozenset(given)

    def encryption(self, of: str) -> Encryption | None:
        """`<of>_encrypted_response_alg` and `_enc`; A256GCM where the standards read A128CBC-HS256 in silence only for who says so."""
        alg = self.one(f"{of}_encrypted_response_alg", (*KEY_ALGS, ""), "")
        enc = self.one(f"{of}_encrypted_response_enc", (*CONTENT_ENCS, ""), "")
        if enc and not alg:
            raise InvalidClientMetadataError(f"{of}_encrypted_response_enc needs {of}_encrypted_response_alg")
        return Encryption(alg, enc or "A128CBC-HS256") if alg else None

    def tls_client_auth(self) -> tuple[str, str] | None:
        """RFC 8705 section 2.1.2: exactly one."""
        given = [(name, value) for name in TLS_NAMES if (value := self.text(f"tls_client_auth_{name}"))]
        if len(given) > 1:
            raise InvalidClientMetadataError("tls_client_auth: one name of the certificate, and one only")
        return given[0] if given else None

    def jwks(self) -> Mapping[str, Any] | None:
        value = self.given.get("jwks")
        if value is None:
            return None
        keys = value.get("keys") if isinstance(value, dict) else None
        if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) and "kty" in key for key in keys):
            raise InvalidClientMetadataError("jwks: a JWK set with at least one key is expected")
        if any(key["kty"] == "oct" or PRIVATE_MEMBERS & key.keys() for key in keys):
            raise InvalidClientMetadataError("jwks: public keys only")
        return dict(value)

    def sector(self, redirect_uris: tuple[str, ...]) -> str:
        """OpenID Connect Core section 8.1: the one host of the redirect URIs, or the one declared."""
        declared = self.text("sector_identifier") or urlsplit(self.uri("sector_identifier_uri")).netloc
        hosts = sorted({urlsplit(uri).netloc for uri in redirect_uris})
        if not declared and len(hosts) > 1 and self.given.get("subject_type", "pairwise") == "pairwise":
            raise InvalidClientMetadataError("sector_identifier is needed: the redirect_uris have several hosts")
        return declared or (hosts[0] if hosts else "")


def check_uri(name: str, value: str) -> None:
    """RFC 6749 section 3.1.2: absolute, no fragment; ours: https, or http for localhost; no user, no wildcard, ASCII.

    Nor what would end a directive of the Content-Security-Policy that names its origin.
    """
    error = "invalid_redirect_uri" if name == "redirect_uris" else "invalid_client_metadata"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidClientMetadataError(f"{name}: {value} is not an address", error) from None
    local = host.split(".")[-1] == "localhost" or host == "127.0.0.1"
    strange = any(c in value for c in ' \t"<>\\^`{|}*') or any(c in parts.netloc for c in ";,'")
    if not value.isascii() or strange or not host or parts.username is not None:
        raise InvalidClientMetadataError(f"{name}: {value} is not an acceptable address", error)
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise InvalidClientMetadataError(f"{name}: {value} must be https", error)
    if "#" in value:
        raise InvalidClientMetadataError(f"{name}: {value} has a fragment", error)
