"""Making and removing second factors; the person is told by mail each time. Nothing here asks who may: the pages do (C42)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from idp.audit import journal
from idp.authentication import totp
from idp.authentication.factors import messages
from idp.authentication.factors.events import FactorAdded, FactorRemoved, RecoveryCodesMade
from idp.authentication.factors.models import Passkey, PasskeyIdentity, RecoveryCode, TotpCredential
from idp.authentication.factors.proof import PASSKEY, TOTP, FactorRefusedError, new_recovery_codes, open_secret, seal_secret
from idp.config import Settings
from idp.database import db
from idp.declarants.models import CREDENTIAL, AccountEvent, Declarant
from idp.errors import RefusedError
from idp.notifications.messages import Message
from idp.notifications.models import Mail
from idp.seals import Seals, UnsealError, b64, unb64

CREDENTIALS = {TOTP: "app", PASSKEY: "fido2-roaming"}
"""As CAEP 1.0 section 3.3 names them; whether a passkey can leave its device is not told."""
LIFETIME = 15 * 60
"""Seconds to confirm an application, from the page that shows its key."""
EVER = datetime(1970, 1, 1, tzinfo=UTC)


class EnrolmentDeadError(RefusedError):
    code = "enrolement_expire"
    number = "M400426"
    remedy = "Recommencez l'ajout de l'application : la clé précédente ne vaut plus rien."
    status = 409
    public = "Cette page est restée ouverte trop longtemps. Recommencez : une nouvelle clé vous sera montrée."


class WrongClockError(FactorRefusedError):
    """The code is right, at another hour than ours."""

    code = "horloge_decalee"
    number = "M400427"
    remedy = "Réglez l'heure de votre téléphone sur « automatique », puis saisissez le code suivant."

    def __init__(self, seconds: int) -> None:
        super().__init__(f"clock off by {seconds} s")
        minutes = max(1, round(abs(seconds) / 60))
        sense = "en avance" if seconds > 0 else "en retard"
        self.public = (
            f"L'horloge de votre appareil est {sense} de {minutes} minute{'s' if minutes > 1 else ''} environ. Réglez sa date et son "
            "heure sur « automatique », puis saisissez le code suivant."
        )


@dataclass(frozen=True, slots=True)
class Offered:
    """A key shown by a page and not yet in force. It travels sealed in the page's own form: nothing is kept of what is not confirmed."""

    secret: str
    sealed: str

    @classmethod
    def new(cls, seals: Seals, declarant_id: int, holder: str, now: datetime) -> "Offered":
        """`holder`: the session or the sign-in in progress that it is shown to."""
        secret = totp.new_secret()
        text = orjson.dumps([secret, int(now.timestamp()) + LIFETIME])
        return cls(secret, b64(seals.seal("totp-offer", text, f"{declarant_id}|{holder}")))

    @classmethod
    def read(cls, seals: Seals, declarant_id: int, holder: str, unverified: str, now: datetime) -> "Offered":
        """Raises EnrolmentDeadError."""
        try:
            secret, until = orjson.loads(seals.open("totp-offer", unb64(unverified), f"{declarant_id}|{holder}"))
        except (UnsealError, ValueError):
            raise EnrolmentDeadError("not ours") from None
        if until < now.timestamp():
            raise EnrolmentDeadError("too late")
        return cls(secret, unverified)


def activate_totp(settings: Settings, seals: Seals, declarant: Declarant, secret: str, typed: str, now: datetime) -> Sequence[str]:
    """The application is in force; its recovery codes when the person had none, to be shown once. Sent twice, it is done once.

    Raises FactorRefusedError, WrongClockError.
    """
    credential = TotpCredential.of(declarant.id)
    if credential is not None and open_secret(seals, credential) == secret:
        return ()
    step = check_totp(secret, typed, now)
    credential = credential or TotpCredential(declarant_id=declarant.id)
    credential.sealed, credential.last_step, credential.confirmed_at, credential.used_at = (
        seal_secret(seals, declarant.id, secret),
        step,
        now,
        now,
    )
    db.session.add(credential)
    return _added(settings, seals, declarant, TOTP, now)


def check_totp(secret: str, typed: str, now: datetime) -> int:
    """The step of a first code. A clock that is wrong is the usual reason of a refusal, and is said: the key is on the screen anyway.

    Raises FactorRefusedError, WrongClockError.
    """
    step = totp.matching_step(secret, typed, now, None)
    if step is not None:
        return step
    seconds = totp.drift(secret, typed, now)
    if seconds is not None:
        raise WrongClockError(seconds)
    raise FactorRefusedError("wrong code")


def passkey_added(settings: Settings, seals: Seals, declarant: Declarant, now: datetime) -> Sequence[str]:
    """What follows a passkey that was just kept or attached: recovery codes when the person had none."""
    return _added(settings, seals, declarant, PASSKEY, now)


def _added(settings: Settings, seals: Seals, declarant: Declarant, factor: str, now: datetime) -> Sequence[str]:
    declarant.second_factor = True
    codes = new_recovery_codes(seals, declarant.id, now) if not RecoveryCode.left(declarant.id) else ()
    AccountEvent.write(CREDENTIAL, declarant, now, credential_type=CREDENTIALS[factor], change_type="create")
    journal.record(FactorAdded(declarant_id=declarant.id, siret=int(declarant.siret), factor=factor), now)
    tell(declarant, "facteur_ajoute", messages.factor_added(settings.issuer, declarant.full_name, factor, now), now)
    return codes


def regenerate_codes(settings: Settings, seals: Seals, declarant: Declarant, now: datetime) -> Sequence[str]:
    """Ten new codes, to be shown once."""
    codes = new_recovery_codes(seals, declarant.id, now)
    journal.record(RecoveryCodesMade(declarant_id=declarant.id, siret=int(declarant.siret)), now)
    tell(declarant, "codes_secours", messages.codes_made(settings.issuer, declarant.full_name, now), now)
    return codes


def remove_totp(settings: Settings, declarant: Declarant, now: datetime) -> None:
    """Nothing when there is none."""
    credential = TotpCredential.of(declarant.id)
    if credential is None:
        return
    db.session.delete(credential)
    db.session.flush()
    _removed(settings, declarant, TOTP, now)


def remove_passkey(settings: Settings, declarant: Declarant, passkey: Passkey, now: datetime) -> None:
    """For this identity; others of the same person keep it."""
    passkey.detach(declarant.id)
    _removed(settings, declarant, PASSKEY, now)


def _removed(settings: Settings, declarant: Declarant, factor: str, now: datetime) -> None:
    settle(declarant)
    AccountEvent.write(CREDENTIAL, declarant, now, credential_type=CREDENTIALS[factor], change_type="delete")
    journal.record(FactorRemoved(declarant_id=declarant.id, siret=int(declarant.siret), factor=factor, reason="person"), now)
    tell(declarant, "facteur_retire", messages.factor_removed(settings.issuer, declarant.full_name, factor, now), now)


def remove_all(declarant: Declarant, reason: str, now: datetime, *, actor: str | None = None) -> list[str]:
    """Every factor, and what goes with them; which they were. The caller tells the person."""
    return remove_since(declarant, EVER, reason, now, actor=actor)


def remove_since(declarant: Declarant, since: datetime, reason: str, now: datetime, *, actor: str | None = None) -> list[str]:
    """Factors and recovery codes added from `since` on; which factors they were. The caller tells the person."""
    held = []
    credential = TotpCredential.of(declarant.id)
    if credential is not None and credential.confirmed_at >= since:
        db.session.delete(credential)
        held.append(TOTP)
    for passkey, link in Passkey.of(declarant.id):
        if link.added_at >= since:
            passkey.detach(declarant.id)
            held.append(PASSKEY)
    RecoveryCode.forget(declarant.id, since)
    settle(declarant)
    for factor in held:
        event = FactorRemoved(declarant_id=declarant.id, siret=int(declarant.siret), factor=factor, reason=reason, actor=actor)
        AccountEvent.write(CREDENTIAL, declarant, now, credential_type=CREDENTIALS[factor], change_type="revoke")
        journal.record(event, now)
    return held


def settle(declarant: Declarant) -> None:
    """`second_factor` says what there is; recovery codes alone are no factor."""
    db.session.flush()
    declarant.second_factor = TotpCredential.of(declarant.id) is not None or bool(Passkey.of(declarant.id))
    if not declarant.second_factor:
        RecoveryCode.replace(declarant.id, [], declarant.updated_at)


def rename(declarant: Declarant, passkey_id: int, unverified_name: str) -> bool:
    """What this identity calls a passkey; False when it has no such passkey."""
    link = db.session.get(PasskeyIdentity, (passkey_id, declarant.id))
    if link is None:
        return False
    name = "".join(c for c in " ".join(unverified_name.split()) if c.isprintable())[:60]
    link.name = name or link.name
    return True


def tell(declarant: Declarant, kind: str, message: Message, now: datetime) -> None:
    """A mail to the account's address, when it has one."""
    if declarant.email:
        Mail.write(kind, declarant.email, message, now, declarant.id)
