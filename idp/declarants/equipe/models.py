"""Tables of the administrators' space: candidacies, keys by post, invitations. A decision is one conditional write: the first one wins."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from sqlalchemy import ColumnElement, ForeignKey, Index, String, and_, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Model, db
from idp.declarants.identite import fold
from idp.declarants.models import Declarant, enum_column
from idp.declarants.statuts import Role, Statut
from idp.entreprises.models import SiretColumn
from idp.entreprises.siret import Siret
from idp.seals import digest, random_token

PAGE = 25
"""People, candidacies or invitations shown at once."""
KEPT = timedelta(days=365)
"""How long what was decided is kept."""
NAMES_KEPT = timedelta(days=30)
"""How long an invitation that was closed still says who was invited."""


class Decision(StrEnum):
    """What became of a candidacy."""

    ACCORD = "accord"
    REFUS = "refus"
    CLE = "cle"
    EXPIRATION = "expiration"


class Candidature(Model):
    """Somebody who asks to administer an establishment that has an administrator already (facts 30-34).

    Outlives the identity that a refusal erases: numbers alone, no name, so that whoever decides second learns who did first.
    """

    __tablename__ = "candidatures"
    __table_args__ = (Index("ix_candidatures_expires_at", "decided_at", "expires_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(40), unique=True)
    """In the addresses of pages."""
    declarant_id: Mapped[int] = mapped_column(unique=True)
    """Without a foreign key: the number remains when the identity is erased."""
    siret: Mapped[Siret] = mapped_column(SiretColumn)
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    warned: Mapped[int] = mapped_column(default=0)
    """Days left at the last warning sent; 0 before the first one."""
    decision: Mapped[Decision | None] = mapped_column(enum_column(Decision))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None]
    """The administrator; None for a key, or for time."""
    replaced_id: Mapped[int | None]
    """The administrator who was replaced (fact 36)."""
    proof: Mapped[str | None] = mapped_column(String(200))
    """The act that names the new administrator, when another one is replaced."""

    @classmethod
    def open(cls, declarant: Declarant, now: datetime, expires_at: datetime) -> Self:
        found = cls(reference=random_token(12), declarant_id=declarant.id, siret=declarant.siret, opened_at=now, expires_at=expires_at)
        db.session.add(found)
        db.session.flush()
        return found

    @classmethod
    def of(cls, declarant_id: int, *, lock: bool = False) -> Self | None:
        """Somebody's; with `lock`, held until the transaction ends: whoever decides holds it before any other row."""
        query = select(cls).filter_by(declarant_id=declarant_id).execution_options(populate_existing=True)
        return db.session.scalar(query.with_for_update() if lock else query)

    @classmethod
    def with_reference(cls, reference: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(reference=reference).execution_options(populate_existing=True))

    def decide(self, decision: Decision, now: datetime, by: int | None = None) -> bool:
        """One conditional write: True for the first who decides in time, and for nobody else. Only time itself comes after the end."""
        here = [type(self).id == self.id, type(self).decided_at.is_(None)]
        here += [] if decision is Decision.EXPIRATION else [type(self).expires_at > now]
        query = update(type(self)).where(*here).values(decision=decision, decided_at=now, decided_by=by).returning(type(self).id)
        won = db.session.scalar(query, execution_options={"synchronize_session": False}) is not None
        db.session.refresh(self)
        return won

    @classmethod
    def waiting(cls, sirets: range, after: int = 0) -> list[tuple[Self, Declarant]]:
        """Candidacies that nobody decided, with who asks, the soonest to expire first: PAGE, and one more when there are others."""
        there = (*_within(cls, sirets), cls.decided_at.is_(None))
        query = select(cls, Declarant).join(Declarant, Declarant.id == cls.declarant_id).where(*there, *_following(cls, sirets, after))
        return [(one, person) for one, person in db.session.execute(query.order_by(cls.expires_at, cls.id).limit(PAGE + 1))]

    @classmethod
    def count_waiting(cls, sirets: range) -> int:
        """How many wait for a decision."""
        return db.session.scalar(select(func.count()).select_from(cls).where(*_within(cls, sirets), cls.decided_at.is_(None))) or 0

    @classmethod
    def due(cls, until: datetime, limit: int = 100) -> list[Self]:
        """Candidacies without a decision that expire by that instant."""
        query = select(cls).where(cls.decided_at.is_(None), cls.expires_at <= until)
        return list(db.session.scalars(query.order_by(cls.expires_at, cls.id).limit(limit)))

    def warn(self, days: int) -> bool:
        """Say that the warning of so many days is sent: True once."""
        kind = type(self)
        here = (kind.id == self.id, kind.decided_at.is_(None), or_(kind.warned == 0, kind.warned > days))
        query = update(kind).where(*here).values(warned=days).returning(kind.id)
        return db.session.scalar(query, execution_options={"synchronize_session": False}) is not None

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Delete decisions of a year ago, which the journal tells; how many."""
        return len(db.session.scalars(delete(cls).where(cls.decided_at < now - KEPT).returning(cls.id)).all())


class ActivationKey(Model):
    """A key posted to an establishment: its keyed digest, and how often it was tried (fact 32)."""

    __tablename__ = "activation_keys"
    __table_args__ = (Index("ix_activation_keys_declarant_id", "declarant_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"))
    key_hash: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    spent_at: Mapped[datetime | None]

    @classmethod
    def make(cls, declarant_id: int, key_hash: str, now: datetime) -> Self:
        made = cls(declarant_id=declarant_id, key_hash=key_hash, asked_at=now)
        db.session.add(made)
        db.session.flush()
        return made

    @classmethod
    def of(cls, declarant_id: int) -> list[Self]:
        """Newest first: that one alone still opens."""
        query = select(cls).filter_by(declarant_id=declarant_id).order_by(cls.id.desc())
        return list(db.session.scalars(query, execution_options={"populate_existing": True}))

    def count_try(self, most: int) -> bool:
        """One more try, counted before it is compared; False when there are no more."""
        kind = type(self)
        query = update(kind).where(kind.id == self.id, kind.tries < most, kind.spent_at.is_(None)).values(tries=kind.tries + 1)
        won = db.session.scalar(query.returning(kind.tries), execution_options={"synchronize_session": False}) is not None
        db.session.refresh(self)
        return won

    def spend(self, now: datetime) -> bool:
        """True once."""
        kind = type(self)
        query = update(kind).where(kind.id == self.id, kind.spent_at.is_(None)).values(spent_at=now).returning(kind.id)
        return db.session.scalar(query, execution_options={"synchronize_session": False}) is not None


class Closing(StrEnum):
    """What became of an invitation."""

    ACCEPTEE = "acceptee"
    ANNULEE = "annulee"
    EXPIREE = "expiree"


class Invitation(Model):
    """A person whom an administrator invites (fact 11): single use, seven days. The word of its link is known by its digest alone."""

    __tablename__ = "invitations"
    __table_args__ = (
        Index("ix_invitations_siret", "siret", "closed_at"),
        Index("ix_invitations_expires_at", "closed_at", "expires_at"),
        Index("uq_invitations_uid", "uid", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(40), unique=True)
    """In the addresses of the administrators' pages."""
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    uid: Mapped[str | None] = mapped_column(String(40))
    """Who they will be once inscribed, so that a partner names them from now on; None for an invitation of before this was kept."""
    siret: Mapped[Siret] = mapped_column(SiretColumn)
    nom: Mapped[str] = mapped_column(String(80))
    prenom: Mapped[str] = mapped_column(String(80))
    cle: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    invited_by: Mapped[int | None] = mapped_column(ForeignKey("declarants.id", ondelete="SET NULL"))
    keeper_id: Mapped[int | None] = mapped_column(ForeignKey("declarants.id", ondelete="SET NULL"))
    """Who holds meanwhile the rights that come with it; None: it brings no right."""
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closing: Mapped[Closing | None] = mapped_column(enum_column(Closing))
    declarant_id: Mapped[int | None] = mapped_column(ForeignKey("declarants.id", ondelete="SET NULL"))
    """Who accepted."""

    @property
    def full_name(self) -> str:
        return f"{self.prenom} {self.nom}"

    def renew(self, now: datetime, lifetime: timedelta) -> str:
        """The word of a new link; the one before dies."""
        token = random_token()
        self.token_hash, self.sent_at, self.expires_at = digest(token), now, now + lifetime
        db.session.add(self)
        db.session.flush()
        return token

    @classmethod
    def with_token(cls, token: str, now: datetime) -> Self | None:
        """The invitation of a link while it lives; spends nothing."""
        if not token.isascii() or len(token) > 100:
            return None
        query = select(cls).where(cls.token_hash == digest(token), cls.closed_at.is_(None), cls.expires_at > now)
        return db.session.scalar(query, execution_options={"populate_existing": True})

    @classmethod
    def with_reference(cls, reference: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(reference=reference).execution_options(populate_existing=True))

    @classmethod
    def pending(cls, siret: Siret, cle: str, now: datetime) -> Self | None:
        """The living invitation of whoever bears this name there."""
        return db.session.scalar(select(cls).where(cls.siret == siret, cls.cle == cle, cls.closed_at.is_(None), cls.expires_at > now))

    @classmethod
    def living(cls, sirets: range, after: int = 0) -> list[Self]:
        """Invitations that wait for an answer, the soonest to expire first: PAGE, and one more when there are others."""
        query = select(cls).where(*_within(cls, sirets), cls.closed_at.is_(None), *_following(cls, sirets, after))
        return list(db.session.scalars(query.order_by(cls.expires_at, cls.id).limit(PAGE + 1)))

    @classmethod
    def count_living(cls, sirets: range) -> int:
        """How many wait for an answer."""
        return db.session.scalar(select(func.count()).select_from(cls).where(*_within(cls, sirets), cls.closed_at.is_(None))) or 0

    @classmethod
    def sent_since(cls, siret: Siret, since: datetime) -> int:
        return db.session.scalar(select(func.count()).select_from(cls).where(cls.siret == siret, cls.created_at > since)) or 0

    @classmethod
    def expired(cls, now: datetime, limit: int = 100) -> list[Self]:
        query = select(cls).where(cls.closed_at.is_(None), cls.expires_at <= now)
        return list(db.session.scalars(query.order_by(cls.expires_at, cls.id).limit(limit)))

    def close(self, closing: Closing, now: datetime) -> bool:
        """One conditional write: True once. An acceptance must come before it expires."""
        kind = type(self)
        here = [kind.id == self.id, kind.closed_at.is_(None)] + ([kind.expires_at > now] if closing is Closing.ACCEPTEE else [])
        query = update(kind).where(*here).values(closing=closing, closed_at=now).returning(kind.id)
        won = db.session.scalar(query, execution_options={"synchronize_session": False}) is not None
        db.session.refresh(self)
        return won

    @classmethod
    def hand_over(cls, keeper_id: int, to: int | None) -> None:
        """Rights kept for people invited follow whoever takes over from their keeper, who answers for the invitation from then on."""
        taken_over = {"keeper_id": to} if to is None else {"keeper_id": to, "invited_by": to}
        query = update(cls).where(cls.keeper_id == keeper_id, cls.closed_at.is_(None)).values(taken_over)
        db.session.execute(query, execution_options={"synchronize_session": False})

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Empty names and addresses of what was closed a month ago (C80), and delete what was closed a year ago; how many of these."""
        named = (cls.closed_at < now - NAMES_KEPT, cls.email != "")
        emptied = update(cls).where(*named).values(nom="", prenom="", cle="", email="")
        db.session.execute(emptied, execution_options={"synchronize_session": False})
        return len(db.session.scalars(delete(cls).where(cls.closed_at < now - KEPT).returning(cls.id)).all())


def _within(model: type[Candidature] | type[Invitation], sirets: range) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return model.siret >= sirets.start, model.siret < sirets.stop


def _following(model: type[Candidature] | type[Invitation], sirets: range, after: int) -> tuple[ColumnElement[bool], ...]:
    """Those that come after the row numbered `after`, of the same establishments."""
    last = db.session.scalar(select(model.expires_at).where(*_within(model, sirets), model.id == after)) if after else None
    return (or_(model.expires_at > last, and_(model.expires_at == last, model.id > after)),) if last is not None else ()


# ------------------------------------------------------------------------------------------------------------------- people


class People:
    """The people of an establishment or of a company, as an administrator looks them up."""

    def __init__(self, sirets: range) -> None:
        self.within = (Declarant.siret >= sirets.start, Declarant.siret < sirets.stop, Declarant.erased_at.is_(None))

    def counts(self) -> dict[Statut, int]:
        query = select(Declarant.statut, func.count()).where(*self.within).group_by(Declarant.statut)
        return dict(db.session.execute(query).all())

    def page(
        self, *, text: str = "", statut: Statut | None = None, role: Role | None = None, siret: Siret | None = None, after: int = 0
    ) -> list[Declarant]:
        """By name, PAGE at a time and one more when there are others, those after the person numbered `after`."""
        query = select(Declarant).where(*self.within)
        wanted = fold(text) if text else ""
        if text:
            named = Declarant.cle.contains(wanted.replace(" ", "%"), autoescape=False) if wanted else Declarant.id.is_(None)
            query = query.where(or_(named, func.lower(Declarant.email).contains(text.lower(), autoescape=True)))
        if statut:
            query = query.where(Declarant.statut == statut)
        if role:
            query = query.where(Declarant.role == role)
        if siret:
            query = query.where(Declarant.siret == siret)
        last = db.session.scalar(select(Declarant).where(*self.within, Declarant.id == after)) if after else None
        if last is not None:
            query = query.where(or_(Declarant.cle > last.cle, (Declarant.cle == last.cle) & (Declarant.id > last.id)))
        return list(db.session.scalars(query.order_by(Declarant.cle, Declarant.id).limit(PAGE + 1)))

    def successors(self, but: int, text: str = "", limit: int = 50) -> list[Declarant]:
        """Active people who may take rights over, by name."""
        query = select(Declarant).where(*self.within, Declarant.statut == Statut.ACTIF, Declarant.id != but)
        if wanted := fold(text):
            query = query.where(Declarant.cle.contains(wanted.replace(" ", "%"), autoescape=False))
        return list(db.session.scalars(query.order_by(Declarant.cle, Declarant.id).limit(limit)))


def expired_primo(now: datetime, limit: int = 100) -> list[Declarant]:
    """First administrators whom nobody decided on in time, locked; but those whom somebody is deciding on at this instant."""
    query = select(Declarant).where(Declarant.statut == Statut.PRIMO, Declarant.expires_at <= now).order_by(Declarant.id).limit(limit)
    return list(db.session.scalars(query.with_for_update(skip_locked=True), execution_options={"populate_existing": True}))
