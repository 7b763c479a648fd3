"""Portfolios: listed, created from a template, composed. What changes rights is an act (`gestes`), simulated and confirmed there.

Every form says which version of the portfolio it was read from.
"""

from functools import cache

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.database import db
from idp.declarants.equipe.models import People
from idp.declarants.saisie import shown
from idp.habilitations import portefeuilles
from idp.habilitations.droits import Catalogue, Grain, Masks, Rights, words
from idp.habilitations.espace import models as noms
from idp.habilitations.espace.dossiers import models
from idp.habilitations.espace.dossiers.modeles import chosen, modeles
from idp.habilitations.espace.entreprise.models import Cibles, of_company
from idp.habilitations.espace.gestes import models as operations
from idp.habilitations.espace.gestes.acte import Demande, Geste
from idp.habilitations.espace.gestes.dossiers import version
from idp.habilitations.espace.lecture import SIZE, Lecteur, page_of
from idp.habilitations.espace.portee import Portee
from idp.habilitations.espace.saisie import Filtre, is_company, number, targets
from idp.habilitations.gesture import AttributionRefusedError
from idp.habilitations.models import Portefeuille
from idp.habilitations.portefeuilles import ADVISED_CLIENTS

bp = Blueprint("dossiers", __name__)
PURPOSE, ACTS = "droits-portefeuille", "droits-geste"
HOME = "/equipe/droits/portefeuilles"


def spoken(catalogue: Catalogue, masks: Masks) -> list[tuple[str, str]]:
    """A service and its rights, line by line."""
    return [(catalogue.services[code].libelle, words(droits)) for code, droits in catalogue.held(masks).items()]


@bp.get("/equipe/droits/portefeuilles")
def every() -> ResponseReturnValue:
    """The portfolios of the company."""
    found = visitor.administrator()
    portee, text, after = Portee.of(found.person), shown(request.args.get("q", ""))[:80], number(request.args.get("suite", ""))
    page = models.page(portee.siren, text=text, after=after, limit=SIZE + 1)
    rows = page[:SIZE]
    return render_template(
        "droits/portefeuilles.html",
        visitor=found,
        rows=rows,
        filtre=Filtre(texte=text),
        after=after,
        following=rows[-1].portefeuille.id if len(page) > SIZE else 0,
        advised=ADVISED_CLIENTS,
    )


@bp.get("/equipe/droits/portefeuilles/nouveau")
def new() -> ResponseReturnValue:
    found = visitor.administrator()
    return _new(found)


def _new(found: visitor.Visitor, nom: str = "", modele: str = "", problem: str = "", status: int = 200) -> ResponseReturnValue:
    catalogue = http.mag().catalogue()
    choices = [(one, spoken(catalogue, catalogue.masks(one.rights))) for one in modeles(catalogue)]
    page = render_template(
        "droits/nouveau_portefeuille.html",
        visitor=found,
        choices=choices,
        chosen=modele or choices[0][0].code,
        nom=nom,
        problem=problem,
        services=catalogue.offered,
        words=words,
        Grain=Grain,
        csrf=http.csrf_token(PURPOSE),
    )
    return page, status


@bp.post("/equipe/droits/portefeuilles/nouveau")
def create() -> ResponseReturnValue:
    """An empty portfolio changes nobody's rights: it is opened at once. The same name twice is refused."""
    found = visitor.administrator()
    http.check_csrf(PURPOSE)
    mag, nom = http.mag(), shown(request.form.get("nom", ""))
    portee = Portee.of(found.person)
    try:
        rights = _asked(portee)
        if models.named(portee.siren, nom):
            return _new(found, nom, request.form.get("modele", ""), f"Un portefeuille s'appelle déjà « {nom} ».", 422)
        portee.hold({})
        geste = Geste(found.person.id, mag.catalogue(), http.now(), f"Créer le portefeuille « {nom} »")
        made = portefeuilles.creer(geste, portee.siren, nom, rights)
        models.belongs(geste.operation_id, made.id)
        db.session.commit()
    except AttributionRefusedError as error:
        db.session.rollback()
        return _new(found, nom, request.form.get("modele", ""), error.public, 422)
    return visitor.see(f"{HOME}/{made.id}", fait="creation")


def _asked(portee: Portee) -> Rights:
    """Those of the template, or those ticked. Raises AttributionRefusedError."""
    mag = http.mag()
    catalogue, modele = mag.catalogue(), request.form.get("modele", "")
    if modele != "libre":
        return chosen(catalogue, modele)
    return Demande(portee, Lecteur(mag.connections, catalogue, http.now(), mag.annuaire), request.form.to_dict(flat=False)).rights()


@bp.get("/equipe/droits/portefeuilles/<int:portefeuille_id>")
def one(portefeuille_id: int) -> ResponseReturnValue:
    """Services, clients a page at a time, members."""
    found = visitor.administrator()
    portee, filtre = Portee.of(found.person), Filtre.parse(request.args)
    portefeuille, catalogue = portee.portefeuille(portefeuille_id), http.mag().catalogue()
    page = _clients(portefeuille.id, filtre)
    cibles = page.cibles
    content = models.content(portefeuille.id, cibles)
    said = cache(lambda masks: spoken(catalogue, masks))
    members = models.members(portefeuille.id, after=number(request.args.get("membres", "")), limit=SIZE + 1)
    return render_template(
        "droits/portefeuille.html",
        visitor=found,
        portefeuille=portefeuille,
        may_edit=portee.may_edit(portefeuille),
        version=_version(portefeuille),
        container=said(portefeuille.masks),
        clients=[(cible, [(row, said(row.masks)) for row in content[cible]]) for cible in cibles],
        noms=noms.noms(cibles),
        members=[(membre, person, said(membre.masks.common(portefeuille.masks))) for membre, person in members[:SIZE]],
        more_members=members[SIZE - 1][1].id if len(members) > SIZE else 0,
        following=page.following or 0,
        filtre=filtre,
        advised=ADVISED_CLIENTS,
        is_company=is_company,
        fait=request.args.get("fait", ""),
        now=http.now(),
        csrf=http.csrf_token(ACTS),
        csrf_name=http.csrf_token(PURPOSE),
    )


def _clients(portefeuille_id: int, filtre: Filtre) -> Cibles:
    """A page of them, by number."""
    if filtre.words:
        return page_of(http.mag().annuaire.of_portfolio(portefeuille_id, filtre.words), filtre.apres, SIZE)
    found = models.clients(portefeuille_id, after=filtre.apres.cible if filtre.apres else 0, limit=SIZE + 1, ranges=filtre.ranges)
    return Cibles(tuple(found[:SIZE]), found[SIZE - 1] if len(found) > SIZE else None)


def _version(portefeuille: Portefeuille) -> str:
    return version(portefeuille, operations.last_on(portefeuille.id))


@bp.get("/equipe/droits/portefeuilles/<int:portefeuille_id>/<any(services, clients, membres):quoi>")
def compose(portefeuille_id: int, quoi: str) -> ResponseReturnValue:
    """What to add, or to take out: services of the container, clients, members. Least rights ticked, never all."""
    found = visitor.administrator()
    portee = Portee.of(found.person)
    portefeuille, catalogue = portee.portefeuille(portefeuille_id), http.mag().catalogue()
    portee.check_edits(portefeuille)
    wanted = shown(request.args.get("cherche", ""))[:80]
    ticked = list(targets(request.args.getlist("cible")[:SIZE]))
    known = _known(portee, wanted) if quoi == "clients" and not ticked else ()
    return render_template(
        f"droits/portefeuille_{quoi}.html",
        visitor=found,
        portefeuille=portefeuille,
        version=_version(portefeuille),
        held=catalogue.held(portefeuille.masks),
        least=chosen(catalogue, "consultation"),
        people=People(portee.sirets).successors(0, wanted) if quoi == "membres" else [],
        wanted=wanted,
        ticked=ticked,
        known=known,
        noms=noms.noms([*ticked, *known]),
        services=catalogue.offered,
        words=words,
        Grain=Grain,
        csrf=http.csrf_token(ACTS),
    )


def _known(portee: Portee, wanted: str) -> tuple[int, ...]:
    """Clients that the company has already, elsewhere or here, whose number begins so, or whose name holds that: to be ticked."""
    filtre = Filtre(texte=wanted)
    if filtre.words:
        return page_of(http.mag().annuaire.of_company(portee.sirets, portee.siren, filtre.words), None, SIZE).cibles
    found = of_company(portee.sirets, portee.siren)
    return found.page(http.now(), after=0, limit=SIZE, ranges=filtre.ranges).cibles if filtre.ranges else ()


@bp.post("/equipe/droits/portefeuilles/<int:portefeuille_id>/nom")
def rename(portefeuille_id: int) -> ResponseReturnValue:
    """Another name; changes nobody's rights."""
    found = visitor.administrator()
    http.check_csrf(PURPOSE)
    portee, nom = Portee.of(found.person), shown(request.form.get("nom", ""))[:120]
    portefeuille = portee.portefeuille(portefeuille_id)
    portee.check_edits(portefeuille)
    portee.hold({})
    geste = Geste(found.person.id, http.mag().catalogue(), http.now(), f"« {portefeuille.nom} » s'appelle « {nom} »", portefeuille.id)
    portefeuilles.renommer(geste, portefeuille.id, nom)
    db.session.commit()
    return visitor.see(f"{HOME}/{portefeuille_id}", fait="nom")
