"""Rights seen three ways by administrators (by person, by establishment, by service), why a right is or is not, and one's own rights.

Another company's people and portfolios do not exist here (C60). Every page reads; acts are beside (`gestes`).
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.declarants.equipe.models import People
from idp.declarants.models import Declarant
from idp.errors import UnknownPageError
from idp.habilitations.droits import NOTHING, Catalogue, Droit, Grain, Masks, Service, is_siren, is_siret, union, words, written
from idp.habilitations.espace import models
from idp.habilitations.espace.cellules import lire
from idp.habilitations.espace.entreprise import models as entreprise
from idp.habilitations.espace.lecture import SIZE, Lecteur, page_of
from idp.habilitations.espace.portee import Portee
from idp.habilitations.espace.saisie import Coches, Filtre, is_company, number
from idp.habilitations.explication import expliquer_chacun
from idp.habilitations.usages.models import Releve, Usage

bp = Blueprint("droits", __name__, template_folder="templates")
BEFORE = 3
"""Coming rights that a page names."""


@bp.app_template_filter("numero")
def grouped(cible: int) -> str:
    """A SIREN or a SIRET as people read it."""
    digits = written(cible)
    return " ".join(filter(None, (digits[:3], digits[3:6], digits[6:9], digits[9:])))


@bp.app_template_filter("nombre")
def counted(several: int) -> str:
    """`12 345`."""
    return f"{several:,}".replace(",", "\u202f")


def lecteur() -> Lecteur:
    mag = http.mag()
    return Lecteur(mag.connections, mag.catalogue(), http.now(), mag.annuaire)


def accepted_of(catalogue: Catalogue, code: str) -> Masks:
    """Bits that give a right, whichever, on a service."""
    return union(masks for (one, _), masks in catalogue.accepted.items() if one == code)


def _known(catalogue: Catalogue, filtre: Filtre) -> Filtre:
    """A service that does not exist narrows nothing."""
    return filtre if not filtre.service or filtre.service in catalogue.services else Filtre(filtre.texte, "", filtre.apres)


# --------------------------------------------------------------------------------------------------------------- by person


@bp.get("/equipe/droits")
def people() -> ResponseReturnValue:
    """Everybody who may hold rights, by name."""
    found = visitor.administrator()
    portee, filtre = Portee.of(found.person), Filtre.parse(request.args)
    after = number(request.args.get("suite", ""))
    page = People(portee.sirets).page(text=filtre.texte, after=after)
    shown = page[:SIZE]
    return render_template(
        "droits/personnes.html",
        visitor=found,
        portee=portee,
        people=shown,
        tenues=models.holding([one.id for one in shown], Masks(*(2**63 - 1 for _ in Droit)), http.now()),
        filtre=filtre,
        after=after,
        following=shown[-1].id if len(page) > SIZE else 0,
        most=models.MOST_READ,
    )


@bp.get("/equipe/droits/personnes/<uid>")
def person(uid: str) -> ResponseReturnValue:
    """What somebody may do, target by target, with what gives it; ticks that go from page to page."""
    found = visitor.administrator()
    portee = Portee.of(found.person)
    shown = portee.person(uid)
    return _rights_of(shown, "droits/personne.html", visitor=found, portee=portee)


@bp.get("/droits")
def own() -> ResponseReturnValue:
    """« Mes droits »."""
    found = visitor.required()
    return _rights_of(found.person, "droits/miens.html", visitor=found)


def _rights_of(shown: Declarant, template: str, **context: Any) -> ResponseReturnValue:
    reader = lecteur()
    filtre = _known(reader.catalogue, Filtre.parse(request.args))
    liste = reader.liste(shown.id, filtre)
    cibles = [row.cible for row in liste.rangees]
    coches = Coches.parse(request.args, request.args.to_dict(flat=False))
    volume = models.volume(shown.id, reader.now)
    coming = models.coming(shown.id, reader.now, BEFORE) if volume.coming else []
    return render_template(
        template,
        person=shown,
        liste=liste,
        filtre=filtre,
        coches=coches,
        ailleurs=coches.elsewhere(cibles),
        volume=volume,
        coming=[(row, _spoken(row.masks, reader.catalogue)) for row in coming],
        most=models.MOST_COUNTED,
        services=reader.catalogue.offered,
        is_company=is_company,
        **context,
    )


def _spoken(masks: Masks, catalogue: Catalogue) -> str:
    return ", ".join(f"{catalogue.services[code].libelle} : {words(droits)}" for code, droits in catalogue.held(masks).items())


# -------------------------------------------------------------------------------------------------------- by establishment


@bp.get("/equipe/droits/etablissements")
def establishments() -> ResponseReturnValue:
    """Every establishment or client on which the company's people hold something."""
    found = visitor.administrator()
    portee, reader = Portee.of(found.person), lecteur()
    filtre = _known(reader.catalogue, Filtre.parse(request.args))
    after = filtre.apres.cible if filtre.apres else 0
    accepted = accepted_of(reader.catalogue, filtre.service) if filtre.service else None
    sources = entreprise.of_company(portee.sirets, portee.siren).narrowed(accepted, follows=reader.catalogue.follows_links(filtre.services))
    if filtre.words:
        named = reader.annuaire.of_company(portee.sirets, portee.siren, filtre.words)
        page = page_of(named, filtre.apres, SIZE, lambda cibles: sources.among(cibles, reader.now))
    else:
        page = sources.page(reader.now, after=after, limit=SIZE, ranges=filtre.ranges)
    return render_template(
        "droits/etablissements.html",
        visitor=found,
        portee=portee,
        page=page,
        noms=models.noms(page.cibles),
        ways=entreprise.ways(page.cibles, portee.sirets, portee.siren, reader.now) if page.cibles else {},
        filtre=filtre,
        services=reader.catalogue.offered,
        is_company=is_company,
    )


@bp.get("/equipe/droits/etablissements/<int:cible>")
def establishment(cible: int) -> ResponseReturnValue:
    """Who may do what on one of them."""
    found = visitor.administrator()
    portee, reader = Portee.of(found.person), lecteur()
    _check_number(cible)
    filtre, after = _known(reader.catalogue, Filtre.parse(request.args)), number(request.args.get("suite", ""))
    page = entreprise.people_on(cible, portee.sirets, reader.now, after=after, limit=SIZE + 1)
    shown = page[:SIZE]
    cells = lire(reader.connections, reader.catalogue, [(one.id, cible) for one in shown], reader.now, filtre.services)
    return render_template(
        "droits/etablissement.html",
        visitor=found,
        portee=portee,
        cible=cible,
        nom=models.noms([cible])[cible],
        rows=[(one, cells[one.id, cible]) for one in shown],
        filtre=filtre,
        after=after,
        following=shown[-1].id if len(page) > SIZE else 0,
        services=reader.catalogue.offered,
        is_company=is_company,
        choix="choix" in request.args,
    )


def _check_number(cible: int) -> None:
    """Raises UnknownPageError."""
    if not (is_siren(cible) or is_siret(cible)):
        raise UnknownPageError("neither SIREN nor SIRET")


# -------------------------------------------------------------------------------------------------------------- by service


@bp.get("/equipe/droits/services")
def all_services() -> ResponseReturnValue:
    """The catalogue, and in how many portfolios each service is open."""
    found = visitor.administrator()
    portee, catalogue = Portee.of(found.person), http.mag().catalogue()
    containers = models.containers(portee.siren)
    rows = [(one, words(one.droits), _how_many(containers, one)) for one in catalogue.offered]
    return render_template("droits/services.html", visitor=found, portee=portee, rows=rows, Grain=Grain)


def _how_many(containers: Sequence[tuple[Masks, int]], service: Service) -> int:
    wanted = service.masks
    return sum(many for masks, many in containers if masks.meets(wanted))


@bp.get("/equipe/droits/services/<code>")
def service(code: str) -> ResponseReturnValue:
    """Who holds a service, and how."""
    found = visitor.administrator()
    portee, catalogue = Portee.of(found.person), http.mag().catalogue()
    if code not in catalogue.services:
        raise UnknownPageError("no such service")
    filtre, after = Filtre.parse(request.args), number(request.args.get("suite", ""))
    page = People(portee.sirets).page(text=filtre.texte, after=after)
    shown = page[:SIZE]
    accepted = accepted_of(catalogue, code)
    return render_template(
        "droits/service.html",
        visitor=found,
        portee=portee,
        service=catalogue.services[code],
        people=shown,
        tenues=models.holding([one.id for one in shown], accepted, http.now()) if any(accepted) else {},
        inherits=_inherited_from(catalogue, code),
        filtre=filtre,
        after=after,
        following=shown[-1].id if len(page) > SIZE else 0,
        most=models.MOST_READ,
    )


def _inherited_from(catalogue: Catalogue, code: str) -> list[str]:
    """Labels of other services whose rights give rights on this one."""
    own = catalogue.services[code].masks
    others = accepted_of(catalogue, code).minus(own)
    return [catalogue.services[one].libelle for one in catalogue.held(others)] if others != NOTHING else []


# --------------------------------------------------------------------------------------------------------------------- why


@bp.get("/equipe/droits/pourquoi/<uid>/<int:cible>/<code>")
def why(uid: str, cible: int, code: str) -> ResponseReturnValue:
    """The whole chain that gives or refuses each right of a service there, and what to ask whom."""
    found = visitor.administrator()
    portee = Portee.of(found.person)
    return _why(portee.person(uid), cible, code, visitor=found, portee=portee)


@bp.get("/droits/pourquoi/<int:cible>/<code>")
def own_why(cible: int, code: str) -> ResponseReturnValue:
    found = visitor.required()
    return _why(found.person, cible, code, visitor=found, portee=None)


@bp.get("/equipe/droits/service")
def why_another() -> ResponseReturnValue:
    """Another service at the same place."""
    uid, cible, code = (request.args.get(name, "")[:40] for name in ("personne", "cible", "service"))
    return visitor.see(f"/equipe/droits/pourquoi/{quote(uid, safe='')}/{number(cible)}/{quote(code, safe='')}")


@bp.get("/droits/service")
def own_why_another() -> ResponseReturnValue:
    cible, code = (request.args.get(name, "")[:40] for name in ("cible", "service"))
    return visitor.see(f"/droits/pourquoi/{number(cible)}/{quote(code, safe='')}")


def _why(shown: Declarant, cible: int, code: str, **context: Any) -> ResponseReturnValue:
    catalogue = http.mag().catalogue()
    _check_number(cible)
    if code not in catalogue.services:
        raise UnknownPageError("no such service")
    asked = catalogue.services[code]
    droits = [droit for droit in Droit if droit in asked.droits]
    found = expliquer_chacun(shown.id, cible, code, droits, catalogue=catalogue, now=http.now())
    answers = [(words([droit]), found[droit]) for droit in droits]
    return render_template(
        "droits/pourquoi.html",
        person=shown,
        cible=cible,
        nom=models.noms([cible])[cible],
        service=asked,
        answers=answers,
        services=catalogue.offered,
        is_company=is_company,
        usage=Usage.last([shown.id]).get(shown.id, {}).get(asked.bit),
        begun=Releve.of_usages(http.now()),
        **context,
    )
