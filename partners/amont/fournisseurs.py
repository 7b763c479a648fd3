"""What operators do to providers: declare one, look at what it announces, cut it off, replace what MAG shows it.

A provider is declared only when its discovery document was read: nothing is half known.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from re import fullmatch
from typing import Any

from idp.audit import journal
from idp.database import db
from idp.seals import Seals
from partners.amont import cles
from partners.amont.events import FournisseurAdded, FournisseurCut, FournisseurKeysRenewed
from partners.amont.jetons import Published
from partners.amont.metadonnees import MetadataError, Metadonnees
from partners.amont.models import SECRET, Fournisseur
from partners.amont.profils import ASYMMETRIC, OPENID, PROFILS, Profil
from partners.amont.refus import FournisseurRefuseError
from partners.amont.relying import Amont
from partners.models import Partenaire
from partners.outgoing import OutgoingRefusedError

ACTOR = "commande"
SHORTEST_SECRET = 16
"""Characters of a secret that a provider gave."""


class Usage(StrEnum):
    """What a provider may serve for."""

    INSCRIPTION = "inscription"
    NIVEAU = "niveau"
    CONNEXION = "connexion"
    RECOURS = "recours"
    RATTACHEMENT = "rattachement"


OF_STATE = frozenset({Usage.INSCRIPTION, Usage.NIVEAU, Usage.CONNEXION, Usage.RECOURS})
"""What needs a provider that proves persons: one with a profile of the State."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What an operator says of a new provider; untrusted until `declare` took it."""

    code: str
    nom: str
    profil: str
    issuer: str
    client_id: str
    auth_method: str
    secret: str
    usages: Sequence[str]
    scopes: Sequence[str] = ()
    acr_values: Sequence[str] = ()
    algs: Sequence[str] = ()
    pkce: bool = True
    partenaire: Partenaire | None = None


def declare(amont: Amont, given: Declared, now: datetime) -> Fournisseur:
    """A new provider, in service. Raises FournisseurRefuseError."""
    profil = _checked(given)
    read_now(amont, given.issuer)
    reglages: dict[str, Any] = {"usages": sorted(given.usages)}
    for name, value in (("scopes", given.scopes), ("acr_values", given.acr_values), ("algs", given.algs)):
        if value:
            reglages[name] = list(value)
    if not given.pkce:
        reglages["pkce"] = False
    made = Fournisseur(
        code=given.code,
        nom=given.nom,
        profil=profil.code,
        issuer=given.issuer,
        client_id=given.client_id,
        auth_method=given.auth_method,
        secret_sealed=amont.seals.seal(SECRET, given.secret.encode(), given.code) if given.secret else None,
        cles_sealed=cles.make(amont.seals, given.code),
        reglages=reglages,
        partenaire_id=given.partenaire.id if given.partenaire else None,
        enabled=True,
        created_at=now,
        updated_at=now,
    )
    db.session.add(made)
    journal.record(FournisseurAdded(fournisseur=given.code, issuer=given.issuer, actor=ACTOR), now)
    return made


def _checked(given: Declared) -> Profil:
    """The profile of what may be declared. Raises FournisseurRefuseError."""
    profil = PROFILS.get(given.profil)
    if profil is None:
        raise FournisseurRefuseError(f"Profil inconnu. Profils : {', '.join(PROFILS)}.")
    if not fullmatch(r"[a-z0-9][a-z0-9-]{0,59}", given.code):
        raise FournisseurRefuseError("Le code est fait de lettres minuscules, de chiffres et de tirets.")
    if Fournisseur.named(given.code) is not None:
        raise FournisseurRefuseError(f"Le code « {given.code} » est déjà pris.")
    if given.auth_method not in profil.client_auth:
        raise FournisseurRefuseError(f"Authentification du client possible avec ce profil : {', '.join(profil.client_auth)}.")
    if given.auth_method != "private_key_jwt":
        check_secret(given.secret)
    elif given.secret:
        raise FournisseurRefuseError("Avec private_key_jwt il n'y a pas de secret : donnez au fournisseur l'adresse des clés de MAG.")
    if wrong := [one for one in given.algs if one not in ASYMMETRIC]:
        raise FournisseurRefuseError(f"Algorithme refusé : {wrong[0]}. Possibles : {', '.join(ASYMMETRIC)}.")
    if profil is OPENID and (refused := OF_STATE & {*given.usages}):
        raise FournisseurRefuseError(f"Usage réservé aux profils de l'État : {min(refused)}.")
    if Fournisseur.of_issuer(given.issuer) is not None:
        raise FournisseurRefuseError("Un fournisseur de cet émetteur est déjà déclaré.")
    return profil


def check_secret(secret: str) -> None:
    """Raises FournisseurRefuseError."""
    if len(secret) < SHORTEST_SECRET or not secret.isascii() or not secret.isprintable():
        raise FournisseurRefuseError(f"Le secret compte au moins {SHORTEST_SECRET} caractères ASCII.")


def read_now(amont: Amont, issuer: str) -> Metadonnees:
    """Raises FournisseurRefuseError."""
    try:
        return amont.discovery.fetch(issuer)
    except MetadataError as error:
        raise FournisseurRefuseError(f"Découverte refusée : {error}.") from error
    except OutgoingRefusedError as error:
        raise FournisseurRefuseError(f"Découverte impossible : {error.public}") from error


def fournisseur_named(code: str) -> Fournisseur:
    """Raises FournisseurRefuseError."""
    found = Fournisseur.named(code)
    if found is None:
        raise FournisseurRefuseError(f"Aucun fournisseur « {code} ».")
    return found


def cut(fournisseur: Fournisseur, now: datetime, *, enabled: bool = False) -> bool:
    """Whether something changed. What was proved stays proved; nothing new comes from there, at once."""
    if fournisseur.enabled == enabled:
        return False
    fournisseur.enabled, fournisseur.updated_at = enabled, now
    journal.record(FournisseurCut(fournisseur=fournisseur.code, enabled=enabled, actor=ACTOR), now)
    return True


def renew(seals: Seals, fournisseur: Fournisseur, secret: str, now: datetime) -> None:
    """Another secret, or other keys where there is no secret. Raises FournisseurRefuseError."""
    if fournisseur.auth_method == "private_key_jwt":
        fournisseur.cles_sealed = cles.make(seals, fournisseur.code)
    else:
        check_secret(secret)
        fournisseur.secret_sealed = seals.seal(SECRET, secret.encode(), fournisseur.code)
    fournisseur.updated_at = now
    what = "cles" if fournisseur.auth_method == "private_key_jwt" else "secret"
    journal.record(FournisseurKeysRenewed(fournisseur=fournisseur.code, what=what, actor=ACTOR), now)


# ---------------------------------------------------------------------------------------------------------------- verifying

Finding = tuple[bool, str]
"""Whether it is well, and what was looked at, in French."""


def verify(amont: Amont, fournisseur: Fournisseur) -> Iterator[Finding]:
    """What it announces, against what MAG will ask. Raises FournisseurRefuseError when nothing can be read."""
    known = read_now(amont, fournisseur.issuer)
    yield True, f"découverte lue : {known.authorization_endpoint}"
    published = amont.keys.get(Published(f"fournisseur:{fournisseur.code}", known.jwks_uri), None)
    yield published is not None, f"clés de signature : {len(published.keys) if published else 'illisibles'}"
    document = known.document
    yield _announced(document, "id_token_signing_alg_values_supported", fournisseur.algs, "signature du jeton d'identité")
    yield _announced(document, "token_endpoint_auth_methods_supported", (fournisseur.auth_method,), "authentification de MAG")
    if fournisseur.pkce:
        yield _announced(document, "code_challenge_methods_supported", ("S256",), "PKCE")
    for scope in fournisseur.scopes:
        if "scopes_supported" in document:
            yield _announced(document, "scopes_supported", (scope,), f"étendue {scope}")
    if fournisseur.acr_values:
        yield _announced(document, "acr_values_supported", fournisseur.acr_values, "niveaux demandés")
    if fournisseur.profile.signed_userinfo:
        yield _announced(document, "userinfo_signing_alg_values_supported", fournisseur.algs, "userinfo signé")
    yield known.says_iss, "l'émetteur se nomme dans ses réponses (RFC 9207)"
    yield bool(known.end_session_endpoint), "déconnexion chez le fournisseur"


def _announced(document: Mapping[str, Any], member: str, wanted: Sequence[str], what: str) -> Finding:
    given = document.get(member)
    found = [one for one in wanted if isinstance(given, list) and one in given]
    said = ", ".join(found) if found else f"{', '.join(wanted)} : non annoncé"
    return bool(found), f"{what} : {said}"
