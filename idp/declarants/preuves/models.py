"""Proofs of persons. One line for each provider that proved somebody; a newer one takes its place.

A proof made during an inscription waits with it, and becomes the person's when they are inscribed under the very identity that was
proved. Left out on purpose: birth data, which MAG does not hold, and who the person is there, of which a keyed digest alone is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, bindparam, delete, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Instant, Model, Statement, db
from idp.declarants.identite import Identite
from idp.seals import digest

LIFE = timedelta(days=90)
"""As ProConnect has it of an identity of FranceConnect: three months."""
KEPT = timedelta(days=30)
"""How long a proof that has ended still says so to its owner."""


@dataclass(frozen=True, slots=True)
class Offre:
    """A provider that people may choose for some use."""

    code: str
    nom: str
    origine: str
    """Where its pages are, for the policy of a page that leads there."""
    dirigeant: bool
    """It also certifies who leads a company."""


def hash_of(identite: Identite) -> str:
    """Of what was proved: whoever changes a letter of it is somebody else."""
    return digest(f"{identite.siret}|{identite.cle}")


class Preuve(Model):
    """What one provider proved of one person."""

    __tablename__ = "preuves"
    __table_args__ = (
        CheckConstraint("declarant_id is not null or inscription_id is not null", name="of_somebody"),
        Index("uq_preuves_declarant_id", "declarant_id", "fournisseur", unique=True),
        Index("uq_preuves_inscription_id", "inscription_id", "fournisseur", unique=True),
        Index(
            "uq_preuves_connexion",
            "fournisseur",
            "sujet_hash",
            unique=True,
            postgresql_where=text("connexion_at is not null"),
            sqlite_where=text("connexion_at is not null"),
        ),
        Index("ix_preuves_expires_at", "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    declarant_id: Mapped[int | None] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"))
    inscription_id: Mapped[int | None] = mapped_column(ForeignKey("inscriptions.id", ondelete="CASCADE"))
    fournisseur: Mapped[str] = mapped_column(String(60))
    """Its code."""
    nom: Mapped[str] = mapped_column(String(120))
    """Of the provider, as people know it."""
    sujet_hash: Mapped[str] = mapped_column(String(64))
    """Keyed digest of who the person is there."""
    identite_hash: Mapped[str] = mapped_column(String(64))
    niveau: Mapped[str] = mapped_column(String(120))
    """`acr`, as the provider said it."""
    siret: Mapped[int | None] = mapped_column(BigInt)
    """The establishment that the provider knows the person at, when it is of the same company."""
    dirigeant: Mapped[bool] = mapped_column(default=False)
    """Certified to lead the company."""
    proved_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    connexion_at: Mapped[datetime | None]
    """Since when that account also signs in here."""

    @classmethod
    def of(cls, declarant_id: int) -> list[Self]:
        """Of a person, the latest first, ended ones too."""
        return list(db.session.scalars(select(cls).filter_by(declarant_id=declarant_id).order_by(cls.proved_at.desc())))

    @classmethod
    def of_draft(cls, inscription_id: int, identite: Identite, now: datetime) -> list[Self]:
        """Living ones of an inscription, of the identity typed there."""
        query = select(cls).filter_by(inscription_id=inscription_id, identite_hash=hash_of(identite)).where(cls.expires_at > now)
        return list(db.session.scalars(query.order_by(cls.proved_at.desc())))

    @classmethod
    def numbered(cls, preuve_id: int, declarant_id: int) -> Self | None:
        """A person's own, and nobody else's."""
        return db.session.scalar(select(cls).filter_by(id=preuve_id, declarant_id=declarant_id))

    @classmethod
    def signing_in(cls, fournisseur: str, sujet_hashes: Sequence[str]) -> Self | None:
        """Whom an account there signs in."""
        query = select(cls).where(cls.fournisseur == fournisseur, cls.sujet_hash.in_(sujet_hashes), cls.connexion_at.is_not(None))
        return db.session.scalar(query)

    @classmethod
    def held(cls, declarant_id: int, fournisseur: str, sujet_hashes: Sequence[str]) -> Self | None:
        """What that account there proved of this person."""
        mine = (cls.declarant_id == declarant_id, cls.fournisseur == fournisseur, cls.sujet_hash.in_(sujet_hashes))
        return db.session.scalar(select(cls).where(*mine))

    @classmethod
    def keep(cls, proved: Self) -> None:
        """Instead of what this provider proved before of the same person; a way in that was linked stays, for the same account."""
        same = cls.declarant_id == proved.declarant_id if proved.declarant_id else cls.inscription_id == proved.inscription_id
        before = db.session.scalar(select(cls).where(same, cls.fournisseur == proved.fournisseur))
        if before is not None:
            if before.sujet_hash == proved.sujet_hash:
                proved.connexion_at = before.connexion_at
            db.session.delete(before)
            db.session.flush()
        db.session.add(proved)

    @classmethod
    def attach(cls, inscription_id: int, declarant_id: int, identite: Identite) -> None:
        """What was proved during an inscription becomes the person's; what was proved of another spelling is nobody's."""
        mine = update(cls).where(cls.inscription_id == inscription_id, cls.identite_hash == hash_of(identite))
        db.session.execute(mine.values(declarant_id=declarant_id, inscription_id=None))
        db.session.execute(delete(cls).where(cls.inscription_id == inscription_id))

    @classmethod
    def forget_person(cls, declarant_id: int) -> None:
        """With the ways in that came with them."""
        db.session.execute(delete(cls).where(cls.declarant_id == declarant_id), execution_options={"synchronize_session": False})

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Remove proofs that ended, but those that sign somebody in; how many."""
        dead = delete(cls).where(cls.expires_at < now - KEPT, cls.connexion_at.is_(None)).returning(cls.id)
        return len(db.session.execute(dead, execution_options={"synchronize_session": False}).all())

    def link(self, now: datetime) -> bool:
        """It signs its owner in from now on; False when that account signs somebody else in already."""
        try:
            with db.session.begin_nested():
                self.connexion_at = now
        except IntegrityError:
            db.session.refresh(self)
            return False
        return True

    def lives(self, now: datetime) -> bool:
        return self.expires_at > now


LIVING = Statement(
    lambda: (
        select(Preuve.nom, Preuve.niveau, Preuve.dirigeant, Preuve.proved_at, Preuve.expires_at)
        .where(Preuve.declarant_id == bindparam("declarant_id"), Preuve.expires_at > bindparam("now", type_=Instant))
        .order_by(Preuve.proved_at.desc())
    )
)
