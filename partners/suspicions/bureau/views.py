"""Suspicious behaviours declared to MAG and by MAG: the list, one of them with the evidence of its token, and its end."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.audit.traces import chainage
from idp.audit.traces.empreinte import empreinte
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import NotFoundError
from idp.oidc.signals.models import Signal
from idp.support import bureau
from idp.visitor import see
from partners.suspicions import cloture
from partners.suspicions.messages import MOTIFS
from partners.suspicions.models import EMISE, RECUE, ComportementSuspect, Remise

bp = Blueprint("bureau_suspicions", __name__, template_folder="templates")
PAGE, MOST = 25, 50
SENS = {"": "Dans les deux sens", RECUE: "Déclarés à MAG", EMISE: "Dits par MAG"}
ETATS = {"": "À traiter", "closes": "Closes", "toutes": "Toutes"}
CLOSED = {"": False, "closes": True, "toutes": None}
REMISES = {
    Remise.REMISE: "remis",
    Remise.EN_ATTENTE: "signal en attente",
    Remise.ABANDONNEE: "signal abandonné",
    Remise.PERDUE: "flux fermé avant la remise",
    Remise.AUCUNE: "ni flux ni contact : à transmettre",
}
REACTIONS = {
    "aucune": "Aucune : MAG le dit, sans agir",
    "noter": "Noté, sans autre effet",
    "fermer": "Sessions fermées",
    "suspendre": "Compte suspendu",
}
NATURES = {chainage.EMISSION: "Jeton délivré", chainage.SUSPICION: "Comportement suspect déclaré"}


@bp.get("/suspicions")
def listed() -> ResponseReturnValue:
    """The latest first, filtered by what the address says; a filter that means nothing filters nothing."""
    bureau.operator(bureau.SECURITY)
    conventions = ComportementSuspect.conventions()
    known = {"sens": SENS, "etat": ETATS, "motif": MOTIFS, "convention": conventions}
    asked = {name: given if (given := request.args.get(name, "")) in among else "" for name, among in known.items()}
    last = ComportementSuspect.named(request.args.get("apres", "")[:22])
    only = {name: asked[name] for name in ("sens", "motif", "convention")}
    found = ComportementSuspect.latest(PAGE + 1, before=last, closed=CLOSED[asked["etat"]], **only)
    rows = found[:PAGE]
    return render_template(
        "suspicions/liste.html",
        rows=[(row, remise) for row, remise, _ in _with_signals(rows)],
        following=rows[-1].id if len(found) > PAGE else "",
        asked=asked,
        filtered=any(asked.values()),
        count=ComportementSuspect.count_open(),
        choices={"sens": SENS, "etat": ETATS},
        conventions=conventions,
        motifs=MOTIFS,
        remises=REMISES,
    )


def _with_signals(rows: list[ComportementSuspect]) -> list[tuple[ComportementSuspect, Remise | None, Signal | None]]:
    """Each with where its telling has got to, for those that MAG tells."""
    signals = Signal.named([row.signal_jti for row in rows if row.signal_jti])
    found = [(row, signals.get(row.signal_jti or "")) for row in rows]
    return [(row, row.remise(signal) if row.sens == EMISE else None, signal) for row, signal in found]


@bp.get("/suspicions/<identifier>")
def one(identifier: str) -> ResponseReturnValue:
    """What was declared, what MAG did, the evidence, and what else was declared about the same token."""
    page = _page(_found(identifier), "", "")
    db.session.commit()
    return page


def _page(row: ComportementSuspect, conclusion: str, refused: str) -> str:
    operator = bureau.operator(bureau.SECURITY)
    person = db.session.get(Declarant, row.declarant_id) if row.declarant_id else None
    if person is not None and person.erased_at is None:
        bureau.consulted(operator, person)
    lignes = chainage.of_vector(http.mag().connections, row.vecteur)
    ((_, remise, signal),) = _with_signals([row])
    return render_template(
        "suspicions/une.html",
        row=row,
        person=person if person is not None and person.erased_at is None else None,
        remise=remise,
        signal=signal,
        traces=[(ligne, NATURES.get(ligne.nature, ligne.nature), empreinte(ligne) == ligne.empreinte) for ligne in lignes],
        others=[other for other in ComportementSuspect.about(row.vecteur, MOST) if other.id != row.id],
        conclusion=conclusion,
        refused=refused,
        longest=cloture.LONGEST,
        motifs=MOTIFS,
        remises=REMISES,
        reactions=REACTIONS,
    )


@bp.post("/suspicions/<identifier>/clore")
def close(identifier: str) -> ResponseReturnValue:
    """With what came of it. Raises AlreadyClosedError."""
    operator, row, written = bureau.acting(bureau.SECURITY), _found(identifier), request.form.get("conclusion", "")
    try:
        cloture.clore(row, written, operator.actor, http.now())
    except cloture.ConclusionMissingError as error:
        return _page(row, written[: cloture.LONGEST], error.public), error.status
    db.session.commit()
    return see(f"/suspicions/{row.id}")


def _found(identifier: str) -> ComportementSuspect:
    """Raises NotFoundError."""
    bureau.operator(bureau.SECURITY)
    found = ComportementSuspect.named(identifier[:22])
    if found is None or found.id != identifier:
        raise NotFoundError(f"suspicion {identifier[:40]!r}", public="Cette déclaration n'existe pas.")
    return found
