"""The page that asks before two accounts are linked, and what leads to it.

A link begins in « Mes portails », or at the partner's by `/rattachement?request=…`. Both accounts are proved by a sign-in made since: MAG's
on its own page, the partner's by its OpenID provider, or by a signed request that says when if it has none.
"""

from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue

from idp import http, visitor
from idp.arrival import see, to_password
from idp.audit import journal
from idp.authentication.demande import Demande, seal_demande
from idp.database import db
from idp.ephemeral import Counter, beyond
from idp.oidc.responses import joined
from idp.oidc.rights import known_services
from idp.oidc.told import told
from idp.visitor import Visitor
from partners.amont import relying
from partners.rattachement import accord, association, attente, preuve, signees
from partners.rattachement.accord import Accord
from partners.rattachement.association import Place
from partners.rattachement.attente import Proposition
from partners.rattachement.events import RattachementRefused
from partners.rattachement.models import Rattachement
from partners.rattachement.refus import PreuveAncienneError, PropositionFinieError, TropDeNavigationsError

bp = Blueprint("question", __name__, template_folder="../templates")
PAGE = "/compte/portails"
PURPOSE = "rattachement"
RESPONSE_LIFE = 300
RESPONSE_TYP = "rattachement-reponse+jwt"
A_MINUTE = 30
"""Signed requests a minute from one address."""


def _to(word: str) -> Response:
    return see(http.path(f"/rattachement/{word}"))


@bp.get("/rattachement")
def ask() -> ResponseReturnValue:
    """What a partner signed: read once, then it waits under a word of this browser's."""
    mag, now = http.mag(), http.now()
    if beyond(mag.ephemeral, {Counter(f"rattachement:{http.client_address()}", 60): A_MINUTE}):
        raise TropDeNavigationsError(http.client_address())
    asked = signees.read_link(mag.registry, mag.ephemeral, mag.settings.issuer, request.args.get("request", ""), now.timestamp())
    waiting = preuve.begun(asked, now)
    if not waiting.preuve and preuve.provider(asked.accord.code) is None:
        raise PreuveAncienneError(f"{asked.accord.code}: auth_time {asked.auth_time}", asked.accord.nom)
    return _to(attente.keep(mag.ephemeral, waiting, http.binding()))


@bp.get("/rattachement/<mot>")
def propose(mot: str) -> ResponseReturnValue:
    """One proof after the other, then the page that names both accounts."""
    mag = http.mag()
    waiting = attente.proposition(mag.ephemeral, mot, http.binding())
    if waiting is None:
        raise PropositionFinieError("no such proposal")
    agreed = accord.of_partner(mag.registry, waiting.partenaire)
    http.on_behalf_of(agreed.client.client_id)
    if "refus" in request.args:
        return _refused(agreed, waiting, mot, None)
    found = visitor.current()
    if found is None or not _is_proved(found, waiting):
        return _to_sign_in(agreed, found, mot)
    if "arrivee" in request.args:
        arrived = relying.take(current_app.extensions["mag_amont"], request.args["arrivee"], PURPOSE, browser=http.binding())
        if arrived.bound != mot or _provider_code(waiting) != arrived.fournisseur:
            raise PropositionFinieError("proved for another proposal")
        attente.keep(mag.ephemeral, preuve.proved(waiting, arrived, agreed.nom, http.now()), http.binding(), mot)
        return _to(mot)
    if "demande" in request.args:
        return _to(mot)
    return _question(agreed, waiting, found, mot) if waiting.preuve else see(_ask_partner(agreed, waiting, mot))


def _to_sign_in(agreed: Accord, found: Visitor | None, mot: str) -> Response:
    """MAG's own page, prefilled for somebody known; its form may end at the partner's, whoever gives up or goes on."""
    mag, client = http.mag(), agreed.client
    asked = Demande(
        target=f"/rattachement/{mot}",
        parameters={},
        client_id=client.client_id,
        client_name=agreed.nom,
        client_host=urlsplit(client.linking_return_uris[0]).netloc,
        client_logo=client.logo_uri,
        form_action=preuve.origins(agreed),
        login_hint=f"{found.person.siret}|{found.person.nom}|{found.person.prenom}" if found else "",
        asked_at=int(http.now().timestamp()),
    )
    token = seal_demande(mag.ephemeral, mag.keyring, asked, http.binding(), mag.settings.demande_lifetime)
    if found is not None and found.session.elsewhere:
        return to_password(token)
    return see(f"{http.path('/connexion')}?{urlencode({'demande': token})}")


def _is_proved(found: Visitor, waiting: Proposition) -> bool:
    """Signed in here, by a password or a passkey, since it began (OpenID Connect Core section 3.1.2.1, `max_age=0`)."""
    return not found.session.elsewhere and found.session.auth_time >= waiting.begun_at


def _provider_code(waiting: Proposition) -> str:
    found = preuve.provider(waiting.partenaire)
    return found.code if found else ""


def _ask_partner(agreed: Accord, waiting: Proposition, mot: str) -> str:
    """Its sign-in page, whoever is signed in there (`prompt=login`); where it named the account, who signed in just now is enough.

    Raises PartenaireSansAccordError.
    """
    return relying.start(
        current_app.extensions["mag_amont"],
        preuve.provider_of(agreed),
        PURPOSE,
        browser=http.binding(),
        back=f"/rattachement/{mot}",
        bound=mot,
        now=http.now(),
        prompt=None if waiting.compte else "login",
        max_age=preuve.ASKED if waiting.compte else 0,
        login_hint=waiting.libelle or None,
        acr_values=(),
    )


def _question(agreed: Accord, waiting: Proposition, found: Visitor, mot: str) -> Response | str:
    client = agreed.client
    said = told(sorted(client.scope), known_services(http.mag().catalogue()))
    http.page_policy(preuve.origins(agreed))
    return render_template(
        "rattachement/question.html",
        accord=agreed,
        host=urlsplit(client.linking_return_uris[0]).netloc,
        waiting=waiting,
        visitor=found,
        told=[*said.claims, *(f"vos droits sur le service « {service} »" for service in said.rights)],
        mot=mot,
        csrf=http.csrf_token(_answer_purpose(found, mot)),
    )


def _answer_purpose(found: Visitor, mot: str) -> str:
    return f"rattachement|{found.session.sid}|{found.person.id}|{mot}"


@bp.post("/rattachement/<mot>")
def answer(mot: str) -> ResponseReturnValue:
    """Yes or no, once. Raises DejaRattacheError, PropositionFinieError."""
    mag, found = http.mag(), visitor.required(back=PAGE)
    http.check_csrf(_answer_purpose(found, mot))
    waiting = attente.proposition(mag.ephemeral, mot, http.binding(), take=True)
    if waiting is None or not waiting.preuve or not _is_proved(found, waiting):
        raise PropositionFinieError("answered already, or not proved")
    agreed = accord.of_partner(mag.registry, waiting.partenaire)
    if request.form.get("reponse") != "accepter":
        return _refused(agreed, waiting, mot, found)
    row = association.rattacher(Place(mag.settings, mag.registry, http.now()), agreed, found.person, waiting)
    told_back = _response(agreed, row, found)
    db.session.commit()
    return _back(waiting, {"response": told_back}, fait="associe")


def _refused(agreed: Accord, waiting: Proposition, mot: str, found: Visitor | None) -> Response:
    attente.proposition(http.mag().ephemeral, mot, http.binding(), take=True)
    event = RattachementRefused(partenaire=agreed.code, declarant_id=found.person.id if found else None, client_id=agreed.client.client_id)
    journal.record(event, http.now())
    db.session.commit()
    return _back(waiting, {"error": "access_denied"}, fait="refuse")


def _back(waiting: Proposition, said: dict[str, str], *, fait: str) -> Response:
    """To the partner that asked, with its `state`; to « Mes portails » otherwise."""
    if not waiting.retour:
        return visitor.see(PAGE, fait=fait)
    more = {"state": waiting.state} if waiting.state else {}
    return see(joined(waiting.retour, {**said, **more, "iss": http.mag().settings.issuer}))


def _response(agreed: Accord, row: Rattachement, found: Visitor) -> str:
    """What the partner keeps: its account, and who that is at MAG, signed for it alone."""
    mag, client, at = http.mag(), agreed.client, int(http.now().timestamp())
    claims = {
        "iss": mag.settings.issuer,
        "aud": client.client_id,
        "iat": at,
        "exp": at + RESPONSE_LIFE,
        "sub": mag.mint.subjects.of(client, found.person.uid),
        "compte": row.compte,
        "rattachement": row.id,
    }
    return mag.mint.signed(client.id_token_signed_response_alg, claims, RESPONSE_TYP)
