"""Proving a second factor by what a person types: a code of the application, or a recovery code. Each serves once.

The write that uses a code up is done at once, on its own, before anything opens: of twenty that come together, one wins.
"""

from collections.abc import Sequence
from datetime import datetime

from idp.authentication import totp
from idp.authentication.factors import brake
from idp.authentication.factors.models import RecoveryCode, TotpCredential
from idp.codes import Codes
from idp.database import Connections
from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.seals import Seals

TOTP, RECOVERY, PASSKEY = "totp", "recovery", "passkey"
AMR = {TOTP: ("totp", "mfa"), PASSKEY: ("pop", "mfa"), RECOVERY: ("mfa",)}
"""What each adds to `amr`; FranceConnect's `otp` is `totp` under the name that a client chose."""
SEALED = "totp"
CODES = 10
BACKUP = Codes("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 16)
"""Recovery codes: 32 characters, 5 bits each, without O and I, 0 and 1, which look alike."""


class FactorRefusedError(RefusedError):
    """The code is not right, or served already: one answer."""

    code = "second_facteur_refuse"
    number = "M400421"
    remedy = "Saisissez le code affiché à l'instant par votre application ; chaque code ne sert qu'une fois."
    status = 422
    public = "Ce code n'est pas le bon, ou il a déjà servi. Attendez le code suivant de votre application, puis saisissez-le."

    def __init__(self, reason: str, *, closes: bool = False) -> None:
        super().__init__(reason)
        self.closes = closes
        """One too many: the password step is required anew."""


class FactorBrakedError(RefusedError):
    """Too many wrong codes. Said plainly: only whoever knew the password is here."""

    code = "second_facteur_freine"
    number = "M400422"
    remedy = "Réessayez dans quinze minutes, ou utilisez une clé d'accès ou un code de secours."
    status = 429
    retry_after = brake.WINDOW
    title = "Trop de codes faux"
    public = (
        "Trop de codes faux ont été saisis pour ce compte. Par sécurité, recommencez la connexion dans quinze minutes ; une clé d'accès ou "
        "un autre moyen reste possible."
    )


def seal_secret(seals: Seals, declarant_id: int, secret: str) -> bytes:
    return seals.seal(SEALED, secret.encode(), str(declarant_id))


def open_secret(seals: Seals, credential: TotpCredential) -> str:
    """Raises UnsealError."""
    return seals.open(SEALED, bytes(credential.sealed), str(credential.declarant_id)).decode()


def by_totp(connections: Connections, store: Ephemeral, seals: Seals, credential: TotpCredential, typed: str, now: datetime) -> None:
    """Raises FactorBrakedError, FactorRefusedError. C40, C41."""
    declarant_id, last_step, secret = credential.declarant_id, credential.last_step, open_secret(seals, credential)
    tries = brake.count(store, declarant_id, TOTP)
    if tries.braked:
        raise FactorBrakedError(TOTP)
    step = totp.matching_step(secret, typed, now, last_step)
    if step is None or not TotpCredential.advance(connections, declarant_id, last_step, step, now):
        raise FactorRefusedError("wrong code" if step is None else "code used meanwhile", closes=tries.last)
    brake.refund(store, declarant_id, TOTP)


def by_recovery(connections: Connections, store: Ephemeral, seals: Seals, declarant_id: int, typed: str, now: datetime) -> None:
    """Raises FactorBrakedError, FactorRefusedError."""
    tries = brake.count(store, declarant_id, RECOVERY)
    if tries.braked:
        raise FactorBrakedError(RECOVERY)
    code = BACKUP.read(typed)
    if code is None or not RecoveryCode.spend(connections, declarant_id, hashes(seals, declarant_id, code), now):
        raise FactorRefusedError("wrong recovery code", closes=tries.last)
    brake.refund(store, declarant_id, RECOVERY)


def new_recovery_codes(seals: Seals, declarant_id: int, now: datetime) -> Sequence[str]:
    """Ten codes of 80 bits, to show once; those of before are worth nothing from now on."""
    codes = [BACKUP.new() for _ in range(CODES)]
    RecoveryCode.replace(declarant_id, [hashes(seals, declarant_id, code)[0] for code in codes], now)
    return [BACKUP.shown(code) for code in codes]


def hashes(seals: Seals, declarant_id: int, code: str) -> list[str]:
    """Its digests, under each master secret, the current one first."""
    return [mac.hex() for mac in seals.macs("recovery", f"{declarant_id}|{code}".encode("utf-8", "surrogatepass"))]
