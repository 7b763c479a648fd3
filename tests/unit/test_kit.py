"""The kit's pure parts: the claim `hab`, tokens that are believed or not, addresses, settings."""

import base64
import hashlib
import json
import re
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from partners.kit import tokens
from partners.kit.config import KitConfig, KitConfigError
from partners.kit.habilitations import Habilitations
from partners.kit.identity import Identity
from partners.kit.origins import same_origin_path
from partners.kit.sealing import Box
from partners.kit.sessions import SqliteSessions
from partners.kit.tokens import InvalidTokenError, UnknownKeyError
from partners.kit.widget import hashes_of
from partners.kit.words import KINDS, LINKS
from partners.portals.portail import Acte, Portail, ServiceVendu, Tranche, matching, rows

SIREN, SIRET, OTHER, THIRD = "732829320", "73282932000074", "73282932000082", "39234600300198"
FORM_A = {
    "v": 1,
    "e": "a91f03c2",
    "g": [
        {"s": {"dsn": "dp", "atmp": "d"}, "n": [SIREN], "t": [THIRD]},
        {"s": {"dpae": "d"}, "x": {SIREN: [OTHER]}},
        {"s": {"ducs": "p"}, "t": [SIRET]},
    ],
}


# --------------------------------------------------------------------------------------------------------- habilitations


@pytest.mark.parametrize(
    ("droit", "service", "cible", "answer"),
    [
        ("declarer", "dsn", SIRET, True),
        ("payer", "dsn", OTHER, True),
        ("payer", "atmp", SIRET, False),
        ("declarer", "dsn", THIRD, True),
        ("declarer", "dsn", SIREN, True),
        ("declarer", "dpae", SIRET, True),
        ("declarer", "dpae", OTHER, False),
        ("declarer", "dpae", SIREN, False),
        ("payer", "ducs", SIRET, True),
        ("payer", "ducs", OTHER, False),
        ("declarer", "ducs", SIRET, False),
        ("payer", "inconnu", SIRET, False),
        ("voler", "dsn", SIRET, False),
        ("dp", "dsn", SIRET, False),
        ("declarer", "dsn", "", False),
        ("declarer", "dsn", "000", False),
        ("declarer", "dsn", "39234600300206", False),
    ],
)
def test_form_a_answers(droit, service, cible, answer):
    assert Habilitations(FORM_A).peut(droit, service, cible) is answer


@pytest.mark.parametrize(
    "claim",
    [
        None,
        3,
        "text",
        [],
        {},
        {"v": 2, "g": FORM_A["g"]},
        {"v": "1", "g": FORM_A["g"]},
        {"v": 1},
        {"v": 1, "g": None},
        {"v": 1, "g": [None, 3, "x"]},
        {"v": 1, "g": [{"s": ["dsn"], "n": [SIREN]}]},
        {"v": 1, "g": [{"s": {"dsn": 3}, "n": [SIREN]}]},
        {"v": 1, "g": [{"s": {"dsn": "d"}, "n": SIREN}]},
        {"v": 1, "g": [{"s": {"dsn": "d"}, "n": [732829320]}]},
        {"v": 1, "g": [{"s": {"dsn": "d"}, "t": ["٧٣٢٨٢٩٣٢٠٠٠٠٧٤"]}]},
        {"v": 1, "g": [{"s": {"dsn": "d"}, "x": {SIREN: None}}]},
        {"v": 1, "g": [{"s": {"dsn": "d"}, "x": {SIREN: [3]}}]},
        {"v": 1, "g": [{"s": {"dsn": "d"}, "x": [SIREN]}]},
        {"v": 1, "s": {"dsn": "d"}},
    ],
)
def test_whatever_cannot_be_read_gives_no_right(claim):
    assert not Habilitations(claim).peut("declarer", "dsn", SIRET)


def test_form_b_looks_at_its_menu_before_it_reads_the_pages():
    calls = []

    def pages() -> list[Any]:
        calls.append(1)
        return FORM_A["g"]  # type: ignore[return-value]  # a list, whatever mypy thinks of the constant

    large = Habilitations({"v": 1, "e": "x", "s": {"dsn": "dp", "ducs": "p"}, "c": {"siret": 62094, "pf": 621}}, pages)
    assert large.is_large
    assert large.services == {"dsn", "ducs"}
    assert not large.peut("declarer", "ducs", SIRET)
    assert not large.peut("declarer", "atmp", SIRET)
    assert calls == []
    assert large.peut("payer", "dsn", SIRET)
    assert large.peut("payer", "ducs", SIRET)
    assert calls == [1]


def test_an_identity_says_what_the_claims_say():
    person = Identity(
        {"sub": "s", "given_name": "Claire", "usual_name": "Lefèvre", "siret": SIRET, "label": "ESSAI", "name": 3}, Habilitations(FORM_A)
    )

    assert (person.sub, person.prenom, person.nom, person.full_name) == ("s", "Claire", "Lefèvre", "Claire Lefèvre")
    assert (person.siret, person.raison_sociale) == (SIRET, "ESSAI")
    assert person.peut("payer", "dsn", SIRET)
    assert Identity({}, Habilitations(None)).full_name == ""


# ----------------------------------------------------------------------------------------------------------------- tokens

KEY = ECKey.generate_key("P-256", {"kid": "es", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "rs", "use": "sig"})
KEYS = KeySet([KEY, RSA])
ISSUER, CLIENT, ACCESS = "https://mag.test", "essai", "jeton-d-acces"
WANTED = {"issuer": ISSUER, "client_id": CLIENT, "access_token": ACCESS, "alg": "ES256", "nonce": "n-1"}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    every = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "x",
        "exp": now + 300,
        "iat": now,
        "nonce": "n-1",
        "at_hash": tokens.at_hash(ACCESS, "ES256"),
        **changes,
    }
    return {name: value for name, value in every.items() if value is not None}


def signed(given: dict[str, Any], *, alg: str = "ES256", key: Any = KEY, **header: Any) -> str:
    return jwt.encode({"alg": alg, "kid": key.kid, **header}, given, key, algorithms=[alg])


def unsigned(**header: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode() + ".e30.AAAA"


@pytest.mark.parametrize(("alg", "digest"), [("ES256", "sha256"), ("PS256", "sha256"), ("RS256", "sha256"), ("EdDSA", "sha512")])
def test_at_hash_is_half_of_the_hash_of_the_signature(alg, digest):
    whole = hashlib.new(digest, ACCESS.encode()).digest()
    assert tokens.at_hash(ACCESS, alg) == base64.urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()


def test_a_good_id_token_is_believed():
    read = tokens.verified(signed(claims()), KEYS, "ES256")
    tokens.check_id_token(read, **WANTED, now=time.time())
    tokens.check_id_token(claims(aud=[CLIENT], azp=CLIENT, at_hash=None), **WANTED, now=time.time())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"iss": "https://evil.test"}, id="3.1.3.7-2-iss"),
        pytest.param({"iss": ISSUER + "/"}, id="3.1.3.7-2-iss-exact"),
        pytest.param({"aud": "autre"}, id="3.1.3.7-3-aud"),
        pytest.param({"aud": [CLIENT, "autre"]}, id="3.1.3.7-3-aud-alone"),
        pytest.param({"aud": None}, id="3.1.3.7-3-aud-missing"),
        pytest.param({"azp": "autre"}, id="3.1.3.7-5-azp"),
        pytest.param({"exp": 1}, id="3.1.3.7-9-exp"),
        pytest.param({"exp": None}, id="3.1.3.7-9-exp-missing"),
        pytest.param({"exp": "9999999999"}, id="exp-text"),
        pytest.param({"iat": 99999999999}, id="3.1.3.7-10-iat"),
        pytest.param({"nonce": "n-2"}, id="3.1.3.7-11-nonce"),
        pytest.param({"nonce": None}, id="3.1.3.7-11-nonce-missing"),
        pytest.param({"at_hash": "x"}, id="3.1.3.8-at-hash"),
        pytest.param({"sub": None}, id="2-sub"),
        pytest.param({"sub": ""}, id="2-sub-empty"),
    ],
)
def test_an_id_token_that_breaks_one_rule_is_refused(change):
    with pytest.raises(InvalidTokenError):
        tokens.check_id_token(claims(**change), **WANTED, now=time.time())


def test_signatures_are_checked_under_the_registered_algorithm_alone():
    stranger = ECKey.generate_key("P-256", {"kid": "es"})
    confused = OctKey.generate_key(256, {"kid": "es"})
    for token in (
        signed(claims(), key=stranger),
        signed(claims(), alg="RS256", key=RSA),
        signed(claims(), alg="HS256", key=confused),
        signed(claims())[:-4] + "AAAA",
        "eyJhbGciOiJub25lIiwia2lkIjoiZXMifQ.e30.",
        "",
        "x.y.z",
        "é",
        *(unsigned(alg="ES256", kid=kid) for kid in ({}, [], 1, None)),
        *(unsigned(alg="ES256", kid="es", crit=crit) for crit in (1, [{}], {}, "exp")),
    ):
        with pytest.raises(InvalidTokenError):
            tokens.verified(token, KEYS, "ES256")
    with pytest.raises(UnknownKeyError):
        tokens.verified(signed(claims(), kid="autre"), KEYS, "ES256")


@pytest.mark.parametrize("change", [{"sub": "y"}, {"auth_time": 2}, {"iss": "x"}, {"aud": "x"}, {"exp": 1}, {"at_hash": "x"}])
def test_a_refreshed_id_token_is_the_same_persons(change):
    wanted = {"issuer": ISSUER, "client_id": CLIENT, "access_token": ACCESS, "alg": "ES256", "now": time.time()}
    before = claims(auth_time=1)
    tokens.check_refreshed(claims(auth_time=1, nonce=None), before, **wanted)

    with pytest.raises(InvalidTokenError):
        tokens.check_refreshed(claims(**({"auth_time": 1} | change)), before, **wanted)


# --------------------------------------------------------------------------------------------- addresses, settings, storage


@pytest.mark.parametrize(
    "path",
    [
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "javascript:alert(1)",
        "https://evil.test/",
        "evil",
        "",
        " /x",
        "/x y",
        "/\t/evil.test",
        "/\n",
        "/é",
        "/" + "x" * 1001,
        "data:text/html,x",
        "///evil.test",
    ],
)
def test_a_return_address_never_leaves_the_site(path):
    assert same_origin_path(path, "/accueil") == "/accueil"


@pytest.mark.parametrize("path", ["/", "/espace", "/espace?a=b&c=%2F", "/a//b"])
def test_a_return_address_of_the_site_is_kept(path):
    assert same_origin_path(path, "/accueil") == path


GOOD = {"issuer": "https://mag.test", "base_url": "https://portail.test", "client_id": "essai", "client_secret": "x"}


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "http://mag.test"},
        {"issuer": "https://mag.test/"},
        {"issuer": ""},
        {"base_url": "https://portail.test/app"},
        {"base_url": "portail.test"},
        {"base_url": "http://portail.test"},
        {"client_id": ""},
        {"private_key": {"kid": "x"}},
        {"client_secret": None, "private_key": {"kty": "EC"}},
        {"scope": "profile"},
        {"prefix": "auth"},
        {"prefix": "/auth/"},
        {"id_token_alg": "HS256"},
        {"id_token_alg": "none"},
        {"claims_alg": "none"},
        {"client_auth": "none"},
    ],
)
def test_a_setting_that_is_wrong_stops_the_start(change):
    assert KitConfig(**GOOD)
    with pytest.raises(KitConfigError):
        KitConfig(**(GOOD | change))


def test_no_secret_shows_in_the_settings():
    assert "s3cr3t" not in repr(KitConfig(**(GOOD | {"client_secret": "s3cr3t"})))


def test_what_is_sealed_is_read_by_the_same_key_and_purpose_alone():
    box = Box("k" * 32, "transaction")
    sealed = box.seal({"a": 1}, 60)

    assert box.open(sealed) == {"a": 1}
    assert Box("k" * 32, "session").open(sealed) is None
    assert Box("j" * 32, "transaction").open(sealed) is None
    assert box.open(box.seal({"a": 1}, -1)) is None
    for altered in ("", "x", "é", sealed[:-2], sealed + "A", ".".join(sealed.split(".")[:4]), "a" * 100_000):
        assert box.open(altered) is None


def test_a_session_that_was_ended_is_not_brought_back_by_a_late_write():
    sessions = SqliteSessions()
    sessions.put("a", "1", 60)
    assert sessions.replace("a", "2", 60)
    assert sessions.get("a") == "2"

    sessions.delete("a")
    assert not sessions.replace("a", "3", 60)
    assert sessions.get("a") is None


def test_a_session_ends_by_itself(tmp_path):
    sessions = SqliteSessions(str(tmp_path / "s.sqlite3"))
    sessions.put("a", "1", -1)

    assert sessions.get("a") is None
    assert not sessions.replace("a", "2", 60)


HASH = "sha384-" + "A" * 64


@pytest.mark.parametrize(
    "unverified",
    [
        None,
        [],
        {},
        {"releases": None},
        {"releases": [None, 3, {"version": "1.0.0"}]},
        {"releases": [{"version": "2.0.0", "files": {"mag-done.js": {"integrity": HASH}}}]},
        {"releases": [{"version": "1.0.0", "files": [HASH]}]},
        {"releases": [{"version": "1.0.0", "files": {"mag-done.js": HASH}}]},
        {"releases": [{"version": "1.0.0", "files": {"mag-done.js": {"integrity": ""}}}]},
        {"releases": [{"version": "1.0.0", "files": {"mag-done.js": {"integrity": f'{HASH}" onload="x'}}}]},
        {"releases": [{"version": "1.0.0", "files": {"mag-done.js": {"integrity": "md5-AAAA"}}}]},
    ],
)
def test_a_hash_that_cannot_be_read_is_none(unverified):
    assert hashes_of(unverified, "1.0.0") == {}


def test_the_hashes_of_a_release_are_read():
    assert hashes_of({"releases": [{"version": "1.0.0", "files": {"mag-done.js": {"integrity": HASH}}}]}, "1.0.0") == {"mag-done.js": HASH}


def test_every_page_of_the_kit_has_its_words_in_both_languages():
    for kind in KINDS.values():
        for words in (kind.words("fr"), kind.words("en")):
            assert all((words.title, words.heading, words.text))
            assert not re.search(r" [:;?!»]|« ", words.heading + words.text), "a line may not begin so"
        assert kind.fr != kind.en
    assert LINKS["fr"].keys() == LINKS["en"].keys()


# ---------------------------------------------------------------------------------------------------------------- portals

PORTAIL = Portail(
    nom="P",
    slogan="S",
    theme="facile",
    autre_nom="A",
    autre_adresse="https://a.test",
    lien_de_courrier="https://mag.test/acces/p",
    secret_key="",
    sessions="",
    kit={},
    services=(
        ServiceVendu(code="dsn", libelle="DSN", actes=("declarer", "payer")),
        ServiceVendu(code="dpae", libelle="DPAE", actes=("declarer",)),
    ),
    noms={SIREN: "Ortholan", SIRET: "Ortholan, Lyon", THIRD: "Papillon"},
)


def test_each_target_is_one_line_with_all_its_rights():
    lines = rows(PORTAIL, Habilitations(FORM_A).groups)

    assert [(line.nom, line.cible, line.sauf) for line in lines] == [
        ("Ortholan", SIREN, ()),
        ("Ortholan", SIREN, (OTHER,)),
        ("Ortholan, Lyon", SIRET, ()),
        ("Papillon", THIRD, ()),
    ]
    assert lines[0].may("payer", "dsn")
    assert not lines[0].may("payer", "atmp")
    assert not lines[1].may("declarer", "dsn")


@pytest.mark.parametrize(
    ("search", "found"), [("", 4), ("papillon", 1), ("392 346", 1), (SIRET, 3), (OTHER, 1), ("lyon", 1), ("inconnu", 0), ("٣", 0), ("%", 0)]
)
def test_lines_are_found_by_name_or_number(search, found):
    assert len(list(matching(rows(PORTAIL, Habilitations(FORM_A).groups), search))) == found


@pytest.mark.parametrize(("asked", "page"), [("", 1), ("0", 1), ("3", 3), ("9", 3), ("-1", 1), ("x", 1), ("٣", 1), ("9" * 50, 1)])
def test_a_page_that_does_not_exist_is_another(asked, page):
    lines = rows(PORTAIL, [*Habilitations({"v": 1, "g": [{"s": {"dsn": "d"}, "t": [f"{n:014d}" for n in range(60)]}]}).groups])
    tranche = Tranche.of(lines, asked)

    assert (tranche.page, tranche.pages, tranche.total) == (page, 3, 60)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "declarer",
        "declarer|dsn",
        "declarer|x|" + SIRET,
        "payer|dpae|" + SIRET,
        "voler|dsn|" + SIRET,
        "declarer|dsn|1",
        "declarer|dsn|" + "é" * 14,
        "declarer|dsn|" + "٣" * 14,
        "|||",
    ],
)
def test_an_act_that_the_portal_does_not_have(text):
    assert Acte.parse(text, PORTAIL) is None
    assert Acte.parse("declarer|dsn|" + SIRET, PORTAIL) is not None
