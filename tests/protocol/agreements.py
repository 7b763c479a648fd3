"""Agreements between partners, as protocol tests make them: by the operations of `mag conventions`."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from idp.database import db
from idp.habilitations.droits import Droit
from idp.habilitations.pagm import Convention, Pagm, Possession
from partners.conventions import accord
from partners.models import Partenaire
from partners.onboarding import register_partenaire

DECLARANT, PAYEUR, ROBOT = (f"urn:interops:180035024:pagm:{name}" for name in ("declarant", "payeur", "automate"))
PROFILES = (Pagm(DECLARANT, "dsn", Droit.DECLARER), Pagm(PAYEUR, "dsn", Droit.PAYER), Pagm(ROBOT))
DSN, BANQUE = "https://dsn.test", "https://banque.test"


def agree(doors: Any, code: str, client: str, fournisseur: str, **changes: Any) -> Convention:
    """An agreement in force, recorded; `client` names a partner and its one client."""
    today = datetime.now(UTC).date()
    given: dict[str, Any] = {
        "clients": frozenset({client}),
        "audiences": frozenset({DSN}),
        "du": today - timedelta(days=10),
        "au": today + timedelta(days=10),
        "pagm": PROFILES,
        "possession": Possession.AUCUNE,
        **changes,
    }
    convention = Convention(code=code, client=client, fournisseur=fournisseur, **given)
    with doors.flask.app_context():
        if Partenaire.with_code(fournisseur) is None:
            register_partenaire(fournisseur, fournisseur, f"contact@{fournisseur}.test", datetime.now(UTC))
        accord.apply([convention], datetime.now(UTC))
        db.session.commit()
    doors.mag.versions.refresh()
    return convention


def cease(doors: Any, code: str) -> None:
    with doors.flask.app_context():
        accord.cease(accord.named(code), datetime.now(UTC))
        db.session.commit()
    doors.mag.versions.refresh()


def yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=2)
