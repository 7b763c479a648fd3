"""Client profiles: what each kind of client must send, and what is tolerated of it. A profile is data; `checks.py` reads it.

`docs/profils.md` is written from this table. ProConnect and FranceConnect demand of their partners what theirs demand, so that
an existing configuration works by changing its issuer and its credentials.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

AUTH_METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
)
SIGNING_ALGS = ("ES256", "RS256", "PS256", "EdDSA")
STRONG_ALGS = ("ES256", "PS256", "EdDSA")
"""FAPI 2.0 Security Profile section 5.4.1."""
NEW_NAMES = {"EdDSA": "Ed25519"}
"""RFC 9864 section 2.2: libraries write the new name. Of what clients sign MAG reads both; it writes the one that FAPI 2.0 lists."""
STANDARD_PROMPTS = frozenset({"none", "login", "consent", "select_account", "create"})
"""Core section 3.1.2.1, Prompt Create 1.0 section 4."""
PROMPTS = STANDARD_PROMPTS | {"select_organization"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Demands (flags, lengths in characters) and tolerances. Metadata of a client may demand more, never less."""

    name: str
    says: str
    """For whom, in a French sentence."""
    pkce: bool = True
    """`code_challenge` is required; of public clients it always is."""
    par: bool = False
    """RFC 9126 section 5: the request is pushed first."""
    state: bool = False
    nonce_length: int = 0
    acr_values: bool = False
    """Required, and one of them must be reached."""
    signed_request: bool = False
    """RFC 9101 section 10.5."""
    signed_response: bool = False
    """JARM."""
    sender_constrained: bool = False
    """DPoP or mutual TLS, always."""
    issuer_audience: bool = False
    """A client assertion is addressed to the issuer, as a string, and to nothing else."""
    auth_methods: tuple[str, ...] = AUTH_METHODS
    algs: tuple[str, ...] = SIGNING_ALGS
    """With which the client may sign, and have its tokens signed."""
    prompts: frozenset[str] = PROMPTS
    unmet_acr: str = "unmet_authentication_requirements"
    """Error when the level asked for cannot be reached."""
    test_identities: bool = False
    """Only test identities sign in there."""


def by_every_name(algs: Iterable[str]) -> tuple[str, ...]:
    """How a client may name the algorithms it signs with."""
    return tuple(dict.fromkeys(name for alg in algs for name in (alg, NEW_NAMES.get(alg, alg))))


DEFAULT = "standard"
FAPI2 = Profile(
    name="fapi2",
    says="FAPI 2.0 Security Profile : PAR, jetons liés à une clé, authentification forte du client.",
    par=True,
    sender_constrained=True,
    issuer_audience=True,
    auth_methods=("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"),
    algs=STRONG_ALGS,
)
PROFILES = {
    profile.name: profile
    for profile in (
        Profile(name=DEFAULT, says="Le profil de tout nouveau client : code et PKCE S256."),
        Profile(
            name="openid", says="OpenID Connect tel que la norme l'écrit, PKCE facultatif : clients enregistrés dynamiquement.", pkce=False
        ),
        Profile(name="strict", says="PKCE S256 et demande déposée d'avance (PAR).", par=True),
        FAPI2,
        replace(
            FAPI2,
            name="fapi2-message",
            says="FAPI 2.0 Message Signing : de plus, demande signée (JAR) et réponse signée (JARM).",
            signed_request=True,
            signed_response=True,
        ),
        Profile(
            name="proconnect",
            says="Partenaire venu de ProConnect : `state` obligatoire, PKCE facultatif.",
            pkce=False,
            state=True,
            prompts=frozenset({"none", "login", "consent", "select_organization"}),
            unmet_acr="access_denied",
        ),
        Profile(
            name="franceconnect",
            says="Partenaire venu de FranceConnect : `state`, `nonce` et `acr_values` obligatoires, PKCE facultatif.",
            pkce=False,
            state=True,
            nonce_length=22,
            acr_values=True,
            prompts=frozenset({"login", "consent"}),
            unmet_acr="invalid_acr",
        ),
        Profile(name="sandbox", says="Bac à sable ouvert à tous : identités de test seulement.", pkce=False, test_identities=True),
    )
}
