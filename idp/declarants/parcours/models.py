"""Inscriptions in progress, and what they leave behind: agreements, consents, the profile of an establishment, receipts."""

from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import ForeignKey, Index, String, Text, delete, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Json, Model, db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant, enum_column
from idp.declarants.profils import Profil, Secteur
from idp.entreprises.models import SiretColumn
from idp.entreprises.siret import Siret
from idp.seals import digest

IDLE = timedelta(hours=48)
"""An inscription that nobody touches for this long is deleted (fact 22)."""
COOKIE = "__Host-mag_i"
"""Holds the reference of an inscription in progress."""
CONFIRM, RESUME = "inscription_confirmation", "inscription_reprise"
"""Purposes of links."""
LINK_LIFE = timedelta(hours=24)
"""C44: of the link that proves an address."""


class Inscription(Model):
    """One inscription in progress: what was typed so far. Nobody is inscribed before its mail link is confirmed.

    The browser knows it by a random reference, of which the digest alone is kept; so does the browser that confirmed it.
    """

    __tablename__ = "inscriptions"
    __table_args__ = (Index("ix_inscriptions_expires_at", "expires_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    reference_hash: Mapped[str] = mapped_column(String(64), unique=True)
    autre_reference_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Of the browser where the mail's link was opened, when it is another one."""
    siret: Mapped[Siret] = mapped_column(SiretColumn)
    etablissement_at: Mapped[datetime | None]
    """When the person said that the establishment shown is theirs."""
    nom: Mapped[str | None] = mapped_column(String(80))
    prenom: Mapped[str | None] = mapped_column(String(80))
    telephone: Mapped[str | None] = mapped_column(String(30))
    mobile: Mapped[str | None] = mapped_column(String(30))
    email: Mapped[str | None] = mapped_column(String(254))
    conditions_version: Mapped[str | None] = mapped_column(String(20))
    conditions_sha256: Mapped[str | None] = mapped_column(String(64))
    conditions_at: Mapped[datetime | None]
    information: Mapped[bool] = mapped_column(default=False)
    """Whether the person asked for news; nobody is subscribed who did not ask (fact 15)."""
    profil: Mapped[Profil | None] = mapped_column(enum_column(Profil))
    secteur: Mapped[Secteur | None] = mapped_column(enum_column(Secteur))
    services: Mapped[list[str] | None] = mapped_column(Json)
    """Codes of services."""
    password_hash: Mapped[str | None] = mapped_column(String(255))
    pepper_id: Mapped[str | None] = mapped_column(String(40))
    submitted_at: Mapped[datetime | None]
    """When the mail was asked for; None again when the person goes back to change something."""
    mails: Mapped[int] = mapped_column(default=0)
    """Confirmation mails asked for so far."""
    confirmed_at: Mapped[datetime | None]
    issue: Mapped[str | None] = mapped_column(String(20))
    """What became of it: `actif`, `primo`, `candidat` or `ecarte`."""
    declarant_id: Mapped[int | None] = mapped_column(ForeignKey("declarants.id", ondelete="SET NULL"))
    demande: Mapped[str | None] = mapped_column(Text)
    """What a partner asked of whoever came from it (`prompt=create`), as JSON."""
    navigateur: Mapped[str | None] = mapped_column(String(64))
    """Digest of the binding of the browser that the partner sent: it alone goes back there (C38)."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    @classmethod
    def held_with(cls, unverified_reference: str, now: datetime) -> Self | None:
        """The inscription that a browser holds, by its cookie; None once expired."""
        if not 20 <= len(unverified_reference) <= 100 or not unverified_reference.isascii():
            return None
        reference_hash = digest(unverified_reference)
        holds = or_(cls.reference_hash == reference_hash, cls.autre_reference_hash == reference_hash)
        return db.session.scalar(select(cls).where(holds, cls.expires_at > now))

    @classmethod
    def find(cls, inscription_id: int, now: datetime) -> Self | None:
        """None once expired."""
        return db.session.scalar(select(cls).where(cls.id == inscription_id, cls.expires_at > now))

    @classmethod
    def locked(cls, inscription_id: int, now: datetime) -> Self | None:
        """The inscription with its row held until the transaction ends; None once expired."""
        query = select(cls).where(cls.id == inscription_id, cls.expires_at > now).with_for_update()
        return db.session.scalar(query, execution_options={"populate_existing": True})

    @classmethod
    def begin(cls, reference_hash: str, siret: Siret, now: datetime) -> Self:
        found = cls(reference_hash=reference_hash, siret=siret, created_at=now, expires_at=now + IDLE, information=False, mails=0)
        db.session.add(found)
        return found

    @classmethod
    def purge(cls, before: datetime) -> int:
        """Delete what expired before that instant; how many."""
        return len(db.session.scalars(delete(cls).where(cls.expires_at < before).returning(cls.id)).all())

    @property
    def identite(self) -> Identite:
        return Identite(self.siret, self.nom or "", self.prenom or "")

    @property
    def full_name(self) -> str:
        return f"{self.prenom} {self.nom}"

    @property
    def stamp(self) -> str:
        """Which submission a link confirms: whoever changes something submits again, and older links are dead."""
        return self.submitted_at.isoformat() if self.submitted_at else ""

    def submit(self, now: datetime) -> bool:
        """Everything is filled in; True for one of several that come at once."""
        query = update(Inscription).where(Inscription.id == self.id, Inscription.submitted_at.is_(None))
        query = query.values(submitted_at=now, expires_at=now + IDLE).returning(Inscription.id)
        won = db.session.scalar(query, execution_options={"synchronize_session": False})
        db.session.refresh(self)
        return won is not None

    def touch(self, now: datetime) -> None:
        """Somebody is at work: it lives 48 hours more."""
        self.expires_at = now + IDLE


class ConditionsAcceptees(Model):
    """One agreement to the terms of use: which text, by its digest, and when (fact 13). Never changed."""

    __tablename__ = "conditions_acceptees"
    __table_args__ = (Index("ix_conditions_acceptees_declarant_id", "declarant_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"))
    version: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(String(64))
    accepted_at: Mapped[datetime]

    @classmethod
    def latest(cls, declarant_id: int) -> Self | None:
        return db.session.scalar(select(cls).filter_by(declarant_id=declarant_id).order_by(cls.id.desc()).limit(1))

    @classmethod
    def of(cls, declarant_id: int) -> list[Self]:
        """All that this person ever accepted, the oldest first."""
        return list(db.session.scalars(select(cls).filter_by(declarant_id=declarant_id).order_by(cls.id)))

    @classmethod
    def keep(cls, declarant_id: int, version: str, sha256: str, at: datetime) -> None:
        db.session.add(cls(declarant_id=declarant_id, version=version, sha256=sha256, accepted_at=at))


class ConsentementInformation(Model):
    """Yes or no to information by mail, each time the person says so (fact 15). Never changed: the last one holds."""

    __tablename__ = "consentements_information"
    __table_args__ = (Index("ix_consentements_information_declarant_id", "declarant_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"))
    given: Mapped[bool]
    at: Mapped[datetime]

    @classmethod
    def keep(cls, declarant_id: int, given: bool, at: datetime) -> None:
        db.session.add(cls(declarant_id=declarant_id, given=given, at=at))

    @classmethod
    def given_by(cls, declarant_id: int) -> bool:
        """Whether this person wants to be informed today."""
        query = select(cls.given).filter_by(declarant_id=declarant_id).order_by(cls.id.desc()).limit(1)
        return bool(db.session.scalar(query))


class ProfilEtablissement(Model):
    """What an establishment is here for, as its last administrator said (facts 5, 6)."""

    __tablename__ = "profils_etablissement"

    siret: Mapped[Siret] = mapped_column(SiretColumn, primary_key=True, autoincrement=False)
    profil: Mapped[Profil] = mapped_column(enum_column(Profil))
    secteur: Mapped[Secteur] = mapped_column(enum_column(Secteur))
    changed_at: Mapped[datetime]

    @classmethod
    def find(cls, siret: Siret) -> Self | None:
        return db.session.get(cls, siret)

    @classmethod
    def keep(cls, siret: Siret, profil: Profil, secteur: Secteur, now: datetime) -> None:
        db.session.merge(cls(siret=siret, profil=profil, secteur=secteur, changed_at=now))


class ServicesChoisis(Model):
    """The services that somebody not yet active asked for: opened the day they become active, then forgotten."""

    __tablename__ = "services_choisis"

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"), primary_key=True)
    services: Mapped[list[str]] = mapped_column(Json)
    profil: Mapped[Profil] = mapped_column(enum_column(Profil))

    @classmethod
    def of(cls, declarant_id: int) -> Self | None:
        return db.session.get(cls, declarant_id)

    @classmethod
    def keep(cls, declarant_id: int, services: list[str], profil: Profil) -> None:
        db.session.add(cls(declarant_id=declarant_id, services=services, profil=profil))

    def forget(self) -> None:
        db.session.delete(self)


class RecuInscription(Model):
    """The signed receipt of an inscription, kept as long as the identity (fact 23)."""

    __tablename__ = "recus_inscription"

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"), primary_key=True)
    claims: Mapped[dict[str, Any]] = mapped_column(Json)
    jws: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]

    @classmethod
    def of(cls, declarant_id: int) -> Self | None:
        return db.session.get(cls, declarant_id)

    @classmethod
    def written(cls, siret: Siret, jws: str) -> Self | None:
        """The one of that very text, of somebody of this establishment, whatever their name has become."""
        owner = select(Declarant.id).where(Declarant.siret == siret)
        return db.session.scalar(select(cls).where(cls.declarant_id.in_(owner), cls.jws == jws).limit(1))

    @classmethod
    def keep(cls, declarant_id: int, claims: dict[str, Any], jws: str, now: datetime) -> Self:
        found = cls(declarant_id=declarant_id, claims=claims, jws=jws, created_at=now)
        db.session.add(found)
        return found
