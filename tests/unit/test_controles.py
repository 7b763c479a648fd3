"""The rules of the controls, one by one, and what they say together: pure, from what they are given."""

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.declarants.controles import courriel, etablissement, listes, premier, representant, tiers
from idp.declarants.controles.dossier import Dossier, Entree, Fiche, Inscrit, Lien, Mandataire, Moment, Nature, Sens, Subject
from idp.declarants.controles.registre import ALTERNATIVES, RULES, run
from idp.declarants.controles.verdict import Finding, Verdict, aggregate
from idp.declarants.profils import Profil
from idp.entreprises.siret import Siret

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
SIRET, OTHER = Siret("73282932000074"), Siret("35600000000048")
FICHE = Fiche(("BOULANGERIE LEFEVRE SARL", "BLS"), "5499", "02", active=True, etablissement_ouvert=True, mis_a_jour=date(2026, 3, 1))
SUBJECT = Subject(SIRET, "Lefèvre", "Claire", "claire@boulangerie-lefevre.fr", Profil.ENTREPRISE, ("dsn", "dpae"))
PASS, WARN, MANUAL, BLOCK = Verdict


def dossier(*, subject: dict[str, object] | None = None, fiche: dict[str, object] | None = None, **known: object) -> Dossier:
    """Somebody against whom there is nothing, but for what the test changes."""
    return Dossier(replace(SUBJECT, **(subject or {})), NOW, **{"fiche": replace(FICHE, **(fiche or {})), **known})  # type: ignore[arg-type]


def entree(sens: Sens, nature: Nature, valeur: str, service: str = "") -> Entree:
    return Entree(sens, nature, valeur, service, "fraude constatée", "cellule fraude")


def test_nothing_is_against_an_ordinary_inscription():
    outcome = run(dossier())

    assert (outcome.verdict, outcome.reasons) == (PASS, ())
    assert {finding.rule for finding in outcome.findings} == {
        "jetable",
        "domaine",
        "repete",
        "interdits",
        "existence",
        "categorie",
        "effectif",
    }


def test_every_finding_says_what_was_looked_at_when_and_where():
    for finding in run(dossier(subject={"profil": Profil.ENTREPRISE_ET_CLIENTS})).findings:
        assert finding.says.endswith(".")
        assert finding.source
        assert finding.at == NOW
        assert all(name and value for name, value in finding.evidence)


# ------------------------------------------------------------------------------------------------------------------ e-mail


@pytest.mark.parametrize("email", ["x@yopmail.com", "x@alias.yopmail.com", "x@YOPMAIL.com", "x@mailinator.com"])
def test_a_disposable_address_blocks(email):
    assert courriel.jetable(dossier(subject={"email": email})).verdict is BLOCK


def test_a_disposable_domain_that_a_list_allows_passes():
    found = courriel.jetable(dossier(subject={"email": "x@yopmail.com"}, entrees=(entree(Sens.AUTORISE, Nature.DOMAINE, "yopmail.com"),)))

    assert found.verdict is PASS
    assert ("Motif", "fraude constatée") in found.evidence


@pytest.mark.parametrize("domain", ["gmail.com", "orange.fr", "wanadoo.fr", "laposte.net", "free.fr", "proton.me", "sub.gmail.com"])
def test_a_free_address_is_noted_and_a_public_body_that_has_one_is_called(domain):
    assert courriel.domaine(dossier(subject={"email": f"x@{domain}"})).verdict is WARN
    assert courriel.domaine(dossier(subject={"email": f"x@{domain}"}, fiche={"categorie_juridique": "7210"})).verdict is MANUAL


@pytest.mark.parametrize(
    ("domain", "nom"),
    [
        ("boulangerie-lefevre.fr", "BOULANGERIE LEFEVRE SARL"),
        ("lefevre-paris.com", "LEFEVRE"),
        ("contact.lefevre.fr", "Lefèvre et fils"),
        ("sncf.fr", "SOCIETE NATIONALE CHEMINS FER"),
        ("gip-mds.fr", "GIP MDS"),
        ("boulangerilefevre.fr", "Boulangerie Lefèvre"),
        ("dupontbatiment.eu", "DUPONT BATIMENT SAS"),
    ],
)
def test_a_domain_that_tells_the_company_passes(domain, nom):
    assert courriel.domaine(dossier(subject={"email": f"x@{domain}"}, fiche={"noms": (nom,)})).verdict is PASS


@pytest.mark.parametrize("domain", ["autre.fr", "sarl.fr", "bl.fr", "lefrance.com", "société.fr", "x.fr"])
def test_a_domain_that_tells_nothing_is_noted(domain):
    assert courriel.domaine(dossier(subject={"email": f"x@{domain}"})).verdict is WARN


@pytest.mark.parametrize(
    ("count", "profil", "verdict"),
    [
        (0, Profil.ENTREPRISE, PASS),
        (1, Profil.ENTREPRISE, WARN),
        (4, Profil.ENTREPRISE, WARN),
        (5, Profil.ENTREPRISE, MANUAL),
        (500, Profil.ENTREPRISE_ET_CLIENTS, PASS),
    ],
)
def test_one_address_for_many_companies(count, profil, verdict):
    assert courriel.repete(dossier(subject={"profil": profil}, entreprises_du_courriel=count)).verdict is verdict


# ----------------------------------------------------------------------------------------------------- tied to the company


FREE = {"email": "claire.lefevre@gmail.com"}
ALONE = {"categorie_juridique": "1000", "noms": ("CLAIRE MARIE LEFEVRE",)}


@pytest.mark.parametrize("email", ["claire@gmail.com", "claire@autre.fr", "claire@yopmail.com", "claire@sarl.fr"])
def test_a_first_administrator_whom_nothing_ties_to_the_company_waits(email):
    found = run(dossier(subject={"email": email, "unattached": MANUAL}))

    assert "personne" in found.reasons or found.verdict is BLOCK
    assert premier.rattachement(dossier(subject={"email": email, "unattached": WARN})).verdict is WARN


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        pytest.param({}, {}, id="domain"),
        pytest.param(FREE, {"mandataires": (Mandataire("lefevre", "claire marie", "Gérante", NOW),)}, id="representative"),
        pytest.param(FREE, {"fiche": ALONE}, id="sole-trader"),
        pytest.param(FREE, {"entrees": (entree(Sens.AUTORISE, Nature.EMAIL, FREE["email"]),)}, id="list"),
        pytest.param(FREE, {"declare_par_courriel": True}, id="accountant"),
    ],
)
def test_one_tie_is_enough(changes, known):
    assert premier.rattachement(dossier(subject={"unattached": MANUAL, **changes}, **known)).verdict is PASS


@pytest.mark.parametrize(
    "known",
    [
        {"tableau": (Inscrit("1", "BLS", NOW),)},
        {"liens": (Lien(1, 2, "2026-10"),)},
        {"mandataires": (Mandataire("lefevre", "jeanne", "Gérante", NOW),)},
        {"fiche": {"categorie_juridique": "1000", "noms": ("JEANNE LEFEVRE",)}},
        {"entrees": (entree(Sens.AUTORISE, Nature.SIRET, str(SIRET)),)},
    ],
    ids=["order", "links-of-the-company", "another-representative", "another-sole-trader", "company-awaited"],
)
def test_what_is_known_of_the_company_ties_nobody_to_it(known):
    assert premier.rattachement(dossier(subject={"unattached": MANUAL, **FREE}, **known)).verdict is MANUAL


def test_later_administrators_are_not_asked_for_a_tie():
    assert premier.rattachement(dossier(subject=FREE)) is None


# ----------------------------------------------------------------------------------------------------------------- company


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, PASS),
        ({"active": False}, MANUAL),
        ({"etablissement_ouvert": False}, BLOCK),
        ({"active": False, "etablissement_ouvert": False}, BLOCK),
    ],
)
def test_an_establishment_that_closed_meanwhile(changes, verdict):
    assert etablissement.existence(dossier(fiche=changes)).verdict is verdict


def test_a_company_that_the_directory_does_not_know_is_looked_at():
    unknown = Dossier(SUBJECT, NOW)

    assert etablissement.existence(unknown).verdict is MANUAL
    assert (etablissement.categorie(unknown), etablissement.effectif(unknown)) == (None, None)


@pytest.mark.parametrize(
    ("profil", "categorie", "verdict"),
    [
        (Profil.INDEPENDANT, "1000", PASS),
        (Profil.INDEPENDANT_EMPLOYEUR, "5710", WARN),
        (Profil.ENTREPRISE, "1000", PASS),
        (Profil.ENTREPRISE_ET_CLIENTS, "7210", MANUAL),
        (Profil.ENTREPRISE_ET_CLIENTS, "4140", MANUAL),
        (Profil.ENTREPRISE, "7210", PASS),
    ],
)
def test_profile_and_legal_form(profil, categorie, verdict):
    assert etablissement.categorie(dossier(subject={"profil": profil}, fiche={"categorie_juridique": categorie})).verdict is verdict


@pytest.mark.parametrize(
    ("tranche", "inscrits", "verdict"),
    [
        ("00", 0, PASS),
        ("00", 2, PASS),
        ("00", 3, WARN),
        ("00", 5, WARN),
        ("00", 6, MANUAL),
        ("01", 200, MANUAL),
        ("42", 300, PASS),
    ],
)
def test_more_people_than_the_company_has(tranche, inscrits, verdict):
    assert etablissement.effectif(dossier(fiche={"tranche_effectifs": tranche}, inscrits=inscrits)).verdict is verdict


@pytest.mark.parametrize("tranche", [None, "53", "??"])
def test_an_unknown_headcount_says_nothing(tranche):
    assert etablissement.effectif(dossier(fiche={"tranche_effectifs": tranche}, inscrits=9999)) is None


# ------------------------------------------------------------------------------------------------------------------- lists


@pytest.mark.parametrize(
    ("nature", "valeur"),
    [
        (Nature.SIRET, SIRET),
        (Nature.SIREN, SIRET[:9]),
        (Nature.DOMAINE, "boulangerie-lefevre.fr"),
        (Nature.EMAIL, "claire@boulangerie-lefevre.fr"),
    ],
)
def test_a_refused_line_blocks_for_all_and_is_looked_at_for_a_part(nature, valeur):
    for service, verdict in {"": BLOCK, "dsn": MANUAL, "ailleurs": PASS}.items():
        assert listes.interdits(dossier(entrees=(entree(Sens.INTERDIT, nature, valeur, service),))).verdict is verdict
    both = tuple(entree(Sens.INTERDIT, nature, valeur, service) for service in ("dsn", "dpae"))
    assert listes.interdits(dossier(entrees=both)).verdict is BLOCK


def test_a_domain_of_a_list_holds_below_it_and_not_beside_it():
    line = entree(Sens.INTERDIT, Nature.DOMAINE, "fraude.fr")

    assert line.names(replace(SUBJECT, email="x@mail.fraude.fr"))
    assert not line.names(replace(SUBJECT, email="x@antifraude.fr"))


def test_a_service_that_knows_whom_it_awaits_awaits_nobody_else():
    assert listes.autorises(dossier()) is None
    assert listes.autorises(dossier(entrees=(entree(Sens.AUTORISE, Nature.SIREN, "356000000", "dsn"),))).verdict is MANUAL
    assert listes.autorises(dossier(entrees=(entree(Sens.AUTORISE, Nature.SIRET, SIRET, "dsn"),))).verdict is PASS
    assert listes.autorises(dossier(entrees=(entree(Sens.AUTORISE, Nature.SIREN, "356000000", "ailleurs"),))) is None
    assert listes.autorises(dossier(entrees=(entree(Sens.AUTORISE, Nature.DOMAINE, "boulangerie-lefevre.fr", "dsn"),))) is None


# ------------------------------------------------------------------------------------------------------------------- tiers

TIERS = {"profil": Profil.ENTREPRISE_ET_CLIENTS}
INSCRIT = Inscrit("14000012345", "Cabinet Lefèvre", NOW)


def link(month: str) -> Lien:
    return Lien(int(SIRET), int(OTHER), month)


def test_whoever_declares_for_nobody_else_is_not_asked():
    assert (tiers.lien(dossier()), tiers.ordre(dossier())) == (None, None)
    own = {"moment": Moment.DECLARATION, "declare": SIRET}
    assert tiers.lien(dossier(subject=own)) is None


@pytest.mark.parametrize(("month", "verdict"), [("2026-11", PASS), ("2025-10", PASS), ("2025-09", WARN), ("2019-01", WARN)])
def test_links_of_declarations_grow_old(month, verdict):
    assert tiers.lien(dossier(subject=TIERS, liens=(link(month),))).verdict is verdict


def test_either_proof_is_enough_for_a_tiers():
    assert run(dossier(subject=TIERS)).verdict is MANUAL
    assert run(dossier(subject=TIERS)).reasons == ("lien", "ordre")
    assert run(dossier(subject=TIERS, tableau=(INSCRIT,))).verdict is PASS
    assert run(dossier(subject=TIERS, liens=(link("2026-10"),))).verdict is PASS


def test_before_declaring_for_another_company_the_link_to_it_counts():
    asked = {"moment": Moment.DECLARATION, "declare": OTHER}

    assert run(dossier(subject=asked)).verdict is MANUAL
    assert run(dossier(subject=asked, liens=(link("2026-10"),))).verdict is PASS
    assert {finding.rule for finding in run(dossier(subject=asked)).findings} == {"interdits", "existence", "lien", "ordre"}


# ---------------------------------------------------------------------------------------------------------- representative


@pytest.mark.parametrize(
    ("nom", "prenom", "verdict"),
    [
        ("lefevre", "claire", PASS),
        ("lefevre", "claire marie", PASS),
        ("lefevre", "jeanne", WARN),
        ("durand", "claire", WARN),
    ],
)
def test_a_representative_is_recognised_by_folded_names(nom, prenom, verdict):
    found = representant.representant(dossier(mandataires=(Mandataire(nom, prenom, "Gérant", NOW),)))

    assert found.verdict is verdict


def test_a_service_may_demand_a_representative():
    demanded = (entree(Sens.REPRESENTANT, Nature.TOUS, "*", "dsn"),)

    assert representant.representant(dossier()) is None
    assert representant.representant(dossier(entrees=demanded)).verdict is MANUAL
    assert (
        representant.representant(dossier(entrees=demanded, mandataires=(Mandataire("durand", "paul", "Gérant", NOW),))).verdict is MANUAL
    )
    assert (
        representant.representant(dossier(entrees=demanded, mandataires=(Mandataire("lefevre", "claire", "Gérante", NOW),))).verdict is PASS
    )


# ----------------------------------------------------------------------------------------------------------- all together

findings = st.lists(
    st.builds(lambda family, verdict: Finding("r", family, verdict, "x.", "s", NOW), st.sampled_from("abt"), st.sampled_from(Verdict)),
    max_size=8,
)


@given(findings, st.sampled_from([frozenset(), frozenset("t"), frozenset("at")]))
def test_the_verdict_is_that_of_the_worst_family(found, alternatives):
    verdict = aggregate(found, alternatives)

    for family in {finding.family for finding in found}:
        own = [finding.verdict.severity for finding in found if finding.family == family]
        assert verdict.severity >= (min(own) if family in alternatives else max(own))
    assert verdict in {finding.verdict for finding in found} | {PASS}


@given(findings, st.sampled_from(Verdict))
def test_one_more_finding_never_makes_an_independent_ground_milder(found, verdict):
    more = Finding("r", "a", verdict, "x.", "s", NOW)

    assert aggregate([*found, more], frozenset("t")).severity >= aggregate(found, frozenset("t")).severity


@given(findings, st.sampled_from(Verdict))
def test_one_more_proof_never_makes_an_alternative_worse(found, verdict):
    more, there = Finding("r", "t", verdict, "x.", "s", NOW), any(finding.family == "t" for finding in found)

    if there:
        assert aggregate([*found, more], frozenset("t")).severity <= aggregate(found, frozenset("t")).severity


def test_the_order_of_findings_does_not_matter():
    found = [Finding("r", family, verdict, "x.", "s", NOW) for family, verdict in (("a", WARN), ("t", BLOCK), ("t", PASS), ("b", MANUAL))]

    assert {aggregate(order, ALTERNATIVES) for order in permutations(found)} == {BLOCK}
    assert {aggregate(order, frozenset("t")) for order in permutations(found)} == {MANUAL}


def test_codes_of_rules_are_unique_and_fit_their_column():
    codes = [rule.code for rule in RULES]

    assert len(set(codes)) == len(codes)
    assert len(" ".join(["", *codes, ""])) <= 200
    assert all(rule.moments for rule in RULES)
