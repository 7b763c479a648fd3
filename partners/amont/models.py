"""Providers of identity that MAG relies on. What each demands is its profile (`profils.py`), and what an operator changed of it."""

from datetime import datetime
from typing import Any, Self

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.database import Json, Model, db
from partners.amont.profils import PROFILS, Profil
from partners.models import Partenaire

SECRET, CLES = "fournisseurs.secret", "fournisseurs.cles"
"""Purposes of the seals, bound to the provider's code."""


class Fournisseur(Model):
    """An OpenID provider above MAG. One that belongs to a partner proves its accounts, and nothing of the State."""

    __tablename__ = "fournisseurs"
    __table_args__ = (CheckConstraint("length(code) > 0", name="code_is_given"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(60), unique=True)
    nom: Mapped[str] = mapped_column(String(120))
    profil: Mapped[str] = mapped_column(String(20))
    issuer: Mapped[str] = mapped_column(String(300), unique=True)
    """RFC 8414 section 2; of two providers with one issuer nobody could tell which answers (mix-up)."""
    client_id: Mapped[str] = mapped_column(String(255))
    auth_method: Mapped[str] = mapped_column(String(30))
    secret_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    cles_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """Private keys that are this provider's alone, as a JWK set: one signs assertions, the others open what it encrypts."""
    reglages: Mapped[dict[str, Any]] = mapped_column(Json)
    """`usages`, and where they differ from the profile `scopes`, `acr_values`, `algs`, `pkce`."""
    partenaire_id: Mapped[int | None] = mapped_column(ForeignKey("partenaires.id"), index=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    partenaire: Mapped[Partenaire | None] = relationship()

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
    def of_partner(cls, partenaire_id: int) -> Self | None:
        """The partner's own, if it is in service."""
        return db.session.scalar(select(cls).filter_by(partenaire_id=partenaire_id, enabled=True).order_by(cls.id).limit(1))

    @classmethod
    def serving(cls, usage: str) -> list[Self]:
        """Those that people may be offered for this, by name. A disabled partner's are not."""
        found = db.session.scalars(select(cls).where(cls.enabled.is_(True)).order_by(cls.nom))
        return [one for one in found if one.serves(usage)]

    @property
    def profile(self) -> Profil:
        return PROFILS[self.profil]

    @property
    def lives(self) -> bool:
        return self.enabled and (self.partenaire is None or self.partenaire.enabled)

    def serves(self, usage: str) -> bool:
        return self.lives and usage in self.reglages.get("usages", ())

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(self.reglages.get("scopes") or self.profile.scopes)

    @property
    def acr_values(self) -> tuple[str, ...]:
        return tuple(self.reglages.get("acr_values") or self.profile.acr_values)

    @property
    def algs(self) -> tuple[str, ...]:
        return tuple(self.reglages.get("algs") or self.profile.algs)

    @property
    def pkce(self) -> bool:
        return bool(self.reglages.get("pkce", True))
