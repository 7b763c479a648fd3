"""Who sends MAG security events: what came and what was done, the policy, cutting off at once, an alert seen."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.database import db
from idp.errors import NotFoundError
from idp.oidc.reception import conduite
from idp.oidc.reception.models import REFUS, Emetteur, SignalRecu
from idp.oidc.reception.personnes import SUJETS
from idp.oidc.reception.reception import DAY
from idp.oidc.reception.vocabulary import EFFETS, FAITS, HARMLESS, MOTIFS, TYPES, WORDS
from idp.support import bureau
from idp.support.models import Operateur
from idp.visitor import see

bp = Blueprint("bureau_signaux_recus", __name__)
MOST = 100
NOTHING = (0, 0, 0)


@bp.get("/signaux/recus/<code>")
def emetteur(code: str) -> ResponseReturnValue:
    """What it sent, the latest first, and what it may cause."""
    bureau.operator(bureau.SECURITY)
    found = _emetteur(code)
    return render_template(
        "bureau/emetteur.html",
        emetteur=found,
        tally=SignalRecu.tally(http.now() - DAY).get(found.id, NOTHING),
        rows=SignalRecu.latest(found.id, MOST),
        refus=REFUS,
        words=WORDS,
        faits=FAITS,
        motifs=MOTIFS,
        effets=EFFETS,
        sujets=SUJETS,
        types=[name for name in TYPES if name not in HARMLESS],
        done=DONE.get(request.args.get("fait", ""), ""),
    )


@bp.post("/signaux/recus/<code>/politique")
def policy(code: str) -> ResponseReturnValue:
    """One effect for each type; what the form does not say stays. Raises EmetteurRefuseError."""
    operator, found = _acting(), _emetteur(code)
    lines = [f"{name}={request.form[name]}" for name in TYPES if name in request.form]
    conduite.change_policy(found, lines, http.now(), operator.actor)
    return _done(code, "politique")


@bp.post("/signaux/recus/<code>/couper")
def cut(code: str) -> ResponseReturnValue:
    """Nothing more is received, at once."""
    operator = _acting()
    conduite.cut(_emetteur(code), http.now(), operator.actor)
    return _done(code, "couper")


@bp.post("/signaux/recus/<code>/rouvrir")
def reopen(code: str) -> ResponseReturnValue:
    operator = _acting()
    conduite.cut(_emetteur(code), http.now(), operator.actor, enabled=True)
    return _done(code, "rouvrir")


@bp.post("/signaux/recus/<code>/vu")
def seen(code: str) -> ResponseReturnValue:
    """The alert was looked into; the next one is raised anew."""
    operator = _acting()
    conduite.seen(_emetteur(code), http.now(), operator.actor)
    return _done(code, "vu")


def _acting() -> Operateur:
    return bureau.acting(bureau.SECURITY)


def _done(code: str, what: str) -> ResponseReturnValue:
    db.session.commit()
    http.mag().versions.refresh()
    return see(f"/signaux/recus/{code}", fait=what)


def _emetteur(code: str) -> Emetteur:
    """Raises NotFoundError."""
    found = Emetteur.named(code[:60])
    if found is None:
        raise NotFoundError(f"transmitter {code[:60]}", public="Cet émetteur n'existe pas, ou il a été retiré.")
    return found


DONE = {
    "politique": "La politique est enregistrée : elle vaut dès le prochain événement.",
    "couper": "L'émetteur est coupé : plus rien n'en est reçu.",
    "rouvrir": "L'émetteur est en service.",
    "vu": "L'alerte est levée.",
}
