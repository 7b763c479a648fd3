"""What is kept of second factors: sealed secrets, public keys, digests of recovery codes, factors said lost, the policy.

What serves once is spent by one conditional write: a step of TOTP, a recovery code, a request about a lost factor.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import (
    Boolean,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Select,
    String,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Connections, Instant, Model, Statement, Version, db
from idp.declarants.models import Declarant, enum_column
from idp.declarants.statuts import Statut

UNSYNCHRONISED = {"synchronize_session": False}


def belongs_to_declarant(*, primary_key: bool = False) -> Mapped[int]:
    return mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"), primary_key=primary_key)


class TotpCredential(Model):
    """The authenticator application of a person; one, confirmed by a code before it is kept."""

    __tablename__ = "totp_credentials"

    declarant_id: Mapped[int] = belongs_to_declarant(primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """The secret, sealed for this person."""
    last_step: Mapped[int] = mapped_column(BigInt)
    """Of the last code used: none of that step, or before, opens anything again (RFC 6238 section 5.2)."""
    confirmed_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    @classmethod
    def of(cls, declarant_id: int) -> Self | None:
        return db.session.get(cls, declarant_id)

    @staticmethod
    def advance(connections: Connections, declarant_id: int, last_step: int, step: int, now: datetime) -> bool:
        """Use up a step, at once; False when another code was used since. Of several at once, one wins (C41)."""
        return connections.run(ADVANCE, of_id=declarant_id, known_step=last_step, next_step=step, at=now) == 1


class RecoveryCode(Model):
    """One of ten codes to keep on paper: 80 bits, of which a keyed digest is kept."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("declarant_id", "code_hash", name="uq_recovery_codes_declarant_id_code_hash"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    declarant_id: Mapped[int] = belongs_to_declarant()
    code_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    @classmethod
    def replace(cls, declarant_id: int, hashes: list[str], now: datetime) -> None:
        """New codes; those of before open nothing any more."""
        db.session.execute(delete(cls).where(cls.declarant_id == declarant_id), execution_options=UNSYNCHRONISED)
        db.session.add_all(cls(declarant_id=declarant_id, code_hash=one, created_at=now) for one in hashes)
        db.session.flush()

    @classmethod
    def forget(cls, declarant_id: int, since: datetime) -> None:
        """Codes made from then on open nothing any more."""
        made = delete(cls).where(cls.declarant_id == declarant_id, cls.created_at >= since)
        db.session.execute(made, execution_options=UNSYNCHRONISED)

    @staticmethod
    def spend(connections: Connections, declarant_id: int, hashes: list[str], now: datetime) -> bool:
        """Use up, at once, the code that has one of these digests (one for each master secret); it serves once."""
        return any(connections.run(SPEND_CODE, of_id=declarant_id, hash_of_code=one, at=now) == 1 for one in hashes)

    @classmethod
    def left(cls, declarant_id: int) -> int:
        """How many are still good."""
        return db.session.scalar(select(func.count()).where(cls.declarant_id == declarant_id, cls.used_at.is_(None))) or 0


class Passkey(Model):
    """A public key of WebAuthn; it may serve several identities of one person."""

    __tablename__ = "passkeys"

    id: Mapped[int] = mapped_column(primary_key=True)
    credential_id: Mapped[str] = mapped_column(String(1400), unique=True)
    """base64url, as browsers say it."""
    user_handle: Mapped[str] = mapped_column(String(100))
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    """COSE."""
    sign_count: Mapped[int] = mapped_column(BigInt)
    transports: Mapped[str] = mapped_column(String(100))
    discoverable: Mapped[bool]
    """Made to sign in without a name."""
    backup_eligible: Mapped[bool]
    backed_up: Mapped[bool]
    """Kept by a provider who copies it to other devices."""
    aaguid: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    @staticmethod
    def used(connections: Connections, passkey_id: int, count: int, *, backed_up: bool, now: datetime) -> bool:
        """Note a use, at once; False when the counter of the authenticator did not grow (a copy of it may exist)."""
        return connections.run(USE_PASSKEY, of_id=passkey_id, count=count, copied=backed_up, at=now) == 1

    @classmethod
    def with_credential(cls, credential_id: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(credential_id=credential_id))

    @classmethod
    def of(cls, declarant_id: int) -> list[tuple[Self, "PasskeyIdentity"]]:
        """The passkeys of an identity, the oldest first, and what that identity calls them."""
        query = select(cls, PasskeyIdentity).join(PasskeyIdentity, PasskeyIdentity.passkey_id == cls.id)
        return [(key, link) for key, link in db.session.execute(query.where(PasskeyIdentity.declarant_id == declarant_id).order_by(cls.id))]

    def bearers(self) -> list[Declarant]:
        """The identities that it opens and that may still enter."""
        query = select(Declarant).join(PasskeyIdentity, PasskeyIdentity.declarant_id == Declarant.id)
        where = (PasskeyIdentity.passkey_id == self.id, Declarant.statut == Statut.ACTIF)
        return list(db.session.scalars(query.where(*where).order_by(Declarant.id)))

    def detach(self, declarant_id: int) -> None:
        """No longer of this identity; gone when it was the last one."""
        link = db.session.get(PasskeyIdentity, (self.id, declarant_id))
        if link is not None:
            db.session.delete(link)
            db.session.flush()
        if not db.session.scalar(select(func.count()).where(PasskeyIdentity.passkey_id == self.id)):
            db.session.delete(self)
            db.session.flush()

    @classmethod
    def purge(cls, _before: datetime) -> int:
        """Delete those whose identities were all erased; how many."""
        orphans = cls.id.not_in(select(PasskeyIdentity.passkey_id))
        return len(db.session.scalars(delete(cls).where(orphans).returning(cls.id)).all())


class PasskeyIdentity(Model):
    """An identity that a passkey opens."""

    __tablename__ = "passkey_identities"
    __table_args__ = (Index("ix_passkey_identities_declarant_id", "declarant_id"),)

    passkey_id: Mapped[int] = mapped_column(ForeignKey("passkeys.id", ondelete="CASCADE"), primary_key=True)
    declarant_id: Mapped[int] = belongs_to_declarant(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    added_at: Mapped[datetime]


class FactorLoss(Model):
    """A second factor said lost by whoever knew the password: nothing is removed before the delay, and the owner may say no."""

    __tablename__ = "factor_losses"
    __table_args__ = (Index("ix_factor_losses_declarant_id", "declarant_id"), Index("ix_factor_losses_told_at", "told_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    declarant_id: Mapped[int] = belongs_to_declarant()
    asked_at: Mapped[datetime]
    asked_by: Mapped[str | None] = mapped_column(String(120))
    """The operator who declared it for whoever called, as the journal names them; nobody else: the person, after a right password."""
    effective_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    needs_agreement: Mapped[bool]
    """Somebody else must agree too: another administrator of the establishment, or an operator who did not declare it."""
    agreed_at: Mapped[datetime | None]
    agreed_by: Mapped[str | None] = mapped_column(String(120))
    told_at: Mapped[datetime]
    """Of the last mail about it."""
    closed_at: Mapped[datetime | None]
    """Cancelled, or done."""

    @classmethod
    def live(cls, declarant_id: int, now: datetime) -> Self | None:
        """The request under way."""
        where = (cls.declarant_id == declarant_id, cls.closed_at.is_(None), cls.expires_at > now)
        return db.session.scalar(select(cls).where(*where).order_by(cls.id.desc()).limit(1))

    @property
    def waits(self) -> bool:
        """For the agreement of somebody else."""
        return self.needs_agreement and self.agreed_at is None and self.closed_at is None

    def close(self, now: datetime) -> bool:
        """By this call and by no other."""
        return self._won(closed_at=now)

    def agree(self, by: str, now: datetime) -> bool:
        """By this call and by no other: the first agreement is the one that counts."""
        return self._won(type(self).agreed_at.is_(None), agreed_at=now, agreed_by=by)

    def refuse(self, now: datetime) -> bool:
        """The same: of an agreement and a refusal at once, one counts."""
        return self._won(type(self).agreed_at.is_(None), closed_at=now)

    def _won(self, *where: ColumnElement[bool], **values: Any) -> bool:
        cls = type(self)
        query = update(cls).where(cls.id == self.id, cls.closed_at.is_(None), *where).values(**values).returning(cls.id)
        won = db.session.scalar(query, execution_options=UNSYNCHRONISED) is not None
        db.session.expire(self)
        return won

    @classmethod
    def to_tell(cls, before: datetime, now: datetime, limit: int = 200) -> list[Self]:
        """Requests under way whose last mail is older than `before`."""
        where = (cls.told_at <= before, cls.closed_at.is_(None), cls.expires_at > now)
        return list(db.session.scalars(select(cls).where(*where).order_by(cls.id).limit(limit).with_for_update(skip_locked=True)))

    @classmethod
    def find(cls, loss_id: int, now: datetime) -> tuple[Self, Declarant] | None:
        """A request under way, and whose it is."""
        for loss, declarant in db.session.execute(cls._under_way(now).where(cls.id == loss_id)):
            return loss, declarant
        return None

    @classmethod
    def awaiting(cls, now: datetime, *, by: Declarant | None = None, after: int = 0, limit: int = 500) -> list[tuple[Self, Declarant]]:
        """Requests that wait for an agreement, the oldest first, those after `after`; `by`: that this administrator may answer."""
        query = cls._under_way(now).where(*cls._undecided(), cls.id > after)
        if by is not None:
            query = query.where(Declarant.id != by.id, by.reaches(Declarant.siret))
        return [(loss, declarant) for loss, declarant in db.session.execute(query.order_by(cls.id).limit(limit))]

    @classmethod
    def count_awaiting(cls, now: datetime) -> int:
        query = select(func.count()).select_from(cls).where(*cls._undecided(), cls.closed_at.is_(None), cls.expires_at > now)
        return db.session.scalar(query) or 0

    @classmethod
    def _undecided(cls) -> tuple[ColumnElement[bool], ...]:
        return (cls.needs_agreement.is_(True), cls.agreed_at.is_(None))

    @classmethod
    def _under_way(cls, now: datetime) -> Select[Self, Declarant]:
        query = select(cls, Declarant).join(Declarant, Declarant.id == cls.declarant_id)
        return query.where(cls.closed_at.is_(None), cls.expires_at > now)

    @classmethod
    def purge(cls, before: datetime) -> int:
        """Delete what expired before that instant; how many."""
        return len(db.session.scalars(delete(cls).where(cls.expires_at < before).returning(cls.id)).all())


class Kind(StrEnum):
    """What makes a second factor mandatory."""

    TOUS = "tous"
    ROLE = "role"
    SERVICE = "service"
    DROIT = "droit"
    PARTENAIRE = "partenaire"


class FactorPolicy(Model):
    """One rule: whom it is about must sign in with a second factor, `grace_days` days after it was made."""

    __tablename__ = "factor_policies"
    __table_args__ = (UniqueConstraint("kind", "value", name="uq_factor_policies_kind_value"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(enum_column(Kind, name="factor_policy_kind"))
    value: Mapped[str] = mapped_column(String(100))
    grace_days: Mapped[int]
    max_age: Mapped[int | None]
    """Seconds: how old a sign-in may be at MAG's own resources; None: as old as a session."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))

    @classmethod
    def every(cls) -> list[Self]:
        return list(db.session.scalars(select(cls).order_by(cls.kind, cls.value)))

    @classmethod
    def set(cls, kind: Kind, value: str, grace_days: int, max_age: int | None, now: datetime, by: str) -> None:
        """One rule for each kind and value; changing it starts its grace again."""
        found = db.session.scalar(select(cls).filter_by(kind=kind, value=value)) or cls(kind=kind, value=value)
        found.grace_days, found.max_age, found.created_at, found.created_by = grace_days, max_age, now, by
        db.session.add(found)
        Version.bump(POLICIES)

    @classmethod
    def remove(cls, kind: Kind, value: str) -> bool:
        query = delete(cls).where(cls.kind == kind, cls.value == value).returning(cls.id)
        Version.bump(POLICIES)
        return db.session.scalar(query, execution_options=UNSYNCHRONISED) is not None


POLICIES = "politiques"
"""Version that moves with the policies."""


class KnownDevice(Model):
    """A browser that signed in as a person: what it looked like, and from which network. Never the cookie, of which a digest is kept."""

    __tablename__ = "known_devices"
    __table_args__ = (UniqueConstraint("declarant_id", "device_hash", name="uq_known_devices_declarant_id_device_hash"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    declarant_id: Mapped[int] = belongs_to_declarant()
    device_hash: Mapped[str] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(String(80))
    network: Mapped[str] = mapped_column(String(60))
    version: Mapped[int]
    """Of the credentials it is trusted under."""
    seen_at: Mapped[datetime]

    @classmethod
    def saw(cls, declarant_id: int, device_hash: str, label: str, network: str, version: int, now: datetime) -> None:
        """At a sign-in from a device that was not trusted."""
        found = db.session.scalar(select(cls).filter_by(declarant_id=declarant_id, device_hash=device_hash))
        found = found or cls(declarant_id=declarant_id, device_hash=device_hash)
        found.label, found.network, found.version, found.seen_at = label, network, version, now
        db.session.add(found)

    @classmethod
    def of(cls, declarant_id: int) -> list[Self]:
        """Every device that signed in as this person, the last first."""
        return list(db.session.scalars(select(cls).filter_by(declarant_id=declarant_id).order_by(cls.seen_at.desc())))

    @classmethod
    def crowds(cls, sirets: range, more_than: int, *, after: int, upto: int | None) -> dict[int, int]:
        """Of people of these establishments, those whom more devices than that signed in as, and how many."""
        query = select(cls.declarant_id, func.count()).join(Declarant, Declarant.id == cls.declarant_id)
        number = Declarant.id + literal_column("0")  # between two identifiers, planners would read the whole country
        query = query.where(Declarant.siret >= sirets.start, Declarant.siret < sirets.stop, number > after)
        query = query if upto is None else query.where(number <= upto)
        rows = db.session.execute(query.group_by(cls.declarant_id).having(func.count() > more_than))
        return {row[0]: row[1] for row in rows}

    @classmethod
    def trusted_by(cls, declarant: Declarant, after: datetime) -> list[Self]:
        """Those still trusted: seen after that instant, under the credentials in force; the last first."""
        where = (cls.declarant_id == declarant.id, cls.version == declarant.version, cls.seen_at > after)
        return list(db.session.scalars(select(cls).where(*where).order_by(cls.seen_at.desc())))

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Delete those whose cookie has expired; how many."""
        return len(db.session.scalars(delete(cls).where(cls.seen_at < now - timedelta(days=90)).returning(cls.id)).all())


def forget_factors(declarant_id: int) -> None:
    """Everything that only served to sign somebody in."""
    for kind in (TotpCredential, RecoveryCode, PasskeyIdentity, FactorLoss, KnownDevice):
        db.session.execute(delete(kind).where(kind.declarant_id == declarant_id), execution_options=UNSYNCHRONISED)


OF, AT = bindparam("of_id", type_=Integer), bindparam("at", type_=Instant)
ADVANCE = Statement(
    lambda: (
        update(TotpCredential)
        .where(TotpCredential.declarant_id == OF, TotpCredential.last_step == bindparam("known_step", type_=BigInt))
        .values(last_step=bindparam("next_step", type_=BigInt), used_at=AT)
    )
)
SPEND_CODE = Statement(
    lambda: (
        update(RecoveryCode)
        .where(
            RecoveryCode.declarant_id == OF,
            RecoveryCode.code_hash == bindparam("hash_of_code", type_=String),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=AT)
    )
)
COUNT = bindparam("count", type_=BigInt)
USE_PASSKEY = Statement(
    lambda: (
        update(Passkey)
        .where(Passkey.id == OF, or_(Passkey.sign_count < COUNT, Passkey.sign_count == 0))
        .values(sign_count=COUNT, backed_up=bindparam("copied", type_=Boolean), used_at=AT)
    )
)
ALL_POLICIES = Statement(
    lambda: select(FactorPolicy.kind, FactorPolicy.value, FactorPolicy.created_at, FactorPolicy.grace_days, FactorPolicy.max_age)
)
