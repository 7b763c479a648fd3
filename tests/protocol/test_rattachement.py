"""Two accounts linked once: from the partner's signed request to its answer, the page between them, the end from either side."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from joserfc.jwk import ECKey

from idp.database import db
from idp.declarants.models import Declarant
from idp.notifications.models import Mail
from idp.oidc import removal
from idp.oidc.client_metadata import InvalidClientMetadataError
from partners import onboarding
from partners.amont import cles, relying
from partners.amont.models import Fournisseur
from partners.models import Partenaire
from partners.rattachement.models import Rattachement
from tests.factories import csrf_in
from tests.protocol.linking import SCOPE, asked, late_browser_of, link, machine, propose, say, un_portail
from tests.protocol.relying import answer_of, hidden_fields, unverified_claims

RETURN = "https://jedeclare.test/mag/associe"
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


browser_of = pytest.fixture(late_browser_of)


@pytest.fixture
def jedeclare(partner):
    return un_portail(partner)


def mails(app, kind):
    with app.app_context():
        return [one.subject for one in db.session.scalars(db.select(Mail).filter_by(kind=kind))]


# ---------------------------------------------------------------------------------------------------------------- refusals


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "number"),
    [
        pytest.param({"header": {"typ": "JWT"}}, "M600701", id="8725-3.11-typ"),
        pytest.param({"header": {"typ": "navigation+jwt"}}, "M600701", id="8725-3.11-typ-of-another-use"),
        pytest.param({"key": ECKey.generate_key("P-256")}, "M600701", id="7523-3-9-another-key"),
        pytest.param({"aud": "https://ailleurs.test"}, "M600701", id="7523-3-3-foreign-audience"),
        pytest.param({"aud": ["https://mag.test", "https://ailleurs.test"]}, "M600701", id="ours-two-audiences"),
        pytest.param({"iss": "inconnu"}, "M600703", id="7523-3-1-unknown-issuer"),
        pytest.param({"exp": timedelta(seconds=-400)}, "M600701", id="7523-3-4-expired"),
        pytest.param({"iat": timedelta(seconds=400), "exp": timedelta(seconds=500)}, "M600701", id="clock-five-minutes-ahead"),
        pytest.param({"exp": timedelta(seconds=3600)}, "M600701", id="ours-lives-too-long"),
        pytest.param({"jti": None}, "M600701", id="7523-3-7-no-jti"),
        pytest.param({"sub": None}, "M600701", id="7523-3-2-no-account"),
        pytest.param({"sub": "x" * 256}, "M600701", id="ours-account-too-long"),
        pytest.param({"libelle": "a\u0000b"}, "M600701", id="ours-label-not-printable"),
        pytest.param({"retour": "https://jedeclare.test/mag/associe/"}, "M600704", id="9700-2.1-another-return"),
        pytest.param({"auth_time": None}, "M600707", id="ours-no-fresh-sign-in-there"),
        pytest.param({"auth_time": timedelta(seconds=-600)}, "M600707", id="ours-old-sign-in-there"),
        pytest.param({"auth_time": timedelta(seconds=600)}, "M600701", id="ours-sign-in-of-tomorrow"),
    ],
)
def test_a_request_that_breaks_one_rule_links_nothing(jedeclare, signed_in, app, change, number):
    answer = propose(signed_in, asked(jedeclare, **change))

    assert answer.status_code in (400, 403)
    assert number in answer.text
    with app.app_context():
        assert db.session.scalar(db.select(Rattachement)) is None


def with_provider(app, name):
    """The partner has an OpenID provider that proves its accounts."""
    now = datetime.now(UTC)
    with app.app_context():
        row = Fournisseur(
            code=name,
            nom=name,
            profil="openid",
            issuer=f"https://{name}.test",
            client_id="mag",
            auth_method="private_key_jwt",
            cles_sealed=cles.make(app.extensions["mag"].keyring, name),
            reglages={"usages": ["rattachement"]},
            partenaire_id=Partenaire.with_code(name).id,
            enabled=True,
            created_at=now,
            updated_at=now,
        )
        db.session.add(row)
        db.session.commit()


@ONLY_SQLITE
@pytest.mark.parametrize("age", [0, 600])
def test_a_signed_request_is_no_proof_where_a_provider_may_be_asked_in_this_browser(jedeclare, signed_in, app, monkeypatch, age):
    with_provider(app, "jedeclare")
    said = {}
    monkeypatch.setattr(relying, "start", lambda *_, **given: said.update(given) or "https://jedeclare.test/authorize?x=1")
    moved = signed_in.get("/rattachement", query_string={"request": asked(jedeclare, auth_time=timedelta(seconds=-age))})

    answer = signed_in.get(moved.location)

    assert (answer.status_code, answer.location) == (303, "https://jedeclare.test/authorize?x=1")
    assert (said["prompt"], said["max_age"], said["login_hint"]) == (None, 240, "marie@cabinet.test")
    with app.app_context():
        assert db.session.scalar(db.select(Rattachement)) is None


@ONLY_SQLITE
def test_what_the_partner_alone_says_is_told_as_such(jedeclare, signed_in):
    page = propose(signed_in, asked(jedeclare)).text

    assert "affirme que vous venez de vous connecter à ce compte" in page
    assert "refusez" in page
    assert "Vous venez de vous connecter à l" not in page


@ONLY_SQLITE
def test_7523_3_7_the_same_request_serves_once(jedeclare, signed_in):
    text = asked(jedeclare)
    propose(signed_in, text)

    answer = propose(signed_in, text)

    assert (answer.status_code, "M600702" in answer.text) == (409, True)


@ONLY_SQLITE
def test_a_partner_that_is_revoked_or_has_no_agreement_links_nothing(partner, jedeclare, signed_in, app):
    simple = un_portail(partner, "simple", linking_return_uris=[], linking_max_acr="", initiate_login_uri="https://simple.test/x")
    assert "M600703" in propose(signed_in, asked(simple)).text
    text = asked(jedeclare)
    with app.app_context():
        onboarding.switch(Partenaire.with_code("jedeclare"), datetime.now(UTC), enabled=False)
        db.session.commit()
    app.extensions["mag"].versions.refresh()

    assert "M600703" in propose(signed_in, text).text


@ONLY_SQLITE
def test_C45_whoever_signed_in_before_it_began_signs_in_again(jedeclare, un_declarant, new_client, sign_in):
    browser = new_client()
    sign_in(browser, un_declarant, at=datetime.now(UTC) - timedelta(minutes=2))

    answer = propose(browser, asked(jedeclare))

    assert answer.status_code == 303
    assert "/connexion?demande=" in answer.location


@ONLY_SQLITE
def test_another_browser_and_a_second_answer_find_nothing(jedeclare, signed_in, browser_of, new_declarant):
    moved = signed_in.get("/rattachement", query_string={"request": asked(jedeclare)})
    page = signed_in.get(moved.location)
    other = browser_of(new_declarant())

    assert "M600705" in other.get(moved.location).text
    forged = {**hidden_fields(page), "csrf": "x", "reponse": "accepter"}
    assert signed_in.post(moved.location, data=forged).status_code == 403
    assert signed_in.post(moved.location, data={**hidden_fields(page), "reponse": "accepter"}).status_code == 303
    again = signed_in.post(moved.location, data={**hidden_fields(page), "reponse": "accepter"})
    assert (again.status_code, "M600705" in again.text) == (409, True)


@ONLY_SQLITE
def test_an_account_and_an_identity_are_linked_once_each(jedeclare, signed_in, browser_of, new_declarant):
    link(signed_in, jedeclare)

    taken = say(browser_of(new_declarant()), asked(jedeclare))
    assert (taken.status_code, "M600706" in taken.text) == (409, True)
    second = say(signed_in, asked(jedeclare, sub="compte-8"))
    assert (second.status_code, "M600706" in second.text) == (409, True)


@ONLY_SQLITE
def test_a_partner_may_take_several_accounts_of_one_identity(partner, signed_in, app):
    several = un_portail(partner, linking_several=True)
    link(signed_in, several)
    link(signed_in, several, sub="compte-8")

    assert "Délier ces comptes" in signed_in.get("/compte/portails").text
    with app.app_context():
        assert len(db.session.scalars(db.select(Rattachement)).all()) == 2


@ONLY_SQLITE
@pytest.mark.parametrize(
    "metadata",
    [
        {"linking_return_uris": [], "linking_max_acr": "eidas1"},
        {"linking_max_acr": "eidas2"},
        {"linking_return_uris": ["http://ailleurs.test/x"]},
        {"profile": "sandbox", "grant_types": ["authorization_code"]},
    ],
)
def test_an_agreement_is_whole_and_reachable(partner, metadata):
    with pytest.raises(InvalidClientMetadataError):
        un_portail(partner, **metadata)


def test_nobody_gives_themselves_an_agreement(send, partner, app):
    answer = send("/reg", json={"redirect_uris": ["https://nouveau.test/r"], "linking_return_uris": ["https://nouveau.test/a"]})

    assert answer.status_code in (400, 401, 403, 404)


# ---------------------------------------------------------------------------------------------------------------- the link


def test_from_the_partner_to_its_answer(jedeclare, signed_in, un_declarant, app, journal):
    moved = signed_in.get("/rattachement", query_string={"request": asked(jedeclare)})
    page = signed_in.get(moved.location)
    for said in ("Anne", "marie@cabinet.test", "Ce que chacun apprendra", "Accepter", "Refuser", "le SIRET de votre établissement"):
        assert said in page.text
    assert f'action="/rattachement/{moved.location.rpartition("/")[2]}"' in page.text

    answer = signed_in.post(moved.location, data={**hidden_fields(page), "reponse": "accepter"})

    address, told = answer_of(answer)
    assert (address, told["state"], told["iss"]) == (RETURN, "etat", "https://mag.test")
    claims = jedeclare.verified(told["response"], "rattachement-reponse+jwt")
    assert (claims["aud"], claims["compte"]) == ("jedeclare", "compte-7")
    assert mails(app, "rattachement") == ["Votre compte est associé à « jedeclare »"]
    (line,) = journal("RattachementOpened")
    assert (line["declarant_id"], line["origine"], line["preuve"]) == (un_declarant, "partenaire", "requete")
    (listed,) = machine(jedeclare, "/rattachement/v1/liens").json["liens"]
    assert (listed["id"], listed["sub"], listed["compte"]) == (claims["rattachement"], claims["sub"], "compte-7")


@ONLY_SQLITE
def test_a_refusal_goes_back_and_leaves_nothing(jedeclare, signed_in, journal):
    address, told = answer_of(say(signed_in, asked(jedeclare), "refuser"))

    assert (address, told) == (RETURN, {"error": "access_denied", "state": "etat", "iss": "https://mag.test"})
    assert len(journal("RattachementRefused")) == 1
    assert machine(jedeclare, "/rattachement/v1/liens").json == {"liens": []}


@ONLY_SQLITE
def test_whoever_gives_up_at_the_sign_in_is_back_at_the_partner_s(jedeclare, client):
    moved = client.get("/rattachement", query_string={"request": asked(jedeclare)})
    mire = client.get(client.get(moved.location).location)

    back = client.post("/connexion/annuler", data={"csrf": csrf_in(mire.text), "demande": hidden_fields(mire)["demande"]})

    assert answer_of(client.get(back.location))[1]["error"] == "access_denied"


def test_the_person_unlinks_and_takes_it_back(jedeclare, signed_in, app, journal):
    link(signed_in, jedeclare)
    page = signed_in.get("/compte/portails")
    assert "Aller à jedeclare" in page.text
    named = machine(jedeclare, "/rattachement/v1/liens?compte=compte-7").json["liens"][0]["id"]

    signed_in.post("/compte/portails/delier", data={**hidden_fields(page), "lien": named})
    assert machine(jedeclare, "/rattachement/v1/liens").json == {"liens": []}
    assert len(mails(app, "rattachement_fini")) == 1
    assert machine(jedeclare, f"/rattachement/v1/liens/{named}/retablir", "POST").status_code == 409
    page = signed_in.get("/compte/portails")
    assert "Rétablir l'association" in page.text
    signed_in.post("/compte/portails/retablir", data={**hidden_fields(page), "lien": named})

    assert machine(jedeclare, f"/rattachement/v1/liens/{named}").json["compte"] == "compte-7"
    assert [line["par"] for line in (*journal("RattachementClosed"), *journal("RattachementReopened"))] == ["mag", "mag"]


def test_the_partner_unlinks_and_takes_it_back(jedeclare, signed_in, app):
    link(signed_in, jedeclare)
    named = machine(jedeclare, "/rattachement/v1/liens").json["liens"][0]["id"]

    assert machine(jedeclare, f"/rattachement/v1/liens/{named}", "DELETE").status_code == 204
    assert machine(jedeclare, f"/rattachement/v1/liens/{named}", "DELETE").status_code == 204
    assert "Rétablir" not in signed_in.get("/compte/portails").text
    assert len(mails(app, "rattachement_fini")) == 1
    with time_machine.travel(datetime.now(UTC) + timedelta(days=8)):
        assert machine(jedeclare, f"/rattachement/v1/liens/{named}/retablir", "POST").status_code == 409
    assert machine(jedeclare, f"/rattachement/v1/liens/{named}/retablir", "POST").json["compte"] == "compte-7"


def test_a_link_whose_account_was_linked_otherwise_is_not_taken_back(jedeclare, signed_in, browser_of, new_declarant, app):
    """At either door: 409, and both links stay as they are."""
    link(signed_in, jedeclare)
    named = machine(jedeclare, "/rattachement/v1/liens").json["liens"][0]["id"]
    page = signed_in.get("/compte/portails")
    signed_in.post("/compte/portails/delier", data={**hidden_fields(page), "lien": named})
    page = signed_in.get("/compte/portails")
    link(browser_of(new_declarant(prenom="Bernard")), jedeclare)
    taken = signed_in.post("/compte/portails/retablir", data={**hidden_fields(page), "lien": named})

    assert taken.status_code == 409, taken.text
    assert [one["id"] for one in machine(jedeclare, "/rattachement/v1/liens").json["liens"]] != [named]
    with app.app_context():
        row = db.session.get(Rattachement, named)
        row.closed_by = "partenaire"
        db.session.commit()
    assert machine(jedeclare, f"/rattachement/v1/liens/{named}/retablir", "POST").status_code == 409
    with app.app_context():
        assert db.session.get(Rattachement, named).closed_at is not None


@ONLY_SQLITE
def test_one_client_speaks_for_a_partner(partner, jedeclare, signed_in):
    other = un_portail(partner, "jedeclare-mobile", partenaire="jedeclare")

    assert "M600703" in propose(signed_in, asked(other)).text


@ONLY_SQLITE
def test_a_link_of_another_partner_or_person_does_not_exist(jedeclare, partner, signed_in, browser_of, new_declarant):
    link(signed_in, jedeclare)
    named = machine(jedeclare, "/rattachement/v1/liens").json["liens"][0]["id"]
    autre, other = un_portail(partner, "autre"), browser_of(new_declarant())

    assert machine(autre, f"/rattachement/v1/liens/{named}").status_code == 404
    assert machine(autre, f"/rattachement/v1/liens/{named}", "DELETE").status_code == 404
    page = other.get("/compte/portails")
    other.post(
        "/compte/portails/delier", data={**hidden_fields(page), "csrf": csrf_in(signed_in.get("/compte/portails").text), "lien": named}
    )
    link(other, autre)
    other.post("/compte/portails/delier", data={**hidden_fields(other.get("/compte/portails")), "lien": named})
    assert machine(jedeclare, f"/rattachement/v1/liens/{named}").status_code == 200


@pytest.fixture
def told(wsgi_app, partner, send):
    """`told(client)`: opens its stream; then what it fetches: kind, `sub`, what the event says."""
    wsgi_app.mag.messenger.stop()

    def opened(client):
        token = client.token("client_credentials", scope="ssf.manage").json["access_token"]
        stream = send("/ssf/v1/streams", json={}, token=token).json
        acknowledged: list[str] = []

        def fetched():
            wsgi_app.mag.messenger.send_due()
            asked = {"returnImmediately": True, "ack": acknowledged}
            sets = send(f"/ssf/v1/poll/{stream['stream_id']}", json=asked, token=token).json["sets"]
            acknowledged[:] = list(sets)
            claims = [unverified_claims(text) for text in sets.values()]
            return [(*one["events"], one["sub_id"]["sub"], *one["events"].values()) for one in claims]

        return fetched

    return opened


OPENED, CLOSED = "urn:mag:secevent:rattachement-ouvert", "urn:mag:secevent:rattachement-clos"


def test_each_link_and_its_end_are_told_to_the_stream_of_the_partner_and_to_no_other(partner, signed_in, told):
    jedeclare, other = (un_portail(partner, name, scope=f"{SCOPE} ssf.manage") for name in ("jedeclare", "autre"))
    heard, elsewhere = told(jedeclare), told(other)
    link(signed_in, jedeclare)
    (one,) = machine(jedeclare, "/rattachement/v1/liens").json["liens"]
    page = signed_in.get("/compte/portails")
    for act in ("delier", "retablir"):
        signed_in.post(f"/compte/portails/{act}", data={**hidden_fields(page), "lien": one["id"]})
    machine(jedeclare, f"/rattachement/v1/liens/{one['id']}", "DELETE")
    events = heard()

    assert [(kind, sub, said["par"]) for kind, sub, said in events] == [
        (OPENED, one["sub"], "partenaire"),
        (CLOSED, one["sub"], "mag"),
        (OPENED, one["sub"], "mag"),
        (CLOSED, one["sub"], "partenaire"),
    ]
    assert {(said["lien"], said["compte"]) for *_, said in events} == {(one["id"], "compte-7")}
    assert set(events[0][2]) == {"event_timestamp", "lien", "compte", "par"}
    assert elsewhere() == []


@ONLY_SQLITE
def test_a_partner_hears_of_the_end_of_a_linked_account_where_nobody_ever_signed_in(partner, signed_in, un_declarant, app, told):
    jedeclare = un_portail(partner, scope=f"{SCOPE} ssf.manage")
    heard = told(jedeclare)
    link(signed_in, jedeclare)
    assert [kind for kind, *_ in heard()] == [OPENED]
    with app.app_context():
        mag, person = app.extensions["mag"], db.session.get(Declarant, un_declarant)
        removal.remove(mag.settings, mag.registry, person, datetime.now(UTC))
        db.session.commit()

    assert {kind.rpartition("/")[2] for kind, *_ in heard()} == {CLOSED, "account-purged"}
    assert machine(jedeclare, "/rattachement/v1/liens").json == {"liens": []}


@ONLY_SQLITE
def test_a_partner_whose_agreement_ended_is_told_nothing_more(partner, signed_in, app, told):
    jedeclare = un_portail(partner, scope=f"{SCOPE} ssf.manage")
    heard = told(jedeclare)
    link(signed_in, jedeclare)
    heard()
    page = signed_in.get("/compte/portails")
    named = machine(jedeclare, "/rattachement/v1/liens").json["liens"][0]["id"]
    un_portail(partner, scope=f"{SCOPE} ssf.manage", linking_return_uris=[], linking_max_acr="")
    signed_in.post("/compte/portails/delier", data={**hidden_fields(page), "lien": named})

    assert heard() == []


@ONLY_SQLITE
def test_an_identity_that_is_erased_leaves_no_link(jedeclare, signed_in, un_declarant, app):
    link(signed_in, jedeclare)

    with app.app_context():
        db.session.get(Declarant, un_declarant).pseudonymise(datetime.now(UTC))
        db.session.commit()

    assert machine(jedeclare, "/rattachement/v1/liens").json == {"liens": []}


@ONLY_SQLITE
def test_the_answer_names_nobody_else(jedeclare, signed_in):
    claims = unverified_claims(link(signed_in, jedeclare)["response"])

    assert claims.keys() == {"iss", "aud", "iat", "exp", "sub", "compte", "rattachement"}


@ONLY_SQLITE
def test_9728_the_api_describes_itself(jedeclare, client):
    described = client.get("/.well-known/oauth-protected-resource/rattachement/v1").json

    assert (described["resource"], described["scopes_supported"]) == ("https://mag.test/rattachement/v1", ["rattachement:liens"])
    assert client.get("/rattachement/v1/liens").status_code == 401


@ONLY_SQLITE
def test_without_a_provider_of_its_own_the_partner_s_page_begins(partner, signed_in):
    un_portail(partner, linking_initiate_uri="https://jedeclare.test/mag/associer?de=mag")
    un_portail(partner, "muet")
    form = hidden_fields(signed_in.get("/compte/portails"))

    begun = signed_in.post("/compte/portails/associer", data={**form, "partenaire": "jedeclare"})
    assert begun.location == "https://jedeclare.test/mag/associer?de=mag&iss=https%3A%2F%2Fmag.test"
    assert "M600703" in signed_in.post("/compte/portails/associer", data={**form, "partenaire": "muet"}).text
