"""What operators do to transmitters by commands alone: declare one, give it another secret, have it tried, remove it.

Careful by default: an event is noted, people are named by what MAG told the partner, twenty persons an hour at most. Nothing here commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from re import fullmatch
from typing import Any

import orjson

from idp.config import Settings
from idp.database import db
from idp.oidc.metadata import SIGNALS
from idp.oidc.reception import conduite
from idp.oidc.reception.models import SEALED_FOR, Emetteur
from idp.oidc.reception.personnes import Sujet, clients_of
from idp.oidc.reception.refus import EmetteurRefuseError
from idp.oidc.reception.releve import authorization_of
from idp.oidc.signals.audience import Audience
from idp.oidc.signals.spread.filling import Filling
from idp.seals import Seals, UnsealError, digest, random_token
from partners.amont.models import Fournisseur
from partners.emetteurs.configuration import ConfigurationError, fetch
from partners.models import Partenaire
from partners.outgoing import Fetcher, OutgoingRefusedError
from partners.published_keys import read_keys

ACTOR = "commande"
HOURLY, DAILY = 20, 100
LONGEST_AUTHORIZATION = 2000


@dataclass(frozen=True, slots=True)
class Means:
    """What these acts work with."""

    settings: Settings
    seals: Seals
    fetcher: Fetcher
    audience: Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class Declare:
    """What an operator says of a new transmitter; untrusted until `declare` took it."""

    code: str
    issuer: str
    nom: str = ""
    partenaire: str = ""
    fournisseur: str = ""
    audience: str = ""
    jwks_uri: str = ""
    jwks: Any = None
    releve_url: str = ""
    autorisation: str = ""
    with_token: bool = False
    """It pushes with access tokens of its partner's client."""
    flux: str = ""
    sujets: Sequence[str] = (Sujet.MAG,)
    politique: Sequence[str] = ()
    plafond_heure: int = HOURLY
    plafond_jour: int = DAILY


@dataclass(frozen=True, slots=True)
class Made:
    """A transmitter, and the secret to tell it: once, and never again; empty where it has none."""

    emetteur: Emetteur
    secret: str


def declare(means: Means, given: Declare, now: datetime) -> Made:
    """A new transmitter, in service. Raises EmetteurRefuseError."""
    nom = _owner(given)
    _check(given, means.settings.issuer)
    keys, tried_at = _keys(means, given)
    secret = "" if given.releve_url or given.with_token else random_token()
    made = Emetteur(
        code=given.code,
        nom=given.nom or nom,
        partenaire=given.partenaire or None,
        fournisseur=given.fournisseur or None,
        issuer=given.issuer,
        audience=given.audience or f"{means.settings.issuer}{SIGNALS}/events/{given.code}",
        jwks_uri=keys or None,
        jwks=None if keys else given.jwks,
        secret_hash=digest(secret) if secret else None,
        releve_url=_callable(means, given.releve_url),
        autorisation_sealed=_sealed(means, given.code, given.autorisation),
        flux=given.flux or None,
        essai_url=tried_at or None,
        sujets=sorted(set(given.sujets)),
        politique=conduite.policy(given.politique),
        plafond_heure=given.plafond_heure,
        plafond_jour=given.plafond_jour,
        enabled=True,
        created_at=now,
        updated_at=now,
        next_try_at=now if given.releve_url else None,
        tries=0,
    )
    db.session.add(made)
    conduite.changed(made, "added", now, ACTOR)
    return Made(made, secret)


def _owner(given: Declare) -> str:
    """What people call whose transmitter it is. Raises EmetteurRefuseError."""
    if bool(given.partenaire) == bool(given.fournisseur):
        raise EmetteurRefuseError("Un émetteur est celui d'un partenaire ou d'un fournisseur d'identité : donnez l'un des deux.")
    owner = Partenaire.with_code(given.partenaire) if given.partenaire else Fournisseur.named(given.fournisseur)
    if owner is None:
        raise EmetteurRefuseError(f"« {given.partenaire or given.fournisseur} » n'existe pas.")
    if given.fournisseur and Sujet.MAG in given.sujets:
        raise EmetteurRefuseError("Un fournisseur ne connaît pas le sub de MAG : sujets possibles, compte et opaque.")
    if given.fournisseur and given.with_token:
        raise EmetteurRefuseError("Un fournisseur n'a pas de client chez MAG : il pousse avec un secret, ou MAG relève.")
    return owner.nom


def _check(given: Declare, own: str) -> None:
    """Raises EmetteurRefuseError."""
    if not fullmatch(r"[a-z0-9][a-z0-9-]{0,59}", given.code):
        raise EmetteurRefuseError("Le code est fait de lettres minuscules, de chiffres et de tirets.")
    if Emetteur.named(given.code) is not None:
        raise EmetteurRefuseError(f"Le code « {given.code} » est déjà pris.")
    for what, text, longest in (("L'émetteur (iss)", given.issuer, 300), ("L'audience", given.audience, 300), ("Le flux", given.flux, 200)):
        if len(text) > longest or not text.isprintable() or " " in text:
            raise EmetteurRefuseError(f"{what} tient en {longest} caractères, sans espace.")
    if not given.issuer or len(given.nom) > 120:
        raise EmetteurRefuseError("L'émetteur (iss) est obligatoire, et le nom tient en 120 caractères.")
    if given.issuer == own:
        raise EmetteurRefuseError("MAG n'est pas un émetteur pour lui-même : donnez l'émetteur (iss) du partenaire.")
    if Emetteur.of_issuer(given.issuer) is not None:
        raise EmetteurRefuseError("Un émetteur de ce nom (iss) est déjà déclaré : personne ne saurait lequel signe.")
    if wrong := sorted(set(given.sujets) - set(Sujet)):
        raise EmetteurRefuseError(f"Sujet inconnu : « {wrong[0]} ». Sujets : {', '.join(Sujet)}.")
    if not given.sujets:
        raise EmetteurRefuseError("Dites comment l'émetteur désigne les personnes.")
    conduite.check_limits(given.plafond_heure, given.plafond_jour)
    if given.releve_url and given.with_token:
        raise EmetteurRefuseError("Un émetteur pousse, ou MAG relève chez lui : pas les deux.")
    if given.autorisation and not given.releve_url and not given.flux:
        raise EmetteurRefuseError("L'autorisation sert aux appels de MAG : relever, ou demander un essai d'un flux.")


def _keys(means: Means, given: Declare) -> tuple[str, str]:
    """The address of its keys, empty for keys given here, and where it may be asked to try. Raises EmetteurRefuseError."""
    if given.jwks_uri and given.jwks is not None:
        raise EmetteurRefuseError("Les clés se lisent à une adresse ou se donnent en fichier : pas les deux.")
    try:
        if given.jwks is not None:
            _check_public(given.jwks)
            return "", ""
        if given.jwks_uri:
            read_keys(means.fetcher.json(given.jwks_uri))
            return given.jwks_uri, ""
        found = fetch(means.fetcher, given.issuer)
        read_keys(means.fetcher.json(found.jwks_uri))
    except OutgoingRefusedError as error:
        raise EmetteurRefuseError(f"Les clés ne peuvent pas être lues : {error.public}") from error
    except ConfigurationError as error:
        raise EmetteurRefuseError(f"Configuration refusée : {error}.") from error
    return found.jwks_uri, found.verification_endpoint


def _check_public(jwks: Any) -> None:
    """Raises EmetteurRefuseError, OutgoingRefusedError."""
    read_keys(jwks)
    if any(isinstance(key, dict) and "d" in key for key in jwks["keys"]):
        raise EmetteurRefuseError("Ce fichier contient une clé privée : l'émetteur doit la remplacer, et ne donner que la clé publique.")


def _callable(means: Means, url: str) -> str | None:
    """Raises EmetteurRefuseError."""
    if not url:
        return None
    try:
        means.fetcher.check(url)
    except OutgoingRefusedError as error:
        raise EmetteurRefuseError(f"L'adresse de relève est refusée : {error.public}") from error
    return url


def _sealed(means: Means, code: str, authorization: str) -> bytes | None:
    """Raises EmetteurRefuseError."""
    if not authorization:
        return None
    if len(authorization) > LONGEST_AUTHORIZATION or not authorization.isascii() or not authorization.isprintable():
        raise EmetteurRefuseError("L'autorisation est une ligne de caractères ASCII, telle qu'elle ira dans l'en-tête Authorization.")
    return means.seals.seal(SEALED_FOR, authorization.encode(), code)


def make_known(means: Means, emetteur: Emetteur) -> None:
    """Whoever signed in at the partner before may be named too; those who come from now on are written down as they come.

    To be called after the commit: it has transactions of its own, however many persons there are.
    """
    of_partner = [client.client_id for client in clients_of(emetteur, means.audience.clients.every())]
    if of_partner:
        Filling(means.audience.connections, means.audience).fill(of_partner)


def renew(emetteur: Emetteur, now: datetime) -> str:
    """Another secret, at once. Raises EmetteurRefuseError."""
    if emetteur.secret_hash is None:
        raise EmetteurRefuseError("Cet émetteur n'a pas de secret : il pousse avec un jeton, ou MAG relève.")
    secret = random_token()
    emetteur.secret_hash = digest(secret)
    conduite.changed(emetteur, "secret", now, ACTOR)
    return secret


def authorize(means: Means, emetteur: Emetteur, authorization: str, now: datetime) -> None:
    """Another authorization of MAG's calls there. Raises EmetteurRefuseError."""
    emetteur.autorisation_sealed = _sealed(means, emetteur.code, authorization)
    conduite.changed(emetteur, "secret", now, ACTOR)


def remove(emetteur: Emetteur, now: datetime) -> None:
    """And what it sent."""
    conduite.changed(emetteur, "removed", now, ACTOR)
    db.session.delete(emetteur)


def ask_now(emetteur: Emetteur, now: datetime) -> None:
    """The next round fetches, whatever the back-off said. Raises EmetteurRefuseError."""
    if not emetteur.is_fetched:
        raise EmetteurRefuseError("Cet émetteur pousse ses événements : il n'y a rien à relever.")
    emetteur.next_try_at, emetteur.tries = now, 0


def ask_verification(emetteur: Emetteur, now: datetime) -> str:
    """Framework section 8.1.4.2: the transmitter is to send an event with this `state`. Raises EmetteurRefuseError.

    The `state` is returned for the caller to commit before `verify`: the event may come before the answer does.
    """
    if not emetteur.essai_url or not emetteur.flux:
        raise EmetteurRefuseError("Cet émetteur n'annonce pas d'essai, ou le nom du flux manque (--flux).")
    emetteur.essai_etat = random_token(16)
    conduite.changed(emetteur, "verification", now, ACTOR)
    return emetteur.essai_etat


def verify(means: Means, emetteur: Emetteur, state: str) -> None:
    """The call itself. Raises EmetteurRefuseError."""
    body = orjson.dumps({"stream_id": emetteur.flux, "state": state})
    try:
        authorization = authorization_of(means.seals, emetteur)
        headers = {"Content-Type": "application/json", **({"Authorization": authorization} if authorization else {})}
        status = means.fetcher.post(emetteur.essai_url or "", body, headers)
    except OutgoingRefusedError as error:
        raise EmetteurRefuseError(f"L'émetteur ne répond pas : {error.public}") from error
    except UnsealError:
        raise EmetteurRefuseError("L'autorisation ne peut plus être ouverte : donnez-la à nouveau.") from None
    if status not in (200, 202, 204):
        raise EmetteurRefuseError(f"L'émetteur a refusé l'essai (réponse {status}).")
