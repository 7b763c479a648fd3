"""Reviews that wait for an operator, the oldest first; and the lists of the controls. Nothing here decides; `review.py` does."""

from datetime import timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http
from idp.database import db
from idp.declarants.controles import imports, tenue
from idp.declarants.controles.dossier import Nature, Sens
from idp.declarants.controles.models import Controle, EntreeListe, RepresentantLegal
from idp.declarants.controles.registre import TITRES
from idp.declarants.controles.representants import accord
from idp.declarants.controles.representants.accord import Representant
from idp.declarants.controles.representants.models import AccordRepresentant
from idp.declarants.controles.verdict import Verdict
from idp.declarants.identite import check_name
from idp.declarants.models import Declarant
from idp.declarants.profils import Profil
from idp.declarants.statuts import By, Statut
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import typed_digits
from idp.errors import MagError, NotFoundError
from idp.oidc import suspension
from idp.oidc.suspension import Author
from idp.support import bureau, messages, review
from idp.support.facts import by, told
from idp.support.models import Operateur, last_facts
from idp.support.review import Decision, Review
from idp.visitor import see

bp = Blueprint("bureau_controles", __name__)
WHO = ("nom", "prenom", "qualite", "email")  # of a legal representative
PAGE = 25
AGES = {"": "Tous les âges", "1": "Plus d'un jour", "3": "Plus de trois jours", "7": "Plus d'une semaine"}


@bp.get("/controles")
def queue() -> ResponseReturnValue:
    """The queue, filtered by what the address says; a filter that means nothing filters nothing."""
    bureau.operator(bureau.REVIEWS)
    asked = {name: request.args.get(name, "").strip()[:40] for name in ("motif", "numero", "age")}
    digits = typed_digits(asked["numero"]) or ""
    age = asked["age"] if asked["age"] in AGES else ""
    found = Controle.waiting(
        motif=asked["motif"] if asked["motif"] in TITRES else "",
        siret=int(digits) if len(digits) == 14 else None,
        siren=int(digits) if len(digits) == 9 else None,
        before=http.now() - timedelta(days=int(age)) if age else None,
        after=_number(request.args.get("apres", "")),
        limit=PAGE + 1,
    )
    rows = [(Review(controle, declarant), _days(controle)) for controle, declarant in found[:PAGE]]
    after = found[PAGE - 1][0].id if len(found) > PAGE else None
    return render_template(
        "bureau/controles.html", rows=rows, asked=asked, titres=TITRES, ages=AGES, after=after, count=Controle.count_waiting()
    )


@bp.get("/controles/<int(max=2147483647):controle_id>")
def one(controle_id: int) -> ResponseReturnValue:
    """Everything that an operator needs to decide."""
    operator = bureau.operator(bureau.REVIEWS)
    found = review.find(controle_id)
    if found.declarant is not None:
        bureau.consulted(operator, found.declarant)
    page = _review(found, "", "")
    db.session.commit()
    return page


@bp.post("/controles/<int(max=2147483647):controle_id>/decision")
def settle(controle_id: int) -> ResponseReturnValue:
    """Validate, or set aside; what was typed is shown again when the reason is too short."""
    operator, mag = bureau.acting(bureau.REVIEWS), http.mag()
    found, reason = review.find(controle_id), request.form.get("motif", "")
    try:
        decision = Decision(request.form.get("decision", ""))
        review.check_reason(reason)
        if decision is Decision.ECARTER and found.active and found.waits:
            _suspend(found, operator)
        review.settle(mag.settings, mag.catalogue(), found, decision, reason, Author(By.OPERATEUR, operator.actor), http.now())
    except ValueError:
        return _review(found, "Choisissez Valider ou Écarter.", reason), 422
    except review.ReasonMissingError as error:
        return _review(found, error.public, reason), error.status
    bureau.commit_end()
    return see(f"/controles/{controle_id}")


def _suspend(found: Review, operator: Operateur) -> None:
    """Somebody who is in already: no way in any more, sessions end, partners are told."""
    mag, now, declarant = http.mag(), http.now(), found.declarant
    if declarant is not None:
        mail = ("bureau_suspendre", messages.suspended(mag.settings.issuer, declarant.full_name, now))
        suspension.suspend(mag.ephemeral, mag.settings, mag.registry, declarant, Author(By.OPERATEUR, operator.actor), mail, now)


@bp.post("/controles/<int(max=2147483647):controle_id>/representant")
def ask_representative(controle_id: int) -> ResponseReturnValue:
    """The agreement of a legal representative is asked for: of one whom the register names, or whom the operator found."""
    operator, mag = bureau.acting(bureau.REVIEWS), http.mag()
    found = review.find(controle_id)
    if not found.waits or found.declarant is None or found.declarant.statut is not Statut.PRIMO:
        raise review.ReviewSettledError(f"controle {controle_id}")
    typed = {name: " ".join(request.form.get(name, "").split())[:120] for name in WHO}
    try:
        who = Representant(check_name(typed["nom"]), check_name(typed["prenom"]), typed["qualite"] or "représentant légal", typed["email"])
        accord.ask(mag.settings, mag.keyring, found.controle, found.declarant, who, http.now(), operator.actor)
    except MagError as error:
        db.session.rollback()
        return _review(review.find(controle_id), error.public, "", typed), 409 if error.status == 409 else 422
    db.session.commit()
    return see(f"/controles/{controle_id}")


def _review(found: Review, refused: str, reason: str, who: dict[str, str] | None = None) -> str:
    controle, declarant = found.controle, found.declarant
    place = Etablissement.find(controle.siret)
    labels = {verdict.value: verdict.titre for verdict in Verdict}
    return render_template(
        "bureau/controle.html",
        review=found,
        place=place.carte() if place else None,
        findings=sorted(controle.findings, key=lambda finding: -Verdict(finding["verdict"]).severity),
        profil=Profil(controle.profil).titre,
        titres=TITRES,
        labels=labels,
        history=[(event, told(event.kind), by(event.actor, event.kind)) for event in last_facts(declarant.id, PAGE)] if declarant else [],
        services=_service_names(controle.services),
        namesake=Declarant.find(declarant.identite) if declarant and declarant.is_namesake else None,
        by=by,
        administered=Declarant.is_administered(controle.siret),
        refused=refused,
        reason=reason,
        representants=RepresentantLegal.rows(controle.siret.siren),
        accords=AccordRepresentant.of(controle.id),
        most=accord.MOST,
        who=who or {},
        days=_days(controle),
    )


def _service_names(codes: list[str]) -> list[str]:
    known = http.mag().catalogue().services
    return [known[code].libelle if code in known else code for code in codes]


def _days(controle: Controle) -> int:
    return (http.now() - controle.examined_at).days


def _number(text: str) -> int:
    """A place in a list; anything else is the beginning."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


# ------------------------------------------------------------------------------------------------------------------- lists

FIELDS = ("sens", "nature", "valeur", "service", "motif", "proprietaire", "echeance")


@bp.get("/listes")
def lists() -> ResponseReturnValue:
    bureau.operator(bureau.REVIEWS)
    return _lists({}, "")


@bp.post("/listes")
def add() -> ResponseReturnValue:
    """A line, from the same fields as a file has."""
    operator = bureau.acting(bureau.REVIEWS)
    typed = {name: request.form.get(name, "").strip() for name in FIELDS}
    try:
        tenue.ajouter(
            Sens(typed["sens"]),
            Nature(typed["nature"]),
            typed["valeur"],
            http.now(),
            service=typed["service"],
            services=set(http.mag().catalogue().services),
            motif=typed["motif"],
            proprietaire=typed["proprietaire"],
            expires_at=imports.day_after(typed["echeance"]) if typed["echeance"] else None,
            actor=operator.actor,
        )
    except MagError as error:
        return _lists(typed, error.public), 422
    except ValueError:
        return _lists(typed, "Choisissez la liste et la nature ; l'échéance s'écrit 2027-01-31."), 422
    db.session.commit()
    return see("/listes")


@bp.post("/listes/<int(max=2147483647):line_id>/retirer")
def remove(line_id: int) -> ResponseReturnValue:
    operator = bureau.acting(bureau.REVIEWS)
    line = EntreeListe.find(line_id)
    if line is None:
        raise NotFoundError(f"line {line_id}", public="Cette ligne n'existe plus.")
    tenue.retirer(line, http.now(), actor=operator.actor)
    db.session.commit()
    return see("/listes")


def _lists(typed: dict[str, str], refused: str) -> str:
    sens, text = request.args.get("liste", ""), request.args.get("cherche", "").strip()[:254]
    chosen = Sens(sens) if sens in list(Sens) else None
    found = EntreeListe.page(sens=chosen, text=text, after=_number(request.args.get("apres", "")), limit=PAGE + 1)
    after = found[PAGE - 1].id if len(found) > PAGE else None
    services = sorted(http.mag().catalogue().services.values(), key=lambda service: service.bit)
    known = {"every_sens": SENS, "natures": NATURES, "services": services, "now": http.now()}
    asked = {"liste": sens if chosen else "", "cherche": text}
    return render_template("bureau/listes.html", lines=found[:PAGE], after=after, typed=typed, refused=refused, asked=asked, **known)


SENS = {Sens.INTERDIT: "Refusée", Sens.AUTORISE: "Autorisée", Sens.REPRESENTANT: "Représentant légal exigé"}
NATURES = {
    Nature.SIREN: "SIREN",
    Nature.SIRET: "SIRET",
    Nature.DOMAINE: "Domaine d'adresse",
    Nature.EMAIL: "Adresse électronique",
    Nature.TOUS: "Toutes les entreprises",
}
