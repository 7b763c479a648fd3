"""Which identity: the chooser that partners ask for, « Mes identités », and the change from one to another of the same person.

A change opens nothing that was not proved: the session keeps its age, its end and its level, and what the other identity demands beyond
is asked then; what asks for a recent sign-in asks for the password of that identity, a factor to be set up too. Whoever comes by a
partner's word types a password first: that word was about one identity.
"""

from dataclasses import replace
from urllib.parse import urlencode

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import Asked, proceed, remaining, remembered_here, see
from idp.audit import journal
from idp.authentication.entree import Entree, Step
from idp.authentication.liees import reliure
from idp.authentication.liees.events import IdentiteSwitched
from idp.authentication.liees.models import IdentiteLiee
from idp.authentication.liees.reliure import MemeIdentiteError, Premiere, ReliureFinieError
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Entreprise
from idp.entreprises.siret import InvalidSiretError, Siret
from idp.notifications.messages import day_in_words
from idp.visitor import Visitor, person_of, session_here

bp = Blueprint("liees", __name__)
PAGE = "/compte/identites"


# ------------------------------------------------------------------------------------------------------ choice of identity


@bp.get("/connexion/choix")
def choice() -> ResponseReturnValue:
    """OpenID Connect Core section 3.1.2.1, `prompt=select_account`: who is there, their other identities, who is remembered, another."""
    asked = Asked.read(request.args.get("demande", ""))
    person, identities = person_of(session_here()), remembered_here().identites
    linked = IdentiteLiee.of(person.id) if person is not None else []
    known = {(one.siret, one.cle) for one in (*linked, *([person] if person else []))}
    wished = _wished(asked)
    choices = [(remembered_here().identites.index(i), i) for i in identities if (i.siret, i.cle) not in known]
    return render_template(
        "authentication/choix.html",
        asked=asked,
        person=person,
        hinted=wished,
        linked=sorted(linked, key=lambda one: one.siret.grouped != wished),
        identities=sorted(choices, key=lambda choice: choice[1].siret.grouped != wished),
        csrf=http.csrf_token(asked.purpose),
    )


def _wished(asked: Asked) -> str:
    """The establishment that the partner names, as pages write it; nonsense is ignored."""
    try:
        return Siret.parse(asked.demande.siret_hint).grouped if asked.demande else ""
    except InvalidSiretError:
        return ""


@bp.post("/connexion/choix")
def choose() -> ResponseReturnValue:
    """Go on as whoever is signed in."""
    asked = Asked.read(request.form.get("demande", ""))
    http.check_csrf(asked.purpose)
    return asked.onward(choix="1")


@bp.post("/connexion/bascule")
def switch() -> ResponseReturnValue:
    """Go on as another identity of the same person; of anybody else, the password is asked."""
    asked, found = Asked.read(request.form.get("demande", "")), visitor.current()
    http.check_csrf(asked.purpose if asked.demande else f"identites|{found.session.sid if found else ''}")
    wanted = request.form.get("identite", "")
    other = next((one for one in IdentiteLiee.of(found.person.id) if str(one.id) == wanted), None) if found else None
    if found is None or other is None:
        return see(f"{http.path('/connexion')}{'?' + urlencode({'demande': asked.token, 'autre': 1}) if asked.token else ''}")
    entree = Entree(declarant_id=other.id, version=other.version, amr=found.session.amr, birth=found.session.birth)
    closed = found.session.vouched or other.password_locked_at is not None or other.renforcer_at is not None
    if closed or remaining(other, entree, http.now()) is Step.HERE:
        token = asked.token or visitor.sealed(PAGE, {}, f"{other.siret}|{other.nom}|{other.prenom}")
        return see(f"{http.path('/connexion')}?{urlencode({'demande': token, 'autre': 1})}")
    entree = replace(entree, demande=asked.token or visitor.sealed("/", {}))
    before = found.person.id
    response = proceed(other, entree)
    journal.record(IdentiteSwitched(other=before, declarant_id=other.id, client_id=asked.client_id, siret=int(other.siret)), http.now())
    db.session.commit()
    return response


# ---------------------------------------------------------------------------------------------------------- « Mes identités »


@bp.get(PAGE)
def identities() -> ResponseReturnValue:
    """Those of the same person, and the way to each."""
    found = visitor.required()
    since = IdentiteLiee.since(found.person.id)
    return render_template(
        "identites/liste.html",
        visitor=found,
        others=[(one, _company(one)) for one in IdentiteLiee.of(found.person.id)],
        since=day_in_words(since) if since else "",
        done=request.args.get("fait", ""),
        csrf=http.csrf_token(f"identites|{found.session.sid}"),
    )


def _company(person: Declarant) -> str:
    company = Entreprise.find(person.siret.siren)
    return (company.nom_affiche if company else None) or f"SIREN {person.siret.siren.grouped}"


@bp.post(f"{PAGE}/relier")
def begin() -> ResponseReturnValue:
    """The first identity was proved less than five minutes ago; the other one signs in next, in this browser."""
    found, mag = visitor.recent(back=PAGE), http.mag()
    http.check_csrf(f"identites|{found.session.sid}")
    first = Premiere(declarant_id=found.person.id, version=found.person.version, begun_at=int(http.now().timestamp()))
    word = reliure.keep(mag.ephemeral, first, http.binding())
    demande = visitor.sealed(f"{PAGE}/relier/{word}", {})
    return see(f"{http.path('/connexion')}?{urlencode({'demande': demande, 'autre': 1})}")


@bp.get(f"{PAGE}/relier/<mot>")
def question(mot: str) -> ResponseReturnValue:
    """Both, named, before anything is linked."""
    if "refus" in request.args:
        return visitor.see(PAGE)
    first, found = _both(mot)
    if "demande" in request.args:
        return see(http.path(f"{PAGE}/relier/{mot}"))
    return render_template(
        "identites/relier.html",
        first=first,
        first_company=_company(first),
        visitor=found,
        mot=mot,
        csrf=http.csrf_token(_purpose(found, mot)),
    )


def _purpose(found: Visitor, mot: str) -> str:
    return f"identites|{found.session.sid}|{mot}"


def _both(mot: str, *, take: bool = False) -> tuple[Declarant, Visitor]:
    """Raises ReliureFinieError, MemeIdentiteError."""
    kept = reliure.find(http.mag().ephemeral, mot, http.binding(), take=take)
    first, found = db.session.get(Declarant, kept.declarant_id), visitor.current()
    if first is None or first.version != kept.version or first.statut is not Statut.ACTIF:
        raise ReliureFinieError("the first identity changed")
    if found is None or found.session.elsewhere or found.session.auth_time < kept.begun_at:
        raise ReliureFinieError("nobody signed in since")
    if found.person.id == first.id or any(one.id == first.id for one in IdentiteLiee.of(found.person.id)):
        raise MemeIdentiteError(f"declarant {first.id} again")
    return first, found


@bp.post(f"{PAGE}/relier/<mot>")
def answer(mot: str) -> ResponseReturnValue:
    """Yes or no, once."""
    found = visitor.required(back=PAGE)
    http.check_csrf(_purpose(found, mot))
    first, found = _both(mot, take=True)
    if request.form.get("reponse") != "accepter":
        return visitor.see(PAGE, fait="refuse")
    reliure.relier(http.mag().settings.issuer, first, found.person, http.now())
    db.session.commit()
    return visitor.see(PAGE, fait="relie")


@bp.post(f"{PAGE}/delier")
def unlink() -> ResponseReturnValue:
    """One of them, or the one that is signed in."""
    found = visitor.required(back=PAGE)
    http.check_csrf(f"identites|{found.session.sid}")
    wanted, person = request.form.get("identite", ""), found.person
    leaving = next((one for one in (person, *IdentiteLiee.of(person.id)) if str(one.id) == wanted), None)
    done = leaving is not None and reliure.delier(http.mag().settings.issuer, person, leaving, http.now())
    db.session.commit()
    return visitor.see(PAGE, **({"fait": "delie"} if done else {}))
