"""Levels of a sign-in (`acr`), and which ones satisfy which: the vocabulary of ProConnect and FranceConnect.

`eidas1`: a password. `eidas1-mfa`: two factors. `eidas0`: a password in a frame. MAG registers people without proving who they
are, so it never says `eidas2` (Commission Implementing Regulation 2015/1502). How it was reached is `amr` (RFC 8176): `pwd`, `totp`,
`pop` (a passkey), `mfa`; a recovery code is `mfa` beside `pwd`, and nothing else. `fed`: nothing was typed here, a partner vouched
for the person. RFC 8176 registers no such word; Microsoft Entra ID says `fed` for the same thing, and `amr` leaves room for words
that parties agree upon (section 6.1).
"""

from collections.abc import Collection, Iterable

PASSWORD, TWO_FACTORS = "eidas1", "eidas1-mfa"
FRAMED = "eidas0"
"""A password typed in a frame of a partner's page: one level lower, since nothing there shows people where they type it."""
LEVELS = (FRAMED, "eidas0-mfa", PASSWORD, TWO_FACTORS)
"""What MAG may say, the lowest first."""
SATISFIED = {PASSWORD: frozenset({FRAMED, PASSWORD}), TWO_FACTORS: frozenset(LEVELS)}
MFA = "mfa"
AMR = ("pwd",)
"""Of a sign-in by password alone."""
FEDERATED = "fed"
"""ours: a provider above MAG signed the person in, at `eidas1` at least, or a partner vouched for them; RFC 8176 has no word for it."""
SAID = {"pwd": "votre mot de passe", "totp": "un code de votre application", "pop": "une clé d'accès", FEDERATED: "un compte relié"}


def level_of(amr: Collection[str]) -> str:
    """The level that was reached by these means."""
    return TWO_FACTORS if MFA in amr else PASSWORD


def agreed_level(agreed: str, said: str | None) -> str:
    """What a sign-in at a partner is worth here: what the partner says, never above what was agreed with it, nor two factors where one was
    used.

    Words that are not ours count as nothing said; then it is worth a password at most. ours: no standard says it.
    """
    reached = said if said in LEVELS else PASSWORD
    low = min(LEVELS.index(agreed), LEVELS.index(reached))
    return LEVELS[low] if not LEVELS[low].endswith("-mfa") or reached.endswith("-mfa") else LEVELS[low - 1]


def in_french(amr: Collection[str]) -> str:
    """The means, told to whoever used them. Two factors of which one has no name: a recovery code."""
    said = [words for way, words in SAID.items() if way in amr]
    if MFA in amr and said == [SAID["pwd"]]:
        said.append("un code de secours")
    return " et ".join((", ".join(said[:-1]), said[-1])) if len(said) > 1 else "".join(said)


def satisfies(reached: str, asked: Iterable[str]) -> bool:
    """Whether one of the levels asked for is reached, or passed."""
    return any(one == reached or one in SATISFIED.get(reached, ()) for one in asked)


def within_reach(asked: Iterable[str]) -> bool:
    """Whether more factors could satisfy one of the levels asked for."""
    return any(one in LEVELS for one in asked)


def answered(asked: Collection[str], reached: str) -> str:
    """The level to tell a client: one that it asked for, when the sign-in satisfies one; else the one reached (Core section 5.5.1.1)."""
    if not asked or reached in asked:
        return reached
    held = [one for one in LEVELS if one in asked and one in SATISFIED.get(reached, ())]
    return held[-1] if held else reached
