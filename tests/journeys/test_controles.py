"""The controls on what MAG knows: registers imported from files, lists kept by operators, evidence that stays."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.database import Version, db
from idp.declarants import transitions
from idp.declarants.controles import tenue
from idp.declarants.controles.dossier import Moment, Nature, Sens, Subject
from idp.declarants.controles.models import Controle, EntreeListe, InscritOrdre, LienDeclare, RepresentantLegal
from idp.declarants.controles.pipeline import examine, keep
from idp.declarants.controles.verdict import Verdict
from idp.declarants.identite import Identite
from idp.declarants.inscription import inscrire
from idp.declarants.models import Declarant
from idp.declarants.parcours.models import ServicesChoisis
from idp.declarants.profils import Profil
from idp.declarants.statuts import Act, By, Role
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siren, Siret
from idp.habilitations import premiers_droits
from tests.factories import SIRET, un_declarant

OTHER = "35600000000048"
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def une_entreprise(siret: str = SIRET, denomination: str = "Boulangerie Lefèvre", **changes: Any) -> None:
    """In the directory, open."""
    number, place = Siret(siret), {name: changes.pop(name) for name in ("actif",) if name in changes}
    company = {"nic_siege": int(number.nic), "etat": "A", "statut_diffusion": "O", "categorie_juridique": "5499", "tranche_effectifs": "02"}
    db.session.add(Entreprise(**{"siren": number.siren, "denomination": denomination, **company, **changes}))
    db.session.add(Etablissement(**{"siret": number, "actif": True, "siege": True, "statut_diffusion": "O", **place}))
    db.session.commit()


def subject(**changes: Any) -> Subject:
    known = {"siret": Siret(SIRET), "nom": "Lefèvre", "prenom": "Claire", "email": "claire@boulangerie-lefevre.fr", "services": ("dsn",)}
    return Subject(**{**known, **changes})


@pytest.fixture
def mag(app: Flask, tmp_path: Path) -> Callable[..., Any]:
    """`mag("ordre", "importer", "--complet", csv="numero;…")`: a command, on a database that knows the company."""
    runner = app.test_cli_runner()
    assert runner.invoke(args=["habilitations", "catalogue"]).exit_code == 0
    with app.app_context():
        une_entreprise()

    def run(*arguments: str, csv: str | bytes | None = None) -> Any:
        given = list(arguments)
        if csv is not None:
            file = tmp_path / "fichier.csv"
            file.write_bytes(csv if isinstance(csv, bytes) else csv.encode())
            given.append(str(file))
        return runner.invoke(args=given)

    return run


# ------------------------------------------------------------------------------------------------------------------- files


def test_the_tableau_is_read_twice_and_changes_once(app, mag):
    csv = f"\ufeffNuméro;Nom;SIRET\n14-1;Cabinet A;{SIRET}\n14-2;Cabinet B;{OTHER}\n14-3;;{OTHER}\n14-4;C;123\n"
    for _ in range(2):
        result = mag("ordre", "importer", csv=csv)
        assert result.output.startswith("4 lignes lues, 2 retenues, 2 refusées, 0 oubliées.")
        assert "ligne 4 : Nom vide" in result.output
        assert "ligne 5 : Le SIRET compte 14 chiffres" in result.output

    with app.app_context():
        assert [line.nom for line in InscritOrdre.of(Siret(SIRET).siren)] == ["Cabinet A"]
        tiers = subject(profil=Profil.ENTREPRISE_ET_CLIENTS)
        assert examine(tiers, NOW).verdict is Verdict.PASS
        told = db.session.query(AuditEvent).filter_by(kind="RegisterImported").all()
        assert [event.details["refused"] for event in told] == [2, 2]


def test_a_whole_tableau_forgets_who_left_and_an_empty_one_forgets_nobody(app, mag):
    mag("ordre", "importer", csv=f"numero,nom,siren\n1,Cabinet A,{SIRET[:9]}\n2,Cabinet B,{OTHER[:9]}\n")

    assert mag("ordre", "importer", "--complet", csv="numero,nom,siren\n").exit_code == 1
    assert "1 oubliées" in mag("ordre", "importer", "--complet", csv=f"numero,nom,siren\n2,Cabinet B,{OTHER[:9]}\n").output
    with app.app_context():
        assert InscritOrdre.of(Siren(SIRET[:9])) == ()
        assert len(InscritOrdre.of(Siren(OTHER[:9]))) == 1


def test_links_keep_the_last_month_whatever_the_order_of_files(app, mag):
    line = f"siret_declarant;siret_declare;dernier_mois\n{SIRET};{OTHER};"
    for month in ("2026-03", "2026-09", "2025-12"):
        assert "1 retenues" in mag("liens", "importer", csv=line + month).output
    bad = mag("liens", "importer", csv=f"{line}2026-01\n{SIRET};{OTHER};hier\n{SIRET};12;2026-01\n")
    assert "3 lignes lues, 1 retenues, 2 refusées" in bad.output
    assert "ligne 4" in bad.output

    with app.app_context():
        assert [link.dernier_mois for link in LienDeclare.of(Siret(SIRET).siren, None)] == ["2026-09"]
        asked = subject(moment=Moment.DECLARATION, declare=Siret(OTHER))
        assert examine(asked, NOW).verdict is Verdict.PASS
        assert (
            examine(subject(moment=Moment.DECLARATION, declare=Siret("73282932000082"), profil=Profil.ENTREPRISE_ET_CLIENTS), NOW).verdict
            is Verdict.PASS
        )


@pytest.mark.parametrize("month", ["2026-13", "26-01", "2999-01", "", "2026-1", "hier"])
def test_a_month_that_cannot_be_read_is_told(mag, month):
    result = mag("liens", "importer", csv=f"siret_declarant;siret_declare;dernier_mois\n{SIRET};{OTHER};{month}\n")

    assert "0 retenues, 1 refusées" in result.output
    assert "Mois" in result.output


def test_representatives_are_recognised_whatever_the_spelling(app, mag):
    mag("representants", "importer", csv=f"siren;nom;prénom;qualité\n{SIRET[:9]};LEFEVRE;Claire Marie;Gérante\n")

    with app.app_context():
        found = {finding.rule: finding for finding in examine(subject(), NOW).findings}["representant"]
        assert (found.verdict, dict(found.evidence)["Qualité"]) == (Verdict.PASS, "Gérante")
        assert len(RepresentantLegal.of(Siret(SIRET).siren)) == 1


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        pytest.param("numero;nom", "Aucune ligne", id="no-line"),
        pytest.param("nom;siren\nA;732829320", "Colonnes absentes du fichier : numero", id="no-column"),
        pytest.param("num\xe9ro;nom\n1;\xe9".encode("latin-1"), "UTF-8", id="latin-1"),
        pytest.param(b"", "Colonnes absentes", id="empty"),
        pytest.param(b"numero;nom\n\x00;\xff", "UTF-8", id="binary"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_file_that_is_no_register_is_refused_in_one_sentence(mag, csv, words):
    result = mag("ordre", "importer", "--complet", csv=csv)

    assert result.exit_code == 1
    assert words in result.output


# ------------------------------------------------------------------------------------------------------------------- lists


def test_lists_decide_and_expire(app, mag):
    added = mag("controles", "ajouter", "interdit", "siren", SIRET[:9], "--motif", "usurpation", "--proprietaire", "cellule fraude")
    assert added.exit_code == 0, added.output
    with app.app_context():
        assert examine(subject(), NOW).verdict is Verdict.BLOCK
        [line] = EntreeListe.page(limit=10)
        line.expires_at = NOW
        db.session.commit()
        assert examine(subject(), NOW).verdict is Verdict.PASS
        assert examine(subject(), NOW - timedelta(seconds=1)).verdict is Verdict.BLOCK
        number = line.id
    assert "cellule fraude" in mag("controles", "lister").output
    assert mag("controles", "retirer", str(number)).exit_code == 0
    assert mag("controles", "retirer", str(number)).exit_code == 1
    assert mag("controles", "lister").output == ""


def test_a_service_that_keeps_a_list_awaits_nobody_else(app, mag):
    csv = "sens;nature;valeur;service;motif;proprietaire;echeance\n"
    lines = [f"autorise;siret;{OTHER};dsn;pilote;équipe DSN;2030-01-31", f"autorise;siren;{OTHER[:9]};minitel;pilote;équipe;", "x;y;z;;;;"]
    result = mag("controles", "importer-liste", csv=csv + "\n".join(lines))

    assert "3 lignes lues, 1 retenues, 2 refusées" in result.output
    with app.app_context():
        assert examine(subject(), NOW).reasons == ("autorises",)
        assert examine(subject(services=("dpae",)), NOW).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("interdit", "siret", "123"), "14 chiffres", id="siret"),
        pytest.param(("interdit", "tous", "*"), "représentant légal", id="everybody"),
        pytest.param(("interdit", "domaine", "pas un domaine"), "pas valable", id="domain"),
        pytest.param(("autorise", "siren", "732829320"), "dites lequel", id="service-missing"),
        pytest.param(("autorise", "siren", "732829320", "--service", "minitel"), "catalogue", id="service-unknown"),
        pytest.param(("interdit", "email", "a@b.fr", "--echeance", "2020-01-01"), "déjà passée", id="expired"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_line_that_means_nothing_is_refused(mag, arguments, words):
    result = mag("controles", "ajouter", *arguments, "--motif", "m", "--proprietaire", "p")

    assert result.exit_code == 1
    assert words in result.output


def test_a_dry_run_tells_and_keeps_nothing(app, mag):
    result = mag("controles", "essayer", SIRET, "Lefèvre", "Claire", "x@yopmail.com")

    assert result.output.startswith("Verdict : Bloquant")
    assert "Messagerie" not in result.output
    with app.app_context():
        assert Controle.count_waiting() == 0
    before = mag("controles", "essayer", SIRET, "Lefèvre", "Claire", "x@orange.fr", "--pour", OTHER)
    assert before.output.startswith("Verdict : À vérifier")


# ---------------------------------------------------------------------------------------------------------------- evidence


def test_evidence_outlives_the_person_and_the_queue_does_not(app, mag):
    with app.app_context():
        asked = subject(profil=Profil.ENTREPRISE_ET_CLIENTS)
        outcome = examine(asked, NOW)
        identite = Identite(asked.siret, asked.nom, asked.prenom)
        person = inscrire(identite, NOW, role=Role.ADMINISTRATEUR, act=Act.INSCRIRE_PREMIER, by=By.SOI, email=asked.email)
        row = keep(person.id, outcome, NOW)
        db.session.commit()
        assert outcome.verdict is Verdict.MANUAL
        assert [(one.id, who.id) for one, who in Controle.waiting(limit=5)] == [(row.id, person.id)]
        assert [one.id for one, _ in Controle.waiting(motif="ordre", siret=int(SIRET), before=NOW + timedelta(1), limit=5)] == [row.id]
        assert Controle.waiting(motif="ord", limit=5) == Controle.waiting(siren=int(OTHER[:9]), limit=5) == []

        number = person.id
        transitions.apply(db.session.get(Declarant, number), Act.ECARTER, By.OPERATEUR, NOW)
        db.session.commit()
        assert (Controle.count_waiting(), len(Controle.of(number))) == (0, 1)
        assert Controle.purge(NOW + timedelta(days=364)) == 0
        assert Controle.purge(NOW + timedelta(days=366)) == 1


def test_one_address_for_many_companies_is_counted_without_its_own(app, mag):
    for number, siret in enumerate(("35600000000048", "35600000049837", "44306184100047"), 1):
        un_declarant(app, siret=siret, nom=f"Nom{'abc'[number - 1]}", email="claire@boulangerie-lefevre.fr", password=None)
    un_declarant(app, siret=SIRET, nom="Autre", email="claire@boulangerie-lefevre.fr", password=None)

    with app.app_context():
        found = {finding.rule: finding for finding in examine(subject(), NOW).findings}
        assert dict(found["repete"].evidence) == {"Autres entreprises": "2"}
        assert dict(found["effectif"].evidence)["Personnes inscrites"] == "2"


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_a_month_of_links_read_twice_writes_once_and_tells_who_keeps_rights_in_memory(app, mag):
    lines = "".join(f"{SIRET};{OTHER[:9]}{i:05d};2026-0{1 + i % 9}\n" for i in range(200))
    csv = f"siret_declarant;siret_declare;dernier_mois\n{lines}{SIRET};123;2026-01\n{SIRET}\n"

    first, again = mag("liens", "importer", csv=csv), mag("liens", "importer", csv=csv)
    later = mag("liens", "importer", csv=f"siret_declarant;siret_declare;dernier_mois\n{SIRET};{OTHER};2025-01\n{SIRET};{OTHER};2026-09\n")

    with app.app_context():
        valid = sum(Siret.holds(f"{OTHER[:9]}{i:05d}") for i in range(200))
        assert f"\n{valid} liens ajoutés" in first.output
        assert "0 liens ajoutés" in again.output
        assert "1 liens ajoutés" in later.output
        assert db.session.get_one(Version, "liens").number == 2


# ----------------------------------------------------------------------------------------------- what a list refuses stays closed


@pytest.mark.parametrize(
    ("nature", "valeur", "service", "opened"),
    [
        ("siret", SIRET, "dsn", []),
        ("siren", SIRET[:9], "dsn", []),
        ("domaine", "boulangerie-lefevre.fr", "dsn", []),
        ("email", "claire@boulangerie-lefevre.fr", "", []),
        ("siret", OTHER, "dsn", ["dsn"]),
    ],
)
def test_a_service_that_a_list_refuses_stays_closed_whoever_activates(app, mag, nature, valeur, service, opened):
    """Cooptation, the posted key and an operator activate without the controls: the lists still hold."""
    with app.app_context():
        person = un_declarant(app, email="claire@boulangerie-lefevre.fr")
        ServicesChoisis.keep(person.id, ["dsn"], Profil.ENTREPRISE)
        options = {"service": service, "services": {"dsn"}, "motif": "Fraude constatée", "proprietaire": "anne", "expires_at": None}
        tenue.ajouter(Sens.INTERDIT, Nature(nature), valeur, NOW, actor="operateur:anne", **options)
        db.session.commit()
        found = premiers_droits.ouvrir(db.session.get(Declarant, person.id), app.extensions["mag"].catalogue(), NOW)
        db.session.commit()
        refused = list(db.session.scalars(select(AuditEvent).where(AuditEvent.kind == "ServicesRefused")))

        assert [one.code for one in found] == opened
        assert [fact.details["services"] for fact in refused] == ([] if opened else ["dsn"])


def test_a_line_that_expired_refuses_nothing(app, mag):
    with app.app_context():
        person = un_declarant(app)
        ServicesChoisis.keep(person.id, ["dsn"], Profil.ENTREPRISE)
        options = {"service": "dsn", "services": {"dsn"}, "motif": "Fraude constatée", "proprietaire": "anne"}
        tenue.ajouter(Sens.INTERDIT, Nature.SIRET, SIRET, NOW, actor="a", expires_at=NOW + timedelta(days=1), **options)
        found = premiers_droits.ouvrir(db.session.get(Declarant, person.id), app.extensions["mag"].catalogue(), NOW + timedelta(days=2))

        assert [one.code for one in found] == ["dsn"]
