"""Passkeys: WebAuthn Level 2 sections 7.1 (registration) and 7.2 (assertion), through the package `webauthn`. Its only home.

A challenge is signed for one purpose and one browser and lives five minutes; asking for one costs no store, answering it spends
it. A passkey belongs to an identity, and may be given to others of the same person. No attestation is asked: what made the key
does not matter here. Ours: a counter that does not grow refuses the key, and the journal says so (section 7.2 step 22).
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import orjson
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from idp.authentication.factors.models import Passkey, PasskeyIdentity
from idp.config import Settings
from idp.database import Connections, db
from idp.declarants.models import Declarant
from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.seals import Seals, b64, digest, random_token, unb64

LIFETIME = 300
"""Seconds of a challenge."""
LONGEST = 16_000
"""Characters of an answer."""
MOST = 10
"""Passkeys of one identity."""
NAME = "MAG"
TRANSPORTS = {transport.value for transport in AuthenticatorTransport}


class Purpose(StrEnum):
    """What a challenge is for; an answer to one opens nothing of another."""

    SIGN_IN = "connexion"
    SECOND = "second"
    CREATE = "ajout"
    LINK = "lien"


class PasskeyRefusedError(RefusedError):
    """Unknown, altered, too late, used already: one answer."""

    code = "cle_refusee"
    number = "M400423"
    remedy = "Réessayez avec une clé d'accès enregistrée pour ce compte, ou utilisez un autre moyen."
    status = 422
    public = "Cette clé d'accès n'a pas été reconnue. Réessayez, ou utilisez un autre moyen."


class PasskeyRegressedError(PasskeyRefusedError):
    """The counter did not grow."""

    code = "cle_copiee"
    number = "M400424"
    remedy = "Retirez cette clé d'accès de votre compte et ajoutez-en une autre."
    public = "Cette clé d'accès a été refusée : elle semble avoir été copiée. Utilisez un autre moyen, puis remplacez-la."

    def __init__(self, passkey_id: int) -> None:
        super().__init__(f"passkey {passkey_id}")
        self.passkey_id = passkey_id


class TooManyPasskeysError(RefusedError):
    code = "trop_de_cles"
    number = "M400425"
    remedy = "Retirez d'abord une clé d'accès dont vous ne vous servez plus."
    status = 409
    public = f"Ce compte a déjà {MOST} clés d'accès. Retirez d'abord une clé dont vous ne vous servez plus."


# -------------------------------------------------------------------------------------------------------------- challenges


@dataclass(frozen=True, slots=True)
class Place:
    """Where the ceremony happens: whose challenge, for which browser."""

    settings: Settings
    store: Ephemeral
    seals: Seals
    binding: str

    @property
    def rp_id(self) -> str:
        """The issuer's host, without its port."""
        return urlsplit(self.settings.issuer).hostname or ""

    def challenge(self, purpose: Purpose, now: datetime) -> bytes:
        text = f"{purpose}.{int(now.timestamp()) + LIFETIME}.{random_token(16)}"
        return f"{text}.{self._signature(self.seals.mac('webauthn', self._bound(text)))}".encode()

    def spend(self, purpose: Purpose, unverified_challenge: bytes, now: datetime) -> None:
        """Once, in time, by this browser. Raises PasskeyRefusedError."""
        text, _, signature = unverified_challenge.decode("ascii", "replace").rpartition(".")
        given = text.split(".")
        matches = [
            hmac.compare_digest(self._signature(mac).encode(), signature.encode()) for mac in self.seals.macs("webauthn", self._bound(text))
        ]
        if not any(matches) or given[0] != purpose or int(given[1]) < now.timestamp():
            raise PasskeyRefusedError("challenge")
        if not self.store.add("webauthn", digest(text), LIFETIME + 60, made_at=int(given[1]) - LIFETIME):
            raise PasskeyRefusedError("challenge used already")

    def _bound(self, text: str) -> bytes:
        return f"{text}|{digest(self.binding)}".encode("utf-8", "surrogatepass")

    @staticmethod
    def _signature(mac: bytes) -> str:
        return b64(mac[:16])


def _read(unverified_answer: str) -> tuple[dict[str, Any], bytes]:
    """The answer of a browser, and the challenge that it says it answers. Raises PasskeyRefusedError."""
    try:
        if len(unverified_answer) > LONGEST:
            raise ValueError("too long")
        answer = orjson.loads(unverified_answer)
        said = orjson.loads(unb64(answer["response"]["clientDataJSON"]))
        return answer, unb64(said["challenge"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise PasskeyRefusedError("unreadable") from None


def _descriptors(passkeys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(one.credential_id), transports=[AuthenticatorTransport(word) for word in one.transports.split()] or None
        )
        for one in passkeys
    ]


# ---------------------------------------------------------------------------------------------------------------- creation


def creation_options(place: Place, declarant: Declarant, passkeys: Sequence[Passkey], now: datetime) -> dict[str, Any]:
    """`PublicKeyCredentialCreationOptions`, in JSON. Raises TooManyPasskeysError."""
    if len(passkeys) >= MOST:
        raise TooManyPasskeysError(f"declarant {declarant.id}")
    options = generate_registration_options(
        rp_id=place.rp_id,
        rp_name=NAME,
        user_id=declarant.uid.encode(),
        user_name=f"{declarant.full_name} ({declarant.siret.grouped})",
        user_display_name=declarant.full_name,
        challenge=place.challenge(Purpose.CREATE, now),
        timeout=LIFETIME * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=_descriptors(passkeys),
    )
    return dict(orjson.loads(options_to_json(options))) | {"extensions": {"credProps": True}}


def register(place: Place, declarant: Declarant, unverified_answer: str, unverified_name: str, now: datetime) -> Passkey:
    """Keep a new passkey. Raises PasskeyRefusedError."""
    answer, challenge = _read(unverified_answer)
    place.spend(Purpose.CREATE, challenge, now)
    try:
        made = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=place.rp_id,
            expected_origin=place.settings.issuer_origin,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise PasskeyRefusedError(type(error).__name__) from error
    credential_id = bytes_to_base64url(made.credential_id)
    if len(credential_id) > 1364 or Passkey.with_credential(credential_id) is not None:
        raise PasskeyRefusedError("credential known already")
    passkey = Passkey(credential_id=credential_id, user_handle=declarant.uid, public_key=made.credential_public_key)
    passkey.sign_count, passkey.aaguid, passkey.created_at = made.sign_count, made.aaguid[:36], now
    passkey.transports = " ".join(_transports(answer))
    passkey.discoverable = _is_discoverable(answer)
    passkey.backup_eligible = made.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    passkey.backed_up = made.credential_backed_up
    db.session.add(passkey)
    db.session.flush()
    attach(passkey, declarant, unverified_name, now)
    return passkey


def _transports(answer: dict[str, Any]) -> list[str]:
    given = answer["response"].get("transports")
    return [word for word in given if word in TRANSPORTS][:6] if isinstance(given, list) else []


def _is_discoverable(answer: dict[str, Any]) -> bool:
    """WebAuthn section 10.4, `credProps`; a browser that does not say is believed to have done what it was asked."""
    results = answer.get("clientExtensionResults")
    properties = results.get("credProps") if isinstance(results, dict) else None
    return not isinstance(properties, dict) or properties.get("rk") is not False


def attach(passkey: Passkey, declarant: Declarant, unverified_name: str, now: datetime) -> None:
    """The passkey opens this identity too; twice is once."""
    if db.session.get(PasskeyIdentity, (passkey.id, declarant.id)) is None:
        db.session.add(PasskeyIdentity(passkey_id=passkey.id, declarant_id=declarant.id, name=name_of(unverified_name), added_at=now))
        db.session.flush()


def name_of(unverified_name: str) -> str:
    """What a person calls a passkey, 60 characters at most."""
    return "".join(c for c in " ".join(unverified_name.split()) if c.isprintable())[:60] or "Clé d'accès"


# --------------------------------------------------------------------------------------------------------------- assertion


def request_options(place: Place, purpose: Purpose, passkeys: Sequence[Passkey], now: datetime) -> dict[str, Any]:
    """`PublicKeyCredentialRequestOptions`, in JSON. Without passkeys, any that the browser finds."""
    alone = purpose in (Purpose.SIGN_IN, Purpose.LINK)
    options = generate_authentication_options(
        rp_id=place.rp_id,
        challenge=place.challenge(purpose, now),
        timeout=LIFETIME * 1000,
        allow_credentials=_descriptors(passkeys),
        user_verification=UserVerificationRequirement.REQUIRED if alone else UserVerificationRequirement.PREFERRED,
    )
    return dict(orjson.loads(options_to_json(options)))


def proven(place: Place, connections: Connections, purpose: Purpose, unverified_answer: str, now: datetime) -> Passkey:
    """The passkey whose private key answered. Alone, it also verified its user (a finger, a code).

    Raises PasskeyRefusedError, PasskeyRegressedError. Writes its counter at once, on its own.
    """
    answer, challenge = _read(unverified_answer)
    place.spend(purpose, challenge, now)
    given = answer.get("id")
    passkey = Passkey.with_credential(given) if isinstance(given, str) and len(given) <= 1364 and given.isprintable() else None
    if passkey is None:
        raise PasskeyRefusedError("unknown credential")
    try:
        seen = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=place.rp_id,
            expected_origin=place.settings.issuer_origin,
            credential_public_key=bytes(passkey.public_key),
            credential_current_sign_count=0,
            require_user_verification=purpose is not Purpose.SECOND,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise PasskeyRefusedError(type(error).__name__) from error
    if not Passkey.used(connections, passkey.id, seen.new_sign_count, backed_up=seen.credential_backed_up, now=now):
        raise PasskeyRegressedError(passkey.id)
    db.session.expire(passkey)
    return passkey
