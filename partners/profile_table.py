"""`docs/profils.md`, written from the profiles themselves, so that the document says what the code does. Pure."""

from collections.abc import Callable

from idp.oidc.profiles import AUTH_METHODS, DEFAULT, PROFILES, PROMPTS, SIGNING_ALGS, Profile

INTRODUCTION = """# Les profils de client

Écrit par `mag partenaires profils --markdown` : ne pas modifier à la main. Un profil dit ce que MAG exige d'un client et ce qu'il lui
passe ; le client le porte dans son membre `profile`. Ses autres membres peuvent exiger davantage, jamais moins. Un client public (`none`)
doit toujours PKCE, quel que soit son profil.
"""


def _required(flag: bool) -> str:
    return "oui" if flag else "non"


def _always(flag: bool) -> str:
    return "toujours" if flag else "au choix"


def _among(values: tuple[str, ...] | frozenset[str], every: tuple[str, ...]) -> str:
    kept = [value for value in every if value in values]
    return "toutes" if len(kept) == len(every) else ", ".join(f"`{value}`" for value in kept)


def _nonce(profile: Profile) -> str:
    return f"oui, {profile.nonce_length} caractères au moins" if profile.nonce_length else "non"


ROWS: tuple[tuple[str, Callable[[Profile], str]], ...] = (
    ("PKCE (`S256`) exigé", lambda p: _required(p.pkce)),
    ("Demande déposée d'avance (PAR) exigée", lambda p: _required(p.par)),
    ("Demande signée (JAR) exigée", lambda p: _required(p.signed_request)),
    ("Réponse signée (JARM)", lambda p: _always(p.signed_response)),
    ("`state` exigé", lambda p: _required(p.state)),
    ("`nonce` exigé", _nonce),
    ("`acr_values` exigé", lambda p: _required(p.acr_values)),
    ("Jetons liés à une clé (DPoP ou certificat)", lambda p: _always(p.sender_constrained)),
    ("`aud` d'une assertion du client", lambda p: "l'émetteur, en texte" if p.issuer_audience else "l'émetteur ou `/token`"),
    ("Authentification du client", lambda p: _among(p.auth_methods, AUTH_METHODS)),
    ("Signatures", lambda p: _among(p.algs, SIGNING_ALGS)),
    ("Valeurs de `prompt`", lambda p: _among(p.prompts, tuple(sorted(PROMPTS)))),
    ("Niveau demandé hors d'atteinte", lambda p: f"`{p.unmet_acr}`"),
    ("Qui s'y connecte", lambda p: "les identités de test" if p.test_identities else "tous"),
)


def markdown() -> str:
    """The whole document."""
    profiles = list(PROFILES.values())
    said = [f"- `{p.name}`{' (par défaut)' if p.name == DEFAULT else ''} : {p.says}" for p in profiles]
    head = f"| Règle | {' | '.join(f'`{p.name}`' for p in profiles)} |\n|---|{'---|' * len(profiles)}"
    rows = [f"| {title} | {' | '.join(cell(p) for p in profiles)} |" for title, cell in ROWS]
    return "\n".join([INTRODUCTION, *said, "", head, *rows, ""])
