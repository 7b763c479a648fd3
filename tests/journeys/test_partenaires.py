"""What an operator does to partners: commands, the declarative file, the list of clients; and what the registry then answers."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import Result
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.seals import digest
from partners import onboarding
from partners.models import ClientSecret, OAuthClient

METADATA = {
    "client_name": "Portail d'essai",
    "redirect_uris": ["https://essai.fr/retour"],
    "grant_types": ["authorization_code", "refresh_token"],
}
PUBLIC = METADATA | {"token_endpoint_auth_method": "none"}
RENAMED = METADATA | {"client_name": "Autre nom"}
MACHINE = METADATA | {"grant_types": ["authorization_code", "client_credentials"]}
DECLARATION = """
[[partenaires]]
code = "essai"
nom = "Portail d'essai"
contact = "contact@essai.fr"

[[partenaires.clients]]
client_id = "essai-web"
redirect_uris = ["https://essai.fr/retour"]
scope = "openid siret"

[[partenaires.clients]]
client_id = "essai-machine"
grant_types = ["client_credentials"]
"""


@pytest.fixture
def mag(app) -> Callable[..., Result]:
    """`mag("partenaires", "lister")`: the command line."""
    return lambda *words, typed="": app.test_cli_runner().invoke(args=[str(word) for word in words], input=typed)


@pytest.fixture
def registry(wsgi_app) -> Callable[[str], Any]:
    """`registry(client_id)`: what the endpoints find, once the second has passed."""

    def find(client_id: str) -> Any:
        wsgi_app.mag.versions.refresh()
        return wsgi_app.mag.registry.find(client_id)

    return find


@pytest.fixture
def file(tmp_path) -> Callable[[str, Any], Path]:
    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    return write


def secret_in(result: Result) -> str:
    return result.output.split("client_secret : ", 1)[1].split()[0]


@pytest.fixture
def inscrit(mag, file) -> str:
    """A partner with one client; its secret."""
    words = ("essai", "--nom", "Portail d'essai", "--client", file("c.json", METADATA), "--client-id", "essai-web")
    result = mag("partenaires", "inscrire", *words)
    assert result.exit_code == 0, result.output
    return secret_in(result)


# ---------------------------------------------------------------------------------------------------------- one by one


def test_a_partner_and_its_client_are_registered_and_the_secret_shown_once(mag, registry, inscrit, app):
    client = registry("essai-web")

    assert client.secret_hashes == {digest(inscrit)}
    assert client.partenaire == "essai"
    assert len(inscrit) == 43
    for command in (("montrer", "essai"), ("montrer", "essai-web"), ("lister",)):
        assert inscrit not in mag("partenaires", *command).output
    with app.app_context():
        assert inscrit not in str([row.details for row in db.session.scalars(select(AuditEvent))])


def test_a_client_without_secret_gets_none(mag, file, registry):
    mag("partenaires", "inscrire", "essai", "--nom", "E")
    result = mag("partenaires", "inscrire", "essai", "--client", file("c.json", PUBLIC), "--client-id", "spa")

    assert "client_secret" not in result.output
    assert registry("spa").secret_hashes == frozenset()


SECTOR = METADATA | {"sector_identifier_uri": "https://127.0.0.1/secteur.json"}


def test_a_sector_that_cannot_be_read_is_refused_in_french(mag, file):
    result = mag("partenaires", "inscrire", "essai", "--nom", "E", "--client", file("c.json", SECTOR))

    assert "L'adresse sector_identifier_uri ne peut pas être lue : " in result.output
    assert mag("partenaires", "lister").output == "Aucun partenaire.\n"


# ------------------------------------------------------------------------------------------------- algorithm of ID tokens


def test_a_registration_that_does_not_choose_gets_ES256_and_is_told(mag, file, registry):
    words = ("partenaires", "inscrire", "essai", "--nom", "E", "--client")
    silent = mag(*words, file("c.json", METADATA), "--client-id", "muet")

    assert "Le fichier ne dit rien de id_token_signed_response_alg : ES256 est inscrit." in silent.output
    assert registry("muet").id_token_signed_response_alg == "ES256"
    assert '"id_token_signed_response_alg": "ES256"' in mag("partenaires", "montrer", "muet").output


def test_a_registration_that_chooses_is_left_alone(mag, file, registry):
    chosen = file("c.json", METADATA | {"id_token_signed_response_alg": "RS256"})
    told = mag("partenaires", "inscrire", "essai", "--nom", "E", "--client", chosen, "--client-id", "choisi")

    assert "ES256" not in told.output
    assert registry("choisi").id_token_signed_response_alg == "RS256"


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_change_that_does_not_speak_of_the_algorithm_keeps_it(mag, file, registry, alg):
    chosen = file("c.json", METADATA | {"id_token_signed_response_alg": alg})
    mag("partenaires", "inscrire", "essai", "--nom", "E", "--client", chosen, "--client-id", "choisi")

    assert mag("partenaires", "modifier", "choisi", "--client", file("d.json", RENAMED)).output == "Modifié : client_name.\n"
    assert registry("choisi").id_token_signed_response_alg == alg


def test_an_imported_list_is_read_as_the_standard_says(mag, file, registry):
    """RFC 7591 section 2, OpenID Connect Registration section 2: silence is RS256."""
    mag("partenaires", "inscrire", "essai", "--nom", "E")
    mag("partenaires", "importer", "--partenaire", "essai", file("l.json", [METADATA | {"client_id": "venu"}]))

    assert registry("venu").id_token_signed_response_alg == "RS256"
    mag("partenaires", "modifier", "venu", "--client", file("d.json", RENAMED))
    assert registry("venu").id_token_signed_response_alg == "RS256"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("inscrire", "essai"), "Donnez --nom"),
        (("inscrire", "Essai!", "--nom", "E"), "n'est pas valable"),
        (("inscrire", "essai", "--nom", "Encore"), "déjà"),
        (("inscrire", "autre", "--nom", " "), "vide"),
        (("montrer", "inconnu"), "Aucun partenaire"),
        (("desactiver", "inconnu"), "Aucun partenaire"),
        (("secret", "inconnu"), "Aucun client"),
        (("retirer-secret", "inconnu"), "Aucun client"),
        (("importer", "{file}", "--partenaire", "inconnu"), "Aucun partenaire"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(mag, inscrit, file, words, sentence):
    path = str(file("liste.json", [METADATA]))
    result = mag("partenaires", *(word.format(file=path) for word in words))

    assert result.exit_code != 0
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_metadata_that_is_refused_registers_nothing(mag, file, registry, app):
    result = mag("partenaires", "inscrire", "essai", "--nom", "E", "--client", file("c.json", {"redirect_uris": ["http://essai.fr/"]}))

    assert "Métadonnées refusées : redirect_uris: http://essai.fr/ must be https" in result.output
    assert mag("partenaires", "lister").output == "Aucun partenaire.\n"


@pytest.mark.parametrize(
    "content", ["", "[1]", "nonsense", '"text"', '{"client_name": "a\\u0000b"}', '{"redirect_uris": [], "x": "\\u0000"}']
)
def test_a_file_of_metadata_that_is_nonsense_is_refused(mag, file, content):
    result = mag("partenaires", "inscrire", "essai", "--nom", "E", "--client", file("c.json", content))

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


def test_a_change_reaches_the_endpoints_and_the_journal(mag, file, registry, inscrit, app):
    result = mag("partenaires", "modifier", "essai-web", "--client", file("c.json", RENAMED))

    assert result.output == "Modifié : client_name.\n"
    assert registry("essai-web").client_name == "Autre nom"
    assert registry("essai-web").secret_hashes == {digest(inscrit)}
    assert mag("partenaires", "modifier", "essai-web", "--client", file("c.json", RENAMED)).output == "Rien à modifier.\n"
    assert mag("partenaires", "modifier", "essai", "--nom-affiche", "Nouveau", "--contact", "a@b.fr").output == "Modifié : nom, contact.\n"
    with app.app_context():
        rows = db.session.scalars(select(AuditEvent).filter_by(kind="PartenaireChanged"))
        changes = [(row.client_id, row.details.get("changes")) for row in rows]
    assert ("essai-web", "client_name") in changes


def test_a_client_that_stops_using_a_secret_loses_it(mag, file, registry, inscrit):
    mag("partenaires", "modifier", "essai-web", "--client", file("c.json", PUBLIC))

    assert registry("essai-web").secret_hashes == frozenset()
    assert "ne s'authentifie pas par un secret" in mag("partenaires", "secret", "essai-web").output


@pytest.mark.parametrize("name", ["essai", "essai-web"])
def test_what_is_disabled_stops_at_once_and_starts_again(mag, registry, inscrit, name):
    assert "est désactivé" in mag("partenaires", "desactiver", name).output
    assert registry("essai-web") is None
    assert "[désactivé]" in mag("partenaires", "lister").output
    assert "déjà" in mag("partenaires", "desactiver", name).output
    assert "est réactivé" in mag("partenaires", "reactiver", name).output
    assert registry("essai-web") is not None


def test_a_disabled_client_is_refused_at_the_token_endpoint(mag, client, inscrit, file, wsgi_app):
    mag("partenaires", "modifier", "essai-web", "--client", file("c.json", MACHINE))
    ask = {"data": {"grant_type": "client_credentials"}, "auth": ("essai-web", inscrit)}
    wsgi_app.mag.versions.refresh()
    assert client.post("/token", **ask).status_code == 200

    mag("partenaires", "desactiver", "essai")
    wsgi_app.mag.versions.refresh()
    assert client.post("/token", **ask).status_code == 401


# ------------------------------------------------------------------------------------------------------------- secrets


def test_two_secrets_live_until_the_old_one_is_retired(mag, registry, inscrit):
    second = secret_in(mag("partenaires", "secret", "essai-web"))
    assert registry("essai-web").secret_hashes == {digest(inscrit), digest(second)}

    assert "n'est plus valable" in mag("partenaires", "retirer-secret", "essai-web").output
    assert registry("essai-web").secret_hashes == {digest(second)}
    assert "rien à retirer" in mag("partenaires", "retirer-secret", "essai-web").output


def test_never_more_than_two_secrets(mag, registry, inscrit):
    second = secret_in(mag("partenaires", "secret", "essai-web"))
    third = secret_in(mag("partenaires", "secret", "essai-web"))

    assert registry("essai-web").secret_hashes == {digest(second), digest(third)}


def test_the_old_secret_ends_at_its_date_without_anybody(mag, registry, inscrit):
    with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC), tick=False) as clock:
        second = secret_in(mag("partenaires", "secret", "essai-web", "--jours", "7"))
        assert registry("essai-web").secret_hashes == {digest(inscrit), digest(second)}
        assert "jusqu'au 08/03/2026" in mag("partenaires", "montrer", "essai-web").output

        clock.shift(timedelta(days=7, seconds=1))
        assert registry("essai-web").secret_hashes == {digest(second)}


# ---------------------------------------------------------------------------------------------------------- the registry


def test_a_malformed_row_is_left_out_and_the_others_go_on(app, registry, inscrit):
    with app.app_context():
        owner, now = onboarding.partenaire_named("essai").id, datetime.now(UTC)
        for rank, metadata in enumerate(({"redirect_uris": ["javascript:x"]}, [], "text", {"redirect_uris": 3}), 1):
            row = OAuthClient(client_id=f"bad-{rank}", partenaire_id=owner, client_metadata=metadata, created_at=now, updated_at=now)
            db.session.add(row)
        db.session.commit()

    assert all(registry(f"bad-{n}") is None for n in (1, 2, 3, 4))
    assert registry("essai-web") is not None


def test_finding_a_client_costs_no_round_trip(wsgi_app, registry, inscrit):
    registry("essai-web")
    before = wsgi_app.mag.connections.count

    assert wsgi_app.mag.registry.find("essai-web") is wsgi_app.mag.registry.find("essai-web")
    assert wsgi_app.mag.registry.find("x" * 10_000) is None
    assert wsgi_app.mag.connections.count == before


def test_every_lists_enabled_clients(wsgi_app, mag, file, inscrit):
    mag("partenaires", "appliquer", file("p.toml", DECLARATION), "--oui")
    mag("partenaires", "desactiver", "essai-machine")
    wsgi_app.mag.versions.refresh()

    assert [client.client_id for client in wsgi_app.mag.registry.every()] == ["essai-web"]


# ------------------------------------------------------------------------------------------------- the declarative file


def test_the_declaration_shows_then_applies_then_has_nothing_to_do(mag, file, registry):
    path = file("p.toml", DECLARATION)

    shown = mag("partenaires", "appliquer", path, "--a-blanc")
    assert "+ client essai-web" in shown.output
    assert registry("essai-web") is None

    refused = mag("partenaires", "appliquer", path, typed="n\n")
    assert "Appliquer ?" in refused.output
    assert registry("essai-web") is None

    applied = mag("partenaires", "appliquer", path, "--oui")
    assert registry("essai-web").scope == {"openid", "siret"}
    assert applied.output.count("client_secret : ") == 2
    assert mag("partenaires", "appliquer", path, "--oui").output == "Rien à changer.\n"


def test_the_difference_names_what_changes(mag, file, registry):
    mag("partenaires", "appliquer", file("p.toml", DECLARATION), "--oui")
    changed = DECLARATION.replace("openid siret", "openid").replace('nom = "Portail d\'essai"', 'nom = "Autre"')
    result = mag("partenaires", "appliquer", file("p.toml", changed), typed="o\n" * 2 + "y\n")

    assert '~ client essai-web : scope : "openid siret" → "openid"' in result.output
    assert "~ partenaire essai : nom" in result.output
    assert registry("essai-web").scope == {"openid"}


def test_what_the_declaration_does_not_name_stays_unless_asked(mag, file, registry):
    mag("partenaires", "appliquer", file("p.toml", DECLARATION), "--oui")
    mag("partenaires", "inscrire", "ancien", "--nom", "Ancien")
    shorter = file("p.toml", DECLARATION.rpartition("[[partenaires.clients]]")[0])

    listed = mag("partenaires", "appliquer", shorter, "--oui")
    assert "laissés tels quels : partenaire ancien, client essai-machine" in listed.output
    assert registry("essai-machine") is not None

    mag("partenaires", "appliquer", shorter, "--oui", "--desactiver-absents")
    assert registry("essai-machine") is None
    assert "Ancien  [désactivé]" in mag("partenaires", "lister").output


def test_secrets_given_by_their_digest_are_kept_in_step(mag, file, registry):
    a, b, c = (digest(letter * 40) for letter in "abc")
    declared = DECLARATION.replace('scope = "openid siret"', f'scope = "openid"\nsecrets_sha256 = ["{a}"]')
    result = mag("partenaires", "appliquer", file("p.toml", declared), "--oui")
    assert result.output.count("client_secret") == 1
    assert registry("essai-web").secret_hashes == {a}

    mag("partenaires", "appliquer", file("p.toml", declared.replace(f'["{a}"]', f'["{a}", "{b}"]')), "--oui")
    assert registry("essai-web").secret_hashes == {a, b}
    mag("partenaires", "appliquer", file("p.toml", declared.replace(f'["{a}"]', f'["{b}"]')), "--oui")
    assert registry("essai-web").secret_hashes == {b}
    too_many = mag("partenaires", "appliquer", file("p.toml", declared.replace(f'["{a}"]', f'["{a}", "{b}", "{c}"]')), "--oui")
    assert "un ou deux condensats" in too_many.output
    assert registry("essai-web").secret_hashes == {b}


def test_a_state_is_declared_too(mag, file, registry):
    stopped = DECLARATION.replace('client_id = "essai-web"', 'client_id = "essai-web"\nactif = false')
    mag("partenaires", "appliquer", file("p.toml", stopped), "--oui")
    assert registry("essai-web") is None
    mag("partenaires", "appliquer", file("p.toml", DECLARATION), "--oui")
    assert registry("essai-web") is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[partenaires]", "pas du TOML"),
        ("autre = 1", "n'est pas attendu"),
        ("partenaires = 3", "doit contenir"),
        ("[[partenaires]]\ncode = 'é'\nnom = 'E'", "n'est pas valable"),
        ("[[partenaires]]\ncode = 3\nnom = 'E'", "sont des textes"),
        ("[[partenaires]]\ncode = 'e'\nnom = 'E'\nclients = 3", "[[partenaires.clients]]"),
        ("[[partenaires]]\ncode = 'e'\nnom = 'E'\nsecret = 'x'", "« secret » n'est pas attendu"),
        (DECLARATION + DECLARATION, "déclaré deux fois"),
        (DECLARATION.replace("https://essai.fr", "http://essai.fr"), "Client « essai-web » : Métadonnées refusées : redirect_uris: "),
        (DECLARATION.replace('"essai-web"', '"a b"'), "client_id"),
        (DECLARATION.replace('scope = "openid siret"', "depuis = 2026-01-01"), "not JSON"),
        (DECLARATION.replace('scope = "openid siret"', "actif = 1"), "actif vaut"),
    ],
)
def test_a_declaration_that_is_wrong_says_where_and_changes_nothing(mag, file, text, sentence):
    result = mag("partenaires", "appliquer", file("p.toml", text), "--oui")

    assert result.exit_code == 1
    assert sentence in result.output
    assert mag("partenaires", "lister").output == "Aucun partenaire.\n"


def test_a_client_never_moves_to_another_partner(mag, file, inscrit):
    stolen = (
        "[[partenaires]]\ncode = 'voleur'\nnom = 'V'\n[[partenaires.clients]]\nclient_id = 'essai-web'\nredirect_uris = ['https://v.fr/r']"
    )
    result = mag("partenaires", "appliquer", file("p.toml", stolen), "--oui")

    assert "appartient au partenaire « essai »" in result.output
    assert "voleur" not in mag("partenaires", "lister").output


# ------------------------------------------------------------------------------------------------------ the list of RFC 7591


def test_a_list_of_clients_keeps_identifiers_and_secrets(mag, file, registry, client):
    mag("partenaires", "inscrire", "essai", "--nom", "E")
    secret = "S3cret-venu-d'ailleurs-0123456789abcdef"
    result = mag(
        "partenaires",
        "importer",
        "--partenaire",
        "essai",
        file(
            "l.json",
            {
                "clients": [
                    METADATA | {"client_id": "venu", "client_secret": secret, "client_secret_expires_at": 0},
                    METADATA | {"client_name": "Neuf"},
                ]
            },
        ),
    )

    assert "Clients importés : 2." in result.output
    assert secret not in result.output
    assert result.output.count("client_secret : ") == 1
    assert registry("venu").secret_hashes == {digest(secret)}


def test_one_refused_client_refuses_the_list_and_each_is_named(mag, file, registry):
    mag("partenaires", "inscrire", "essai", "--nom", "E")
    result = mag(
        "partenaires",
        "importer",
        "--partenaire",
        "essai",
        file(
            "l.json",
            [
                METADATA | {"client_id": "bon"},
                METADATA | {"client_id": "court", "client_secret": "court"},
                {"client_name": "Sans adresse"},
                METADATA | {"client_id": "bon"},
                METADATA | {"client_id": 3},
                METADATA | {"client_id": "x", "client_secret": "a" * 64},
            ],
        ),
    )

    assert result.exit_code == 1
    assert "Client 2 (court) : client_secret doit compter au moins 32" in result.output
    assert "Client 3 (Sans adresse) : Métadonnées refusées : redirect_uris" in result.output
    assert "Client 4 (bon)" in result.output
    assert "Client 5 (3)" in result.output
    assert "Client 6 (x) : client_secret" in result.output
    assert registry("bon") is None


@pytest.mark.parametrize("content", ["", "{}", "[]", "[1]", '{"clients": 3}', "nonsense"])
def test_a_list_that_is_nonsense_is_refused(mag, file, content):
    mag("partenaires", "inscrire", "essai", "--nom", "E")
    result = mag("partenaires", "importer", "--partenaire", "essai", file("l.json", content))

    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_a_secret_belongs_to_one_client(mag, file, app):
    mag("partenaires", "inscrire", "essai", "--nom", "E")
    secret = "S3cret-venu-d'ailleurs-0123456789abcdef"
    twice = [METADATA | {"client_id": name, "client_secret": secret} for name in ("premier", "second")]
    result = mag("partenaires", "importer", "--partenaire", "essai", file("l.json", twice))

    assert "déjà celui d'un client" in result.output
    with app.app_context():
        assert db.session.scalar(select(ClientSecret)) is None


# ---------------------------------------------------------------------------------------------- secrets that check signatures

SIGNING = METADATA | {"token_endpoint_auth_method": "client_secret_jwt"}


def test_the_secret_of_client_secret_jwt_is_kept_sealed(mag, registry, file, app):
    """OpenID Connect Core section 9: the key is the secret's UTF-8 octets."""
    mag("partenaires", "inscrire", "essai", "--nom", "Essai", "--client", file("c.json", SIGNING), "--client-id", "essai-web")
    second = secret_in(mag("partenaires", "secret", "essai-web"))
    found = registry("essai-web")

    assert len(found.secret_keys) == 2
    assert second.encode() in found.secret_keys
    assert second not in repr(found)
    with app.app_context():
        kept = db.session.scalars(select(ClientSecret)).all()
        assert all(second.encode() not in (one.secret_sealed or b"") for one in kept)


def test_a_sealed_secret_ends_with_its_time(mag, registry, file):
    mag("partenaires", "inscrire", "essai", "--nom", "Essai", "--client", file("c.json", SIGNING), "--client-id", "essai-web")
    second = secret_in(mag("partenaires", "secret", "essai-web", "--jours", "1"))

    with time_machine.travel(datetime.now(UTC) + timedelta(days=2)):
        assert registry("essai-web").secret_keys == (second.encode(),)


def test_other_methods_keep_no_secret(mag, registry, file, inscrit, app):
    assert registry("essai-web").secret_keys == ()

    mag("partenaires", "modifier", "essai-web", "--client", file("s.json", SIGNING))
    assert (registry("essai-web").secret_hashes, registry("essai-web").secret_keys) == (frozenset(), ())

    mag("partenaires", "secret", "essai-web")
    mag("partenaires", "modifier", "essai-web", "--client", file("p.json", METADATA))
    assert registry("essai-web").secret_keys == ()
    with app.app_context():
        assert [one.secret_sealed for one in db.session.scalars(select(ClientSecret))] == [None]


def test_an_imported_secret_checks_signatures_and_a_digest_cannot(mag, registry, file):
    secret = "0123456789abcdef0123456789abcdef-brought"
    mag("partenaires", "inscrire", "essai", "--nom", "Essai")
    done = mag(
        "partenaires", "importer", file("l.json", [SIGNING | {"client_id": "venu", "client_secret": secret}]), "--partenaire", "essai"
    )
    assert done.exit_code == 0, done.output
    assert registry("venu").secret_keys == (secret.encode(),)

    declared = DECLARATION.replace(
        'scope = "openid siret"', f'token_endpoint_auth_method = "client_secret_jwt"\nsecrets_sha256 = ["{digest(secret + "x")}"]'
    )
    refused = mag("partenaires", "appliquer", file("p.toml", declared), "--oui")
    assert refused.exit_code == 1
    assert "demande le secret lui-même" in refused.output


def test_a_sealed_secret_whose_master_secret_is_gone_checks_nothing(mag, registry, file, app):
    mag("partenaires", "inscrire", "essai", "--nom", "Essai", "--client", file("c.json", SIGNING), "--client-id", "essai-web")
    with app.app_context():
        for one in db.session.scalars(select(ClientSecret)):
            one.secret_sealed = b"perdu." + (one.secret_sealed or b"")
        db.session.commit()
    mag("partenaires", "modifier", "essai-web", "--client", file("r.json", SIGNING | {"client_name": "Renommé"}))

    assert registry("essai-web").secret_keys == ()


# --------------------------------------------------------------------------------------------- clients that register themselves


def test_an_initial_token_is_shown_once_listed_and_withdrawn(mag, inscrit, client):
    def registers(token: str) -> int:
        return client.post("/reg", json=METADATA, headers={"Authorization": f"Bearer {token}"}).status_code

    made = mag("partenaires", "jeton-initial", "essai", "--usages", "3", "--profil", "strict", "--portee", "habilitations:dsn")
    token = made.output.split("jeton initial : ")[1].split()[0]
    assert "https://mag.test/reg" in made.output
    assert registers(token) == 201

    listed = mag("partenaires", "jetons-initiaux").output
    assert token not in listed
    assert "2 usage(s)" in listed
    assert "strict" in listed

    number = listed.split()[0]
    assert mag("partenaires", "retirer-jeton-initial", number).exit_code == 0
    assert registers(token) == 401
    assert mag("partenaires", "retirer-jeton-initial", number).exit_code == 1


def test_an_initial_token_that_serves_no_more_is_purged(mag, inscrit):
    mag("partenaires", "jeton-initial", "essai", "--jours", "1")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2)):
        assert "jetons initiaux : 1" in mag("purge").output
    assert mag("partenaires", "jetons-initiaux").output == ""


PUBLISHER = {"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                       "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "keys", "said"),
    [
        (("--iss", "https://e.test", "--alg", "HS256"), PUBLISHER, "HS256"),
        (("--iss", "", "--alg", "ES256"), PUBLISHER, "iss"),
        (("--iss", "https://e.test", "--alg", "ES256"), {"keys": []}, "clé"),
        (("--iss", "https://e.test", "--alg", "ES256", "--profil", "libre"), PUBLISHER, "libre"),
        (("--iss", "https://e.test", "--alg", "ES256", "--grant", "password"), PUBLISHER, "password"),
    ],
)
def test_a_publisher_that_cannot_be_believed_is_refused(mag, inscrit, file, words, keys, said):
    refused = mag("partenaires", "editeur", "essai", *words, "--cles", file("k.json", keys))

    assert refused.exit_code == 1
    assert said in refused.output


def test_a_publisher_is_believed_changed_and_stopped(mag, inscrit, file):
    words = ("--iss", "https://e.test", "--alg", "ES256", "--cles", file("k.json", PUBLISHER))
    mag("partenaires", "inscrire", "autre", "--nom", "Autre")

    assert mag("partenaires", "editeur", "essai", *words).exit_code == 0
    assert mag("partenaires", "editeur", "essai", *words, "--profil", "strict").exit_code == 0
    assert "celui du partenaire" in mag("partenaires", "editeur", "autre", *words).output
    assert mag("partenaires", "retirer-editeur", "https://e.test").exit_code == 0
    assert mag("partenaires", "retirer-editeur", "https://e.test").exit_code == 1
