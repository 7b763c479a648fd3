"""How somebody signed in, in SAML's words: classes of context and the levels (`acr`) that they stand for.

SAML core section 3.3.2.2.1; the classes are those of SAML authentication context section 3.4, of REFEDS (MFA profile) and of eIDAS.
ours: MAG proves no identity, so it says eIDAS `low` at most. A level may also be asked for by its own name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from idp.authentication.levels import PASSWORD, TWO_FACTORS, satisfies

AC = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
UNSPECIFIED, TRANSPORT, MFA = AC + "unspecified", AC + "PasswordProtectedTransport", "https://refeds.org/profile/mfa"
CLASSES = {
    **{UNSPECIFIED: "eidas0", "eidas0": "eidas0", "http://eidas.europa.eu/LoA/low": PASSWORD, PASSWORD: PASSWORD},
    **{AC + "Password": PASSWORD, TRANSPORT: PASSWORD},
    **{MFA: TWO_FACTORS, TWO_FACTORS: TWO_FACTORS, "http://schemas.microsoft.com/claims/multipleauthn": TWO_FACTORS},
}
STRENGTH = ("eidas0", PASSWORD, TWO_FACTORS)
COMPARISONS = ("exact", "minimum", "maximum", "better")
DEFAULTS = {PASSWORD: TRANSPORT, TWO_FACTORS: MFA}
"""What is said when nothing was asked."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a request accepts: classes, the strongest first. Empty: anything, unless `impossible`."""

    classes: tuple[str, ...] = ()
    impossible: bool = False

    def answered(self, acr: str) -> str | None:
        """The class to say of a session of this level; None when it satisfies none."""
        if not self.classes:
            return None if self.impossible else DEFAULTS.get(acr, UNSPECIFIED)
        return next((one for one in self.classes if satisfies(acr, (CLASSES[one],))), None)


def asked(comparison: str, classes: Sequence[str]) -> Context:
    """Of a RequestedAuthnContext. `maximum`: as strong as the session is, up to the strongest class named; nothing more is asked."""
    if not classes:
        return Context()
    known = [one for one in classes if one in CLASSES]
    ranks = [STRENGTH.index(CLASSES[one]) for one in known]
    if comparison == "better":
        floor = max(ranks) + 1 if len(known) == len(classes) else len(STRENGTH)
        found = [DEFAULTS[level] for level in STRENGTH[floor:]]
    elif comparison == "minimum" and known:
        found = [*known, *(DEFAULTS[level] for level in STRENGTH[min(ranks) + 1 :])]
    elif comparison == "maximum" and known:
        found = [*known, *(DEFAULTS.get(level, UNSPECIFIED) for level in STRENGTH[: max(ranks)])]
    else:
        found = known
    ordered = sorted(dict.fromkeys(found), key=lambda one: -STRENGTH.index(CLASSES[one]))
    if comparison == "exact":
        ordered = found  # in the order of preference of the request (core section 3.3.2.2.1)
    return Context(tuple(ordered), impossible=not ordered)
