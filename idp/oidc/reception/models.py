"""Who may send security events to MAG, and what was received: an event counts once, in the transaction of what it caused."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, bindparam, distinct, func, null, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from idp.database import Json, Model, Statement, db
from idp.declarants.models import Declarant
from idp.oidc.delivery.models import Outgoing, statements
from idp.oidc.reception.vocabulary import Effet, wanted

SEALED_FOR = "emetteurs.autorisation"
"""What MAG shows a transmitter is sealed for this, bound to its code."""
KEPT = timedelta(days=90)
"""For how long an event received is remembered: far longer than it may be shown again."""
REFUS = "refus"
"""Effect of a token that was refused."""


class Emetteur(Outgoing, Model):
    """A transmitter of a partner's, or of a provider above MAG. One that is fetched from is a row that leaves again and again."""

    __tablename__ = "emetteurs"
    __table_args__ = (
        CheckConstraint("(partenaire is null) <> (fournisseur is null)", name="of_one"),
        Index("ix_emetteurs_next_try_at", "next_try_at"),
    )

    code: Mapped[str] = mapped_column(String(60), unique=True)
    nom: Mapped[str] = mapped_column(String(120))
    """As people read it in mails."""
    partenaire: Mapped[str | None] = mapped_column(String(60))
    """Code of the partner whose it is; or"""
    fournisseur: Mapped[str | None] = mapped_column(String(60))
    """that of the provider above MAG."""
    issuer: Mapped[str] = mapped_column(String(300), unique=True)
    audience: Mapped[str] = mapped_column(String(300))
    """Whom its tokens must be for."""
    jwks_uri: Mapped[str | None] = mapped_column(String(1000))
    jwks: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """Its keys, where it publishes none."""
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of what it pushes with; None: with an access token of its partner's client."""
    releve_url: Mapped[str | None] = mapped_column(String(1000))
    """Where MAG comes to fetch; None: events are pushed."""
    autorisation_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """`Authorization` of MAG's calls there."""
    flux: Mapped[str | None] = mapped_column(String(200))
    """Name of MAG's stream there."""
    essai_url: Mapped[str | None] = mapped_column(String(1000))
    """Its verification endpoint."""
    essai_etat: Mapped[str | None] = mapped_column(String(64))
    """`state` of the event that was asked for, and did not come yet."""
    verified_at: Mapped[datetime | None]
    """When an event that MAG had asked for came."""
    sujets: Mapped[list[str]] = mapped_column(Json)
    """How it may name people: `mag`, `compte`, `opaque`."""
    politique: Mapped[dict[str, str]] = mapped_column(Json)
    """Effect by type of event; what is not there is noted."""
    plafond_heure: Mapped[int]
    """Persons whom its events may touch in an hour; beyond, they are noted."""
    plafond_jour: Mapped[int]
    alerte_at: Mapped[datetime | None]
    """Since when it is beyond; None once an operator saw it."""
    enabled: Mapped[bool] = mapped_column(default=True)
    heard_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]

    @property
    def is_fetched(self) -> bool:
        return self.releve_url is not None

    @classmethod
    def every(cls) -> list[Self]:
        """By code."""
        return list(db.session.scalars(select(cls).order_by(cls.code)))

    @classmethod
    def named(cls, code: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(code=code))

    @classmethod
    def of_issuer(cls, issuer: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(issuer=issuer))

    @classmethod
    def numbered(cls, emetteur_id: int) -> Self | None:
        return db.session.get(cls, emetteur_id)

    @classmethod
    def held(cls, emetteur_id: int) -> Self | None:
        """The row until the transaction ends: events of one transmitter are received one after the other (PostgreSQL)."""
        return db.session.get(cls, emetteur_id, with_for_update=True, populate_existing=True)

    @classmethod
    def in_alert(cls) -> int:
        """How many sent too much, and no operator saw it yet."""
        return db.session.scalar(select(func.count()).where(cls.alerte_at.is_not(None))) or 0

    def wants(self, name: str) -> Effet:
        return wanted(self.politique, name)


class SignalRecu(Model):
    """An event received, or a token refused."""

    __tablename__ = "signaux_recus"
    __table_args__ = (
        Index("uq_signaux_recus_jti", "emetteur_id", "jti", unique=True),
        Index("ix_signaux_recus_emetteur_id", "emetteur_id", "received_at"),
        Index("ix_signaux_recus_declarant_id", "declarant_id"),
        Index("ix_signaux_recus_received_at", "received_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    emetteur_id: Mapped[int] = mapped_column(ForeignKey("emetteurs.id", ondelete="CASCADE"))
    jti: Mapped[str | None] = mapped_column(String(255))
    """None of a token that was refused."""
    kind: Mapped[str] = mapped_column(String(300))
    """The short name of a type that MAG knows; the address of any other."""
    declarant_id: Mapped[int | None] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"))
    effet: Mapped[str] = mapped_column(String(12))
    """What was done, or `refus`."""
    motif: Mapped[str] = mapped_column(String(200))
    """Why no more was done, or why it was refused."""
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    occurred_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    emetteur: Mapped[Emetteur] = relationship()
    declarant: Mapped[Declarant | None] = relationship()

    @classmethod
    def came(cls, emetteur_id: int, jti: str) -> bool:
        return db.session.scalar(select(cls.id).filter_by(emetteur_id=emetteur_id, jti=jti)) is not None

    def insert(self) -> bool:
        """Add the row now; False, and the transaction is lost, when the same event came meanwhile."""
        db.session.add(self)
        try:
            db.session.flush()
        except IntegrityError:
            db.session.rollback()
            return False
        return True

    @classmethod
    def touched(cls, emetteur_id: int, since: datetime, *, but: int) -> int:
        """How many persons something was done to, `but` this one."""
        acted = (cls.effet.not_in((Effet.NOTER, REFUS)), cls.received_at > since, cls.declarant_id != but)
        return db.session.scalar(select(func.count(distinct(cls.declarant_id))).where(cls.emetteur_id == emetteur_id, *acted)) or 0

    @classmethod
    def last_act(cls, emetteur_id: int, declarant_id: int) -> Self | None:
        """The last thing that this transmitter caused to somebody."""
        acted = cls.effet.not_in((Effet.NOTER, REFUS))
        query = select(cls).where(cls.emetteur_id == emetteur_id, cls.declarant_id == declarant_id, acted)
        return db.session.scalar(query.order_by(cls.received_at.desc(), cls.id.desc()).limit(1))

    @classmethod
    def latest(cls, emetteur_id: int, limit: int) -> list[Self]:
        """The latest first, and whom they are about."""
        query = select(cls).filter_by(emetteur_id=emetteur_id).order_by(cls.received_at.desc(), cls.id.desc())
        return list(db.session.scalars(query.limit(limit).options(joinedload(cls.declarant))))

    @classmethod
    def tally(cls, since: datetime) -> dict[int, tuple[int, int, int]]:
        """By transmitter, since then: how many came, caused something, were refused."""
        query = select(cls.emetteur_id, cls.effet, func.count()).where(cls.received_at > since).group_by(cls.emetteur_id, cls.effet)
        found: dict[int, tuple[int, int, int]] = {}
        for emetteur_id, effet, count in db.session.execute(query):
            came, acted, refused = found.get(emetteur_id, (0, 0, 0))
            is_refused = effet == REFUS
            acted += 0 if is_refused or effet == Effet.NOTER else count
            found[emetteur_id] = (came + (0 if is_refused else count), acted, refused + (count if is_refused else 0))
        return found

    @classmethod
    def told(cls, declarant_id: int) -> list[dict[str, Any]]:
        """What is kept of this person, for the file of what MAG keeps."""
        query = select(cls).where(cls.declarant_id == declarant_id).order_by(cls.id)
        return [
            {
                "emetteur": row.emetteur.nom,
                "evenement": row.kind,
                "effet": row.effet,
                "recu_le": row.received_at.isoformat(timespec="seconds"),
            }
            for row in db.session.scalars(query)
        ]

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Delete what is old; how many."""
        return len(db.session.scalars(sql_delete(cls).where(cls.received_at < now - KEPT).returning(cls.id)).all())


# ------------------------------------------------------------------------------------------------------------- statements

HEARD_OF = Statement(lambda: select(Emetteur.partenaire).where(Emetteur.enabled.is_(True), Emetteur.partenaire.is_not(None)))
"""Partners that may name people as MAG does: those whom they know are written down."""


def _without_end() -> Any:
    """A call that succeeded: the next one is due when the claim ends."""
    columns: Any = Emetteur.__table__.c
    row_id, at_try = bindparam("row_id", type_=columns["id"].type), bindparam("at_try", type_=columns["tries"].type)
    return update(Emetteur).where(columns["id"] == row_id, columns["tries"] == at_try).values(tries=0, failure=null())


STATEMENTS = replace(
    statements(
        Emetteur,
        Emetteur.code,
        [getattr(Emetteur, name) for name in ("id", "code", "created_at", "tries")],
        Emetteur.enabled.is_(True),
        Emetteur.releve_url.is_not(None),
    ),
    delivered=Statement(_without_end),
)
