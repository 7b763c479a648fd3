"""A partner that comes from another provider keeps the subjects it knows its users by. OpenID Connect Core sections 2 and 8.1."""

import pytest

from idp.database import db
from idp.declarants.models import Declarant
from partners import commands

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def run(app, wsgi_app, tmp_path):
    """`run("sub…", client)`: import a file written so; what the command said, and its exit code."""

    def act(text: str | bytes, client: str = "portail"):
        file = tmp_path / "subs.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = app.test_cli_runner().invoke(commands.partenaires, ["importer-subs", client, str(file)])
        wsgi_app.mag.versions.refresh()
        return result

    return act


@pytest.fixture
def uid(app, un_declarant):
    with app.app_context():
        return db.session.get(Declarant, un_declarant).uid


# -------------------------------------------------------------------------------------------------------------- refusals


@SQLITE
@pytest.mark.parametrize("text", ["", "sub,uid\na,b\n", "uid\nx\n", b"uid,sub\n\xff\xfe,x\n", 'uid,sub\n"x,y\n', "uid,sub,autre\nx,y,z\n"])
def test_a_file_that_is_not_one_changes_nothing(partner, run, text):
    partner()
    result = run(text)

    assert result.exit_code == 1
    assert "Traceback" not in result.output


@SQLITE
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("{uid},", "255 caractères", id="2-empty"),
        pytest.param("{uid}," + "x" * 256, "255 caractères", id="2-too-long"),
        pytest.param("{uid},éà", "ASCII", id="2-ascii"),
        pytest.param("inconnu,abc", "Personne", id="ours-nobody"),
        pytest.param("{uid},abc,def", "colonnes", id="ours-columns"),
        pytest.param("{uid}", "colonnes", id="ours-too-few"),
    ],
)
def test_a_line_that_cannot_be_is_told_and_the_others_are_imported(partner, run, uid, new_declarant, app, line, reason):
    with app.app_context():
        other = db.session.get(Declarant, new_declarant()).uid
    partner()
    result = run(f"uid,sub\n{line.format(uid=uid)}\n{other},bon\n")

    assert result.exit_code == 0
    assert "2\t" in result.stderr
    assert reason in result.stderr
    assert "1 « sub » importés" in result.stdout
    assert "1 lignes refusées" in result.stdout


@SQLITE
def test_a_subject_never_changes_hands(partner, run, uid, new_declarant, app):
    with app.app_context():
        other = db.session.get(Declarant, new_declarant()).uid
    partner()
    assert "1 « sub » importés" in run(f"uid,sub\n{uid},ancien\n").stdout
    again = run(f"uid,sub\n{uid},autre\n{other},ancien\n{uid},ancien\n")

    assert "Cette personne a déjà un autre" in again.stderr
    assert "déjà celui d'une autre personne" in again.stderr
    assert "0 « sub » importés, 1 déjà connus, 2 lignes refusées." in again.stdout


@SQLITE
def test_a_public_client_has_no_sector_of_its_own(partner, run, uid):
    partner(subject_type="public")

    assert run(f"uid,sub\n{uid},x\n").exit_code == 1
    assert run(f"uid,sub\n{uid},x\n", "inconnu").exit_code == 1


# --------------------------------------------------------------------------------------------------------------- success


def test_the_partner_knows_its_user_again_everywhere(partner, code_flow, run, uid, journal):
    portail, other = partner(), partner("autre")
    elsewhere = code_flow(other).claims["sub"]
    assert run(f"\ufeffuid;sub\r\n{uid};abc-123\r\n").exit_code == 0
    tokens = code_flow(portail, scope="openid email")
    refreshed = portail.tokens(portail.refresh(tokens.refresh_token))

    told = [tokens.claims, tokens.access, refreshed.claims, portail.userinfo(tokens.access_token).json]
    assert {one["sub"] for one in [*told, portail.introspect(tokens.access_token).json]} == {"abc-123"}
    assert code_flow(other).claims["sub"] == elsewhere, "another sector is as it was"
    assert [(line["sector"], line["written"]) for line in journal("SubjectsImported")] == [("portail.test", 1)]


@SQLITE
def test_a_person_may_be_named_as_she_signs_in(partner, code_flow, run, new_declarant, new_client, sign_in):
    browser = new_client()
    sign_in(browser, new_declarant(nom="D'Œuvre", prenom="Zoé"))
    portail = partner()
    result = run("SIRET,Nom,Prenom,Sub\n732 829 320 00074,d oeuvre,ZOE,zoe\n")

    assert "1 « sub » importés" in result.stdout
    assert code_flow(portail, browser=browser).claims["sub"] == "zoe"


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_it_costs_one_query_for_each_person_a_process_meets_and_none_elsewhere(partner, signed_in, run, uid, wsgi_app):
    portail, other, mag = partner(), partner("autre"), wsgi_app.mag
    run(f"uid,sub\n{uid},abc\n")
    mag.versions.clock = lambda: 0.0
    mag.versions.refresh()
    other.redeem(other.code(signed_in))
    costs = []
    for one in (other, portail, portail):
        before = mag.connections.count
        assert one.redeem(one.code(signed_in)).status_code == 200
        costs.append(mag.connections.count - before)

    assert (costs[1], costs[2]) == (costs[0] + 1, costs[0])
