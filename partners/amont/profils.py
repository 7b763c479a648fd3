"""What each family of providers demands and promises, as data.

Sources: the partners' documentation of ProConnect and of FranceConnect v2, and their public code. OpenID Connect Core for the rest.
Left out on purpose: signatures with a shared secret (HS256), which FranceConnect no longer advises and which a leak would let forge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

ASYMMETRIC = ("ES256", "RS256", "PS256", "EdDSA")
"""What may sign for a provider (RFC 8725 section 3.1): never `none`, never a shared secret."""
CERTIFICATION_DIRIGEANT = "https://proconnect.gouv.fr/assurance/certification-dirigeant"
"""ProConnect checked that this person leads this company."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profil:
    """One family of providers."""

    code: str
    nom: str
    """As people know it: « ProConnect ». Empty where each provider has its own."""
    scopes: tuple[str, ...]
    acr_through: str = ""
    """How a level is asked: `claims` (essential, OpenID Connect Core section 5.5.1.1), `acr_values`, or not at all."""
    acr_values: tuple[str, ...] = ()
    """Asked when nobody asks for something else."""
    levels: Mapping[str, int] = field(default_factory=dict)
    """How strong each `acr` is: one that is as strong as what was asked is as good."""
    algs: tuple[str, ...] = ASYMMETRIC
    signed_userinfo: bool = False
    """Userinfo that is not signed is refused."""
    max_age: bool = True
    """It reads `max_age`. Where it does not, a fresh sign-in is asked by `prompt=login`, and `auth_time` is looked at when it is told."""
    prompts: frozenset[str] = frozenset({"login", "consent", "none", "select_account"})
    client_auth: tuple[str, ...] = ("private_key_jwt", "client_secret_basic", "client_secret_post")


PROCONNECT = Profil(
    code="proconnect",
    nom="ProConnect",
    scopes=("openid", "given_name", "usual_name", "email", "uid", "siret", "siren", "idp_id", "idp_acr", "roles"),
    acr_through="claims",
    levels={"eidas0": 0, "eidas0-mfa": 1, "eidas1": 2, "eidas1-mfa": 3, "eidas2": 4, "eidas3": 5, CERTIFICATION_DIRIGEANT: 4},
    algs=("ES256", "RS256"),
    signed_userinfo=True,
    max_age=False,
    prompts=frozenset({"login", "consent", "none"}),
    client_auth=("private_key_jwt", "client_secret_post"),
)
FRANCECONNECT = Profil(
    code="franceconnect",
    nom="FranceConnect",
    scopes=("openid", "given_name", "family_name", "preferred_username"),
    acr_through="acr_values",
    acr_values=("eidas1",),
    levels={"eidas1": 1, "eidas2": 2, "eidas3": 3},
    algs=("ES256", "RS256"),
    signed_userinfo=True,
    max_age=False,
    prompts=frozenset({"login", "consent"}),
    client_auth=("private_key_jwt", "client_secret_post"),
)
OPENID = Profil(code="openid", nom="", scopes=("openid", "profile", "email"), acr_through="acr_values")
PROFILS = {profil.code: profil for profil in (PROCONNECT, FRANCECONNECT, OPENID)}


def satisfies(profil: Profil, acr: str, asked: tuple[str, ...]) -> bool:
    """Whether a level answers what was asked: one of these, or one of the same family that is stronger than the least of them.

    A named assurance (an address) is of no scale: only itself answers it.
    """
    if not asked or acr in asked:
        return True
    least = [profil.levels[one] for one in asked if one in profil.levels and ":" not in one]
    return acr in profil.levels and bool(least) and profil.levels[acr] >= min(least)
