"""No secret in the log nor in the journal: whole journeys are run, then everything they wrote is searched for what they knew."""

import base64
import logging
from urllib.parse import quote_plus

import orjson
import pytest
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.authentication.demande import BINDING
from idp.authentication.session import COOKIE
from idp.database import db
from idp.logs import JsonFormatter, configure
from idp.notifications.models import Mail
from tests import factories
from tests.protocol.relying import VERIFIER, altered, answer_of, challenge_of, hidden_fields, register

WRONG = "un autre mot de passe que le sien"


@pytest.fixture
def log():
    """Every line of every logger, as the server would write it."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.setFormatter(JsonFormatter())
    handler.emit = lambda record: lines.append(handler.format(record))
    configure("DEBUG")
    loggers = [logging.getLogger(), logging.getLogger("mag")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield lines
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.fixture
def written(wsgi_app, log):
    """All that was kept: the log, the journal, and what mails say beside their addresses."""

    def read() -> str:
        with wsgi_app.flask.app_context():
            rows = [{c.key: getattr(row, c.key) for c in AuditEvent.__table__.columns} for row in db.session.scalars(select(AuditEvent))]
            mails = [mail.subject for mail in db.session.scalars(select(Mail))] if hasattr(Mail, "subject") else []
        return "\n".join([*log, *(orjson.dumps(row, default=str).decode() for row in rows), *mails])

    return read


def cookies_of(browser) -> list[str]:
    found = (browser.get_cookie(name, domain="mag.test") for name in (COOKIE, BINDING, "__Host-mag_d"))
    return [cookie.value for cookie in found if cookie is not None]


def sign_in(app, client, partner):
    """By the mire: wrong first, then right; the code and what led to it."""
    factories.un_declarant(app, email="claire@exemple.fr")
    page = partner.ask(client, state="etat-tres-secret", nonce="nonce-tres-secret")
    demande = page.headers["Location"].partition("demande=")[2]
    csrf = factories.csrf_in(client.get(page.headers["Location"]).text)
    factories.se_connecter(client, demande=demande, password=WRONG)
    done = factories.se_connecter(client, demande=demande)
    code = answer_of(client.get(done.headers["Location"]))[1]["code"]
    return code, [demande, csrf, "etat-tres-secret", "nonce-tres-secret"]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_no_secret_is_written(app, wsgi_app, client, written, log, method):
    portail = register(wsgi_app, token_endpoint_auth_method=method, post_logout_redirect_uris=["https://portail.test/fin"])
    code, known = sign_in(app, client, portail)
    tokens = portail.tokens(portail.redeem(code))
    renewed = portail.tokens(portail.refresh(tokens.refresh_token))
    assertion = portail.assertion() if portail.key else ""
    if assertion:
        twice = {"grant_type": "x", "client_assertion": assertion, "client_assertion_type": "x"}
        portail.call("/token", data=twice)
    for token in (renewed.access_token, altered(renewed.access_token), renewed.refresh_token):
        portail.introspect(token)
        portail.userinfo(token)
    portail.redeem(code)
    portail.redeem(altered(code))
    portail.refresh(renewed.refresh_token)
    portail.revoke(renewed.refresh_token)
    portail.call("/token", data={"grant_type": "client_credentials", "client_id": "portail", "client_secret": "mauvais-secret-0123456789"})
    client.get("/session/end", query_string={"id_token_hint": altered(tokens.id_token)})
    client.get("/authorize", query_string={"client_id": "portail", "redirect_uri": "https://mal.test/?jeton=0123456789abcdef"})
    cookies = cookies_of(client)
    form = hidden_fields(client.get("/session/end"))
    client.post("/session/end/confirmation", data={**form, "reponse": "oui"})

    secrets = {
        factories.PASSWORD, WRONG, portail.secret, quote_plus(portail.secret), "mauvais-secret-0123456789", "0123456789abcdef",
        base64.b64encode(f"portail:{quote_plus(portail.secret)}".encode()).decode(), code, altered(code), VERIFIER, challenge_of(VERIFIER),
        *known, *cookies, *form.values(), *vars(tokens).values(), *vars(renewed).values(), assertion,
        tokens.access["jti"], renewed.refresh_token.split(".")[1],
    } - {"", "openid", "Bearer", 300}  # fmt: skip
    text = written()
    found = [secret for secret in map(str, secrets) if secret in text or quote_plus(secret) in text]

    assert found == []
    assert "ConnexionRefused" in text
    assert "CodeReplayed" in text
    assert "token issued" in text
    assert all(orjson.loads(line) for line in log), "each line is JSON"


def test_the_search_would_find_one(written, log):
    logging.getLogger("mag").warning("refused", extra={"fields": {"reason": factories.PASSWORD}})

    assert factories.PASSWORD in written()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_unknown_error_is_told_by_its_type_and_place_never_with_values(wsgi_app, log):
    try:
        raise RuntimeError(factories.PASSWORD)
    except RuntimeError as error:
        logging.getLogger("mag").error("unexpected error", exc_info=error)

    [line] = log
    assert orjson.loads(line)["error"] == "RuntimeError"
    assert orjson.loads(line)["where"].startswith("test_logs.py:")
    assert factories.PASSWORD not in line
