"""From `donnees/` to the database: companies, catalogue, people, rights, partners. Done once; partners at each start.

Identities and rights are written a month in the past, so that rights with an opening delay are open.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any, Protocol

import idp.entreprises
from idp.authentication.password_change import change_password
from idp.authentication.passwords import Passwords
from idp.config import Settings
from idp.database import Connections, Version, Versions, db
from idp.declarants import cooptation, inscription
from idp.declarants.controles import imports
from idp.declarants.equipe import invitation
from idp.declarants.equipe.invitation import Invited
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Role
from idp.entreprises import rcd
from idp.entreprises.siret import Siret
from idp.entreprises.stock import stocks
from idp.ephemeral import Ephemeral
from idp.habilitations import attribution, catalogue, portefeuilles
from idp.habilitations.decision import read_catalogue
from idp.habilitations.droits import Droit, Rights
from idp.habilitations.gesture import Gesture
from idp.key_states import initialise
from idp.keys import Keyring
from idp.oidc.client_auth import Clients
from idp.oidc.signals.management import Streams
from idp.oidc.signals.outbox import SignalOutbox
from idp.seals import digest
from idp.support import enrolment
from idp.support.models import Fonction, Operateur
from partners import declaration
from partners.amont import fournisseurs
from partners.amont.fournisseurs import Declared, Usage
from partners.amont.models import Fournisseur
from partners.amont.relying import Amont
from partners.demo.lieux import Lieux
from partners.demo.secrets import DemoSecrets, public_half
from partners.models import Partenaire

DATA = Path(__file__).parent / "donnees"
SAMPLE = Path(idp.entreprises.__file__).parent / "data"
STOCKS = ("StockUniteLegale_utf8.csv", "StockEtablissement_utf8.csv")
PASSWORD = "Quatre merles sur un fil bleu"  # printed at each start: the demonstration hides nothing
LETTERS = {"d": Droit.DECLARER, "p": Droit.PAYER, "c": Droit.CONSULTER, "t": Droit.TELECHARGER_OFFICIEL}
ACTOR = "demonstration"
OPERATOR = "bureau@mag.demo"
JEDECLARE = "jedeclare"
"""The portal that has accounts of its own: its partner, its client and its provider have one name."""


class Components(Protocol):
    """What is needed of `http.Mag`."""

    @property
    def settings(self) -> Settings: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def ephemeral(self) -> Ephemeral: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def versions(self) -> Versions: ...
    @property
    def registry(self) -> Clients: ...
    @property
    def signals(self) -> SignalOutbox: ...


@dataclass(frozen=True, slots=True)
class Personne:
    """One of the people of the demonstration."""

    siret: Siret
    nom: str
    prenom: str
    cas: str
    given: Mapping[str, Any]

    @property
    def identite(self) -> Identite:
        return Identite(self.siret, self.nom, self.prenom)


def description() -> Mapping[str, Any]:
    return tomllib.loads((DATA / "identites.toml").read_text("utf-8"))


def people() -> list[Personne]:
    """In the order of the file."""
    return [Personne(Siret(one["siret"]), one["nom"], one["prenom"], one["cas"], one) for one in description()["identites"]]


def test_identities() -> str:
    """Value of MAG_TEST_IDENTITIES."""
    return ",".join(f"{one.siret}|{one.nom}|{one.prenom}" for one in people())


def populate(mag: Components, now: datetime) -> None:
    """Everything but the partners, in an empty, migrated database. Commits step by step: a stopped start begins anew."""
    initialise(mag.keyring, now)
    catalogue.refresh(catalogue.parse(catalogue.shipped()), now)
    db.session.commit()
    for folder in (SAMPLE, DATA):
        for name in STOCKS:
            for stock in stocks(folder / name):
                rcd.importer(mag.connections, stock, clock=lambda: datetime.now(UTC), advanced=lambda _: None)
    imports.importer_representants(DATA / "representants.csv", now, ACTOR, complet=False)
    db.session.commit()
    gesture = Gesture(None, read_catalogue(mag.connections), now - timedelta(days=30))
    passwords = Passwords(mag.settings, mag.keyring)
    by_name = {one.nom: inscribe(mag, passwords, one, gesture) for one in people()}
    for given in description()["portefeuilles"]:
        open_portfolio(gesture, given, by_name)
    db.session.commit()
    for given in description()["candidats"]:
        candidate(mag, passwords, given, now)
    for given in description()["invites"]:
        invited = Invited(Siret(given["siret"]), given["nom"], given["prenom"], given["email"], Role(given["role"]))
        invitation.inviter(by_name[given["par"]], invited, now, issuer=mag.settings.issuer)
    db.session.commit()


def open_streams(mag: Components, lieux: Lieux, now: datetime) -> None:
    """Each portal is told what happens to the accounts that it knows, at the address of its kit."""
    streams = Streams(mag.settings, mag.keyring, mag.signals.audience)
    mag.versions.refresh()
    for client_id, origin in (("declarez-facile", lieux.facile), ("portail-entreprises", lieux.entreprises)):
        client = mag.registry.find(client_id)
        if client is not None:
            streams.open_at(client, f"{origin}/auth/mag/signals", now)
    db.session.commit()


def candidate(mag: Components, passwords: Passwords, given: Mapping[str, Any], now: datetime) -> None:
    """Somebody who asks to administer, and waits for an administrator's answer."""
    identite = Identite(Siret(given["siret"]), given["nom"], given["prenom"])
    found = inscription.inscrire(
        identite, now, role=Role.ADMINISTRATEUR_DECLARANT, act=Act.INSCRIRE_CANDIDAT, by=By.SOI, email=given["email"], actor=ACTOR
    )
    change_password(mag.ephemeral, mag.settings, passwords, found, PASSWORD, now, actor=ACTOR)
    db.session.flush()
    cooptation.open_candidacy(found, now, issuer=mag.settings.issuer)


def desk_link(desk_url: str, now: datetime) -> str:
    """Where the operator of the demonstration enrols; empty once done. Commits."""
    found = Operateur.with_email(OPERATOR)
    if found is not None and found.active:
        return ""
    if found is None:
        token = enrolment.inviter("Opérateur de la démonstration", OPERATOR, list(Fonction), now, ACTOR)
    else:
        token = enrolment.relancer(found, now, ACTOR)
    db.session.commit()
    return f"{desk_url}/invitation/{token}"


def inscribe(mag: Components, passwords: Passwords, personne: Personne, gesture: Gesture) -> Declarant:
    """One person, the shared password, direct rights; suspended at the end when the file says so."""
    given, then = personne.given, gesture.now
    role, email, fonction = Role(given.get("role", "declarant")), given.get("email"), given.get("fonction")
    declarant = inscription.inscrire(personne.identite, then, role=role, email=email, fonction=fonction, actor=ACTOR)
    change_password(mag.ephemeral, mag.settings, passwords, declarant, PASSWORD, then, actor=ACTOR)
    for cible, rights in given.get("droits", {}).items():
        for service, droits in rights_of(rights).items():
            attribution.attribuer(gesture, declarant.id, int(cible), service, droits)
    for cible, rights in given.get("exclusions", {}).items():
        attribution.exclure(gesture, declarant.id, int(cible), rights_of(rights))
    if given.get("suspendu"):
        inscription.suspendre(declarant, then, actor=ACTOR)
    db.session.commit()
    return declarant


def rights_of(letters: Mapping[str, str]) -> Rights:
    """`{dsn = "dp"}` → rights."""
    return {service: frozenset(LETTERS[letter] for letter in text) for service, text in letters.items()}


def open_portfolio(gesture: Gesture, given: Mapping[str, Any], by_name: Mapping[str, Declarant]) -> None:
    """A portfolio, its clients and its members."""
    rights = rights_of(given["services"])
    portefeuille = portefeuilles.creer(gesture, int(given["siren"]), given["nom"], rights)
    clients = given.get("clients") or list(sirets(given["clients_du_prefixe"]))
    portefeuilles.ajouter_clients(gesture, portefeuille.id, [int(one) for one in clients], rights)
    for nom in given["membres"]:
        portefeuilles.ajouter_membre(gesture, portefeuille.id, by_name[nom].id)


def sirets(prefix: str) -> Iterator[str]:
    """SIRETs of the demonstration's own companies that begin so."""
    lines: Iterable[str] = (DATA / STOCKS[1]).read_text("utf-8").splitlines()[1:]
    return (siret for siret in (line.split(",")[2] for line in lines) if siret.startswith(prefix))


def declare_partners(lieux: Lieux, secrets: DemoSecrets, now: datetime) -> None:
    """Apply the partners' file for these addresses; leave the rest of the registry alone. Commits."""
    text = Template((DATA / "partenaires.toml").read_text("utf-8")).substitute(
        facile=lieux.facile,
        entreprises=lieux.entreprises,
        jedeclare=lieux.jedeclare,
        secret_sha256=digest(secrets.client_secret),
        jwks=jwks(secrets.private_key),
        jedeclare_jwks=jwks(secrets.jedeclare_private_key),
    )
    written = lieux.folder / "partenaires.toml"
    written.write_text(text, "utf-8")
    declaration.apply(declaration.read_declaration(text), now)
    Version.bump("catalogue")
    db.session.commit()


def jwks(private_key: dict[str, Any]) -> str:
    """Its public half, as TOML."""
    members = ", ".join(f"{name} = {json.dumps(value)}" for name, value in public_half(private_key).items())
    return f"{{ keys = [{{ {members} }}] }}"


def rely_on_jedeclare(amont: Amont, lieux: Lieux, secrets: DemoSecrets, now: datetime) -> None:
    """Its OpenID provider proves its accounts to MAG, as `mag amont ajouter` says it; it must listen. Commits."""
    found, partenaire = Fournisseur.named(JEDECLARE), Partenaire.with_code(JEDECLARE)
    if found is None:
        given = Declared(
            code=JEDECLARE,
            nom=JEDECLARE,
            profil="openid",
            issuer=lieux.jedeclare,
            client_id="mag",
            auth_method="client_secret_basic",
            secret=secrets.jedeclare_secret,
            usages=[Usage.RATTACHEMENT],
            algs=["ES256"],
            partenaire=partenaire,
        )
        fournisseurs.declare(amont, given, now)
    elif found.issuer != lieux.jedeclare:
        found.issuer = lieux.jedeclare  # other ports, the same folder
    db.session.commit()
