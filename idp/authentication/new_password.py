"""A new password as a page sends it: typed twice, judged by the policy, never shown again. Pages of any room use it.

Left out on purpose: giving it to somebody, which is `password_change.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from idp.authentication.password_policy import MAG, PasswordRefusedError, PasswordTooLongError, Policy, Strength, check_policy, strength

FIELD, AGAIN = "nouveau", "confirmation"
"""Names of the two fields, as `authentication/mot_de_passe.html` writes them."""


@dataclass(frozen=True, slots=True)
class NewPassword:
    """What was typed. Without `errors` (by field, in French) it may be given to `change_password`."""

    password: str = field(default="", repr=False)
    strength: Strength | None = None
    """What the gauge says when the page is shown again; None for a page not sent yet."""
    policy: Policy = MAG
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[str, str], policy: Policy = MAG, own: Iterable[str] = ()) -> "NewPassword":
        """`own` comes from `own_words`."""
        password, again = raw.get(FIELD, ""), raw.get(AGAIN, "")
        errors: dict[str, str] = {}
        if not password:
            return cls(policy=policy, errors={FIELD: "Choisissez un mot de passe."})
        said = strength(password[: policy.longest + 1], policy)
        try:
            check_policy(password, own, policy)
        except (PasswordRefusedError, PasswordTooLongError) as error:
            errors[FIELD] = error.public
            said = said if said is Strength.TROP_COURT else Strength.FAIBLE
        if FIELD not in errors and password != again:
            errors[AGAIN] = "Les deux mots de passe ne sont pas les mêmes. Saisissez-les à nouveau."
        return cls(password, said, policy, errors)
