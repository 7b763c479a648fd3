"""Names of targets kept in memory: what is found is what is written now, and what is kept stays within its bound."""

import pytest

from idp.database import db
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siret
from idp.habilitations.annuaire.noms import Annuaire, cible_of, line_of, lines_with
from idp.habilitations.attribution import attribuer, retirer
from idp.habilitations.memoire import Memoire
from idp.habilitations.portefeuilles import ajouter_clients, retirer_clients
from tests.journeys.droits import CLIENTS, HERE, SIREN, D, clients_numbered, geste, statements, un_cabinet

SIRETS = range(SIREN * 100_000, (SIREN + 1) * 100_000)
ELSEWHERE = clients_numbered(650_000_000, 1)[0]


@pytest.fixture
def cabinet(app, client):
    return un_cabinet(app, client)


@pytest.fixture
def annuaire(app, cabinet):
    return app.extensions["mag"].annuaire


def named(app, siret, denomination, commune="LYON", **more):
    with app.app_context():
        found = Siret.of(siret)
        db.session.add(Entreprise(siren=found.siren, etat="A", statut_diffusion="O", denomination=denomination))
        db.session.add(Etablissement(siret=found, actif=True, siege=True, statut_diffusion="O", commune=commune, **more))
        db.session.commit()


def of_person(annuaire, who, *words):
    return {cible_of(line) for line in annuaire.of_person(who, words)}


def test_every_word_counts_in_names_signs_places_and_numbers(app, annuaire, cabinet):
    named(app, CLIENTS[10], "L'Étoile d'Œuvre", enseigne="CHEZ PAUL", code_postal="69003")

    for words in (("ETOILE", "OEUVRE"), ("PAUL", "LYON"), ("69003",), (f"{CLIENTS[10]}"[3:9],), ("TOIL",)):
        assert CLIENTS[10] in of_person(annuaire, cabinet.zoe.id, *words), words
    assert of_person(annuaire, cabinet.zoe.id, "ETOILE", "MARSEILLE") == set()
    assert of_person(annuaire, cabinet.bruno.id, "ETOILE") == set()


def test_lines_come_in_the_order_of_names_those_without_name_last(annuaire, cabinet):
    lines = annuaire.of_person(cabinet.zoe.id, ())

    assert lines == sorted(lines)
    assert len(lines) == len(CLIENTS)
    assert [line.startswith("BOULANGERIE") for line in lines] == [True] * 3 + [False] * (len(CLIENTS) - 3)


def test_a_change_is_found_at_once_and_the_rest_is_not_read_again(app, annuaire, cabinet):
    named(app, ELSEWHERE, "SCIERIE DU LAC")
    assert of_person(annuaire, cabinet.zoe.id, "SCIERIE") == set()

    with app.app_context():
        ajouter_clients(geste(app), cabinet.nord, [ELSEWHERE], {"dsn": frozenset({D})})
        db.session.commit()
    assert of_person(annuaire, cabinet.zoe.id, "SCIERIE") == {ELSEWHERE}
    with statements(app) as found:
        assert of_person(annuaire, cabinet.zoe.id, "SCIERIE", "LAC") == {ELSEWHERE}
        assert found() == 1

    with app.app_context():
        retirer_clients(geste(app), cabinet.nord, [ELSEWHERE], None)
        attribuer(geste(app), cabinet.bruno.id, ELSEWHERE, "dsn", {D})
        db.session.commit()
    assert of_person(annuaire, cabinet.zoe.id, "SCIERIE") == set()
    assert of_person(annuaire, cabinet.bruno.id, "SCIERIE") == {ELSEWHERE}
    assert {cible_of(line) for line in annuaire.of_company(SIRETS, SIREN, ["SCIERIE"])} == {ELSEWHERE}

    with app.app_context():
        retirer(geste(app), cabinet.bruno.id, ELSEWHERE, "dsn", {D})
        db.session.commit()
    assert annuaire.of_company(SIRETS, SIREN, ["SCIERIE"]) == []


def test_two_owners_whose_names_do_not_fit_together_take_turns(app, cabinet):
    connections = app.extensions["mag"].connections
    with app.app_context():
        for cible in CLIENTS[:12]:
            attribuer(geste(app), cabinet.bruno.id, cible, "dsn", {D})
        db.session.commit()
    each = []
    for who in (cabinet.zoe.id, cabinet.bruno.id):
        alone = Annuaire(connections)
        alone.of_person(who, ())
        each.append(alone.octets)
    small = Annuaire(connections, most=max(each))

    def ask(who, clients):
        before = connections.count
        assert len(small.of_person(who, ())) == clients
        assert 0 < small.octets <= max(each)
        return connections.count - before > 1

    zoe, bruno = (cabinet.zoe.id, len(CLIENTS)), (cabinet.bruno.id, 12)
    assert [ask(*one) for one in (zoe, zoe, bruno, bruno, zoe)] == [True, False, True, False, True], "read again, or not"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        pytest.param(["ALPHA"], [1, 2], id="a-word-once-a-line"),
        pytest.param(["ALPHA", "BETA"], [1], id="all-the-words"),
        pytest.param(["A"], [1, 2, 3], id="a-letter-many-times-in-a-line"),
        pytest.param(["ZED"], [], id="none"),
        pytest.param([], [1, 2, 3], id="no-word"),
    ],
)
def test_lines_of_a_text(words, found):
    text = "\n".join(["", *(line_of(n, [name]) for n, name in ((1, "Alpha beta ALPHA"), (2, "Alpha"), (3, "GAMMA"))), ""])

    assert [cible_of(line) for line in lines_with(text, words)] == found


def test_a_name_on_two_lines_is_one_line():
    assert line_of(HERE, ["DEUX\nLIGNES", None, "É"]) == f"DEUX LIGNES E {HERE:014d}"


def test_what_another_version_had_is_not_there_and_what_is_used_stays():
    kept: Memoire[str] = Memoire(10)
    kept.keep("a", 1, "A", 4)
    kept.keep("b", 1, "B", 4)
    assert kept.get("a", 2) is None
    assert kept.get("a", 1) == "A"

    kept.keep("c", 1, "C", 4)
    assert (kept.get("a", 1), kept.get("b", 1), kept.get("c", 1)) == ("A", None, "C")
    kept.keep("a", 2, "A2", 3)
    kept.keep("d", 1, "D", 11)
    assert (kept.octets, kept.get("a", 1), kept.get("a", 2), kept.get("d", 1)) == (7, None, "A2", None)
