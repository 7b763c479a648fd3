"""How the account of a partner's is proved: by its OpenID provider, asked in this browser; without one, by what the partner signed.

A signed request says nothing of the browser that brings it: where a provider may be asked, it is no proof.

ours: a sign-in there proves something for five minutes, as one at MAG does for what touches the keys of an account.
"""

from datetime import datetime

from idp.oidc.client import origin_of
from partners.amont.models import Fournisseur
from partners.amont.relying import Arrived
from partners.models import Partenaire
from partners.rattachement.accord import Accord
from partners.rattachement.attente import Proposition
from partners.rattachement.models import Preuve, Side
from partners.rattachement.refus import AutreCompteError, PartenaireSansAccordError, PreuveAncienneError
from partners.rattachement.signees import LONGEST_COMPTE, LONGEST_LIBELLE, DemandeDeLien

FRESH = 300
"""Seconds."""
ASKED = FRESH - 60
"""What a provider is asked for (`max_age`): it answers some seconds before MAG reads it."""
USAGE = "rattachement"
NAMES = ("preferred_username", "email", "name", "given_name")
"""Claims that its holder recognises an account by, the best first."""


def provider(code: str) -> Fournisseur | None:
    """The partner's own, when it may prove accounts."""
    partenaire = Partenaire.with_code(code)
    found = Fournisseur.of_partner(partenaire.id) if partenaire else None
    return found if found is not None and found.serves(USAGE) else None


def provider_of(agreed: Accord) -> Fournisseur:
    """The same, where nothing else will do. Raises PartenaireSansAccordError."""
    found = provider(agreed.code)
    if found is None:
        raise PartenaireSansAccordError(f"{agreed.code} has no OpenID provider")
    return found


def origins(agreed: Accord) -> str:
    """Where a form of MAG's may end, by redirects: the partner's own addresses, and those of its OpenID provider."""
    row = provider(agreed.code)
    return " ".join(dict.fromkeys((*agreed.origins.split(), *([origin_of(row.issuer)] if row else []))))


def begun(asked: DemandeDeLien, now: datetime) -> Proposition:
    """What a partner asked; proved already when the person just signed in there, and nobody else can tell."""
    at = int(now.timestamp())
    fresh = asked.auth_time > at - FRESH and provider(asked.accord.code) is None
    preuve = Preuve.REQUETE.value if fresh else ""
    return Proposition(
        partenaire=asked.accord.code,
        origine=Side.PARTENAIRE.value,
        begun_at=at,
        compte=asked.compte,
        libelle=asked.libelle,
        preuve=preuve,
        retour=asked.retour,
        state=asked.state,
    )


def proved(waiting: Proposition, arrived: Arrived, nom: str, now: datetime) -> Proposition:
    """What the partner's provider answered. Raises AutreCompteError, PreuveAncienneError."""
    if len(arrived.subject) > LONGEST_COMPTE or (waiting.compte and waiting.compte != arrived.subject):
        raise AutreCompteError(f"{waiting.partenaire}: another account than the one that asked", nom)
    if arrived.auth_time is None or arrived.auth_time < int(now.timestamp()) - FRESH:
        raise PreuveAncienneError(f"{waiting.partenaire}: auth_time {arrived.auth_time}", nom)
    return waiting.proved(Preuve.OPENID, arrived.subject, waiting.libelle or label(arrived))


def label(arrived: Arrived) -> str:
    """What its holder calls the account."""
    texts = (arrived.claims.get(name) for name in NAMES)
    known = next((text for text in texts if isinstance(text, str) and text.strip() and text.isprintable()), arrived.subject)
    return known.strip()[:LONGEST_LIBELLE]
