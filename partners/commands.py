"""`mag partenaires …`: what an operator does to partners and their clients. Secrets are shown once, on standard output."""

import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext

from idp.audit import journal
from idp.audit.events import SubjectsImported
from idp.database import db
from idp.errors import MagError
from idp.oidc.profiles import PROFILES
from idp.oidc.subject_import import import_subjects
from idp.seals import Seals
from partners import admission, client_list, declaration, onboarding, profile_table
from partners.models import InitialToken, OAuthClient, Partenaire
from partners.outgoing import Fetcher
from partners.terms import read_terms

P = ParamSpec("P")
R = TypeVar("R")
READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)


def act(command: Callable[P, R]) -> Callable[P, R]:
    """A refusal rolls back and becomes one sentence, without a trace."""

    @with_appcontext
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except MagError as error:
            db.session.rollback()
            raise click.ClickException(onboarding.sentence_of(error) if error.status < 500 else str(error)) from error

    return wrapped


def now() -> datetime:
    return datetime.now(UTC)


def sector() -> Callable[[str], Any]:
    return Fetcher(current_app.extensions["mag"].settings).json


def seals() -> Seals:
    found: Seals = current_app.extensions["mag"].keyring
    return found


@click.group()
def partenaires() -> None:
    """Partenaires : inscription, clients OpenID Connect, secrets."""


@partenaires.command()
@act
def lister() -> None:
    """Liste les partenaires et leurs clients."""
    found = Partenaire.every()
    for partenaire in found:
        click.echo(f"{partenaire.code:<24} {partenaire.nom}{state(partenaire)}")
        for client in partenaire.clients:
            name = client.client_metadata.get("client_name", "")
            click.echo(f"  {client.client_id:<40} {name}{state(client)}")
    if not found:
        click.echo("Aucun partenaire.")


def state(target: Partenaire | OAuthClient) -> str:
    return "" if target.enabled else "  [désactivé]"


@partenaires.command()
@click.argument("nom")
@act
def montrer(nom: str) -> None:
    """Montre un partenaire (par son code) ou un client (par son identifiant) ; jamais un secret."""
    client = db.session.get(OAuthClient, nom)
    if client is not None:
        show_client(client)
        return
    partenaire = onboarding.partenaire_named(nom)
    click.echo(f"{partenaire.code} : {partenaire.nom}{state(partenaire)}")
    click.echo(f"Contact : {partenaire.contact or 'aucun'}\nDepuis le {partenaire.created_at:%d/%m/%Y}\n")
    for one in partenaire.clients:
        show_client(one)


def show_client(client: OAuthClient) -> None:
    click.echo(f"{client.client_id} (partenaire {client.partenaire.code}){state(client)}")
    click.echo(json.dumps(client.client_metadata, ensure_ascii=False, indent=2, sort_keys=True))
    for secret in onboarding.live_secrets(client, now()):
        until = f"jusqu'au {secret.expires_at:%d/%m/%Y à %H:%M} UTC" if secret.expires_at else "sans échéance"
        click.echo(f"Secret du {secret.created_at:%d/%m/%Y à %H:%M} UTC, {until} (SHA-256 : {secret.secret_hash[:12]}…)")
    click.echo()


@partenaires.command()
@click.argument("code")
@click.option("--nom", help="Nom du partenaire, tel que les déclarants le lisent. Obligatoire pour un nouveau partenaire.")
@click.option("--contact", help="Adresse électronique de contact.")
@click.option("--client", "metadata_file", type=READABLE, help="Fichier JSON : les métadonnées du client, dans les termes de la RFC 7591.")
@click.option("--client-id", help="Identifiant du client ; tiré au hasard sinon.")
@act
def inscrire(code: str, nom: str | None, contact: str | None, metadata_file: Path | None, client_id: str | None) -> None:
    """Inscrit un partenaire (avec --nom) et, avec --client, un de ses clients ; affiche une seule fois le secret.

    Sans id_token_signed_response_alg dans le fichier, ES256 est inscrit.
    """
    if nom is None and metadata_file is None:
        raise click.UsageError("Donnez --nom pour un nouveau partenaire, --client pour un nouveau client.")
    partenaire = onboarding.register_partenaire(code, nom, contact, now()) if nom else onboarding.partenaire_named(code)
    made, given = None, read_metadata(metadata_file) if metadata_file else {}
    if metadata_file is not None:
        metadata = onboarding.with_alg(given, onboarding.PROPOSED_ALG)
        made = onboarding.register_client(partenaire, metadata, now(), client_id=client_id, fetch_sector=sector(), seals=seals())
    db.session.commit()
    click.echo(f"Partenaire {partenaire.code} : {partenaire.nom}")
    if made is not None:
        show_secret(made[0].client_id, made[1])
        if onboarding.ID_TOKEN_ALG not in given:
            click.echo(f"Le fichier ne dit rien de {onboarding.ID_TOKEN_ALG} : {onboarding.PROPOSED_ALG} est inscrit.")


def read_metadata(file: Path) -> dict[str, Any]:
    try:
        metadata = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{file} n'est pas du JSON : {error}") from error
    if not isinstance(metadata, dict):
        raise click.ClickException(f"{file} doit contenir un objet JSON.")
    return metadata


def show_secret(client_id: str, secret: str | None) -> None:
    click.echo(f"client_id     : {client_id}")
    if secret is not None:
        click.echo(f"client_secret : {secret}")
        click.echo("Ce secret ne sera plus jamais affiché : transmettez-le par un canal sûr.")


@partenaires.command()
@click.argument("nom")
@click.option("--nom-affiche", help="Nouveau nom du partenaire.")
@click.option("--contact", help="Nouvelle adresse de contact.")
@click.option("--client", "metadata_file", type=READABLE, help="Fichier JSON : les métadonnées du client, toutes remplacées.")
@act
def modifier(nom: str, nom_affiche: str | None, contact: str | None, metadata_file: Path | None) -> None:
    """Modifie un partenaire (par son code) ou un client (par son identifiant).

    Sans id_token_signed_response_alg dans le fichier, celui qui est inscrit reste.
    """
    if metadata_file is not None:
        client = onboarding.client_named(nom)
        metadata = onboarding.with_alg(read_metadata(metadata_file), client.client_metadata.get(onboarding.ID_TOKEN_ALG))
        changed = onboarding.change_client(client, metadata, now(), fetch_sector=sector())
    else:
        given = {name: value for name, value in {"nom": nom_affiche, "contact": contact}.items() if value is not None}
        changed = onboarding.change_partenaire(onboarding.partenaire_named(nom), given, now())
    db.session.commit()
    click.echo(f"Modifié : {', '.join(changed)}." if changed else "Rien à modifier.")


def target_named(name: str) -> Partenaire | OAuthClient:
    return db.session.get(OAuthClient, name) or onboarding.partenaire_named(name)


@partenaires.command()
@click.argument("nom")
@act
def desactiver(nom: str) -> None:
    """Arrête un client, ou tous ceux d'un partenaire : partout, en une seconde."""
    done = onboarding.switch(target_named(nom), now(), enabled=False)
    db.session.commit()
    click.echo(f"{nom} est désactivé." if done else f"{nom} était déjà désactivé.")


@partenaires.command()
@click.argument("nom")
@act
def reactiver(nom: str) -> None:
    """Remet en service un client ou un partenaire désactivé."""
    done = onboarding.switch(target_named(nom), now(), enabled=True)
    db.session.commit()
    click.echo(f"{nom} est réactivé." if done else f"{nom} était déjà actif.")


@partenaires.command()
@click.argument("client_id")
@click.option("--jours", type=click.IntRange(0, 90), help="Jours pendant lesquels le secret précédent reste valable ; sans limite sinon.")
@act
def secret(client_id: str, jours: int | None) -> None:
    """Donne un nouveau secret à un client ; le précédent reste valable le temps de la bascule."""
    overlap = None if jours is None else timedelta(days=jours)
    made = onboarding.rotate_secret(onboarding.client_named(client_id), now(), overlap=overlap, seals=seals())
    db.session.commit()
    show_secret(client_id, made)


@partenaires.command("retirer-secret")
@click.argument("client_id")
@act
def retirer_secret(client_id: str) -> None:
    """Met fin au secret précédent d'un client : seul le plus récent reste valable."""
    count = onboarding.retire_secrets(onboarding.client_named(client_id), now())
    db.session.commit()
    click.echo("Le secret précédent n'est plus valable." if count else "Ce client n'a qu'un secret : rien à retirer.")


@partenaires.command()
@click.argument("fichier", type=READABLE)
@click.option("--oui", is_flag=True, help="Applique sans demander.")
@click.option("--a-blanc", is_flag=True, help="Montre les différences sans rien changer.")
@click.option("--desactiver-absents", is_flag=True, help="Désactive ce que le fichier ne nomme pas.")
@act
def appliquer(fichier: Path, *, oui: bool, a_blanc: bool, desactiver_absents: bool) -> None:
    """Applique un fichier TOML qui décrit les partenaires ; montre d'abord ce qui changera."""
    declared = declaration.read_declaration(fichier.read_text("utf-8", errors="replace"))
    applied = declaration.apply(declared, now(), disable_absent=desactiver_absents, fetch_sector=sector(), seals=seals())
    click.echo("\n".join(applied.changes) or "Rien à changer.")
    if applied.absent and not desactiver_absents:
        click.echo(f"Absents du fichier, laissés tels quels : {', '.join(applied.absent)}.")
    if not applied.changes or a_blanc or not (oui or click.confirm("Appliquer ?")):
        db.session.rollback()
        return
    db.session.commit()
    for client_id, made in applied.secrets.items():
        show_secret(client_id, made)


@partenaires.command()
@click.argument("fichier", type=READABLE)
@click.option("--partenaire", "code", required=True, help="Code du partenaire à qui appartiennent ces clients.")
@act
def importer(fichier: Path, code: str) -> None:
    """Importe une liste JSON de clients (RFC 7591), avec leurs identifiants et leurs secrets ; tout ou rien."""
    partenaire = onboarding.partenaire_named(code)
    given = client_list.read_clients(fichier.read_bytes())
    made = client_list.import_clients(partenaire, given, now(), fetch_sector=sector(), seals=seals())
    db.session.commit()
    for client_id, one in made:
        show_secret(client_id, one)
    click.echo(f"Clients importés : {len(made)}.")


# --------------------------------------------------------------------------------------------- clients that register themselves


@partenaires.command("importer-subs")
@click.argument("client_id")
@click.argument("fichier", type=READABLE)
@act
def importer_subs(client_id: str, fichier: Path) -> None:
    """Importe les « sub » par lesquels un partenaire connaît déjà ses utilisateurs, pour tout le secteur de ce client.

    Fichier CSV en UTF-8 : « uid,sub » ou « siret,nom,prenom,sub ». Une ligne déjà importée ne change rien ; une ligne refusée
    est écrite sur la sortie d'erreur (numéro, tabulation, motif), les autres sont importées.
    """
    client = current_app.extensions["mag"].registry.find(client_id)
    if client is None or client.subject_type == "public":
        raise click.ClickException(f"{client_id} n'est pas un client actif dont les « sub » sont propres à son secteur.")
    with fichier.open(encoding="utf-8", newline="") as source:
        bilan = import_subjects(client.sector, source)
    event = SubjectsImported(sector=client.sector, written=bilan.written, refused=len(bilan.refused), client_id=client_id, actor="commande")
    journal.record(event)
    db.session.commit()
    for number, reason in bilan.refused:
        click.echo(f"{number}\t{reason}", err=True)
    click.echo(f"{bilan.written} « sub » importés, {bilan.unchanged} déjà connus, {len(bilan.refused)} lignes refusées.")


def terms_options(command: Callable[P, R]) -> Callable[P, R]:
    """What clients may then choose among."""
    profil = click.option("--profil", "profils", multiple=True, help="Profil permis ; le premier est pris par défaut. openid sinon.")
    portee = click.option("--portee", "portees", multiple=True, help="Portée permise en plus des portées d'identité : habilitations:dsn…")
    grant = click.option("--grant", "grants", multiple=True, help="Grant permis en plus des grants ordinaires.")
    return profil(portee(grant(command)))


@partenaires.command("jeton-initial")
@click.argument("code")
@click.option("--jours", default=7, show_default=True, type=click.IntRange(1, 366), help="Jours pendant lesquels il sert.")
@click.option("--usages", default=1, show_default=True, type=click.IntRange(1, 100_000), help="Clients qu'il permet d'enregistrer.")
@terms_options
@act
def jeton_initial(code: str, jours: int, usages: int, profils: tuple[str, ...], portees: tuple[str, ...], grants: tuple[str, ...]) -> None:
    """Fabrique un jeton avec lequel un partenaire enregistre lui-même ses clients (RFC 7591) ; affiché une seule fois."""
    terms = read_terms(profils, portees, grants)
    made = admission.make_initial_token(onboarding.partenaire_named(code), terms, usages, timedelta(days=jours), now())
    db.session.commit()
    click.echo(f"jeton initial : {made}")
    click.echo(f"Adresse       : {current_app.extensions['mag'].settings.issuer}/reg")
    click.echo(f"Profils       : {', '.join(terms.profiles)}")
    click.echo("Ce jeton ne sera plus jamais affiché : transmettez-le par un canal sûr.")


@partenaires.command("jetons-initiaux")
@act
def jetons_initiaux() -> None:
    """Liste les jetons initiaux, jamais leur valeur."""
    for one in InitialToken.every():
        profiles = ", ".join(one.terms["profiles"])
        click.echo(
            f"{one.id:<6} {one.partenaire.code:<24} {one.uses_left} usage(s) jusqu'au {one.expires_at:%d/%m/%Y à %H:%M} UTC  {profiles}"
        )


@partenaires.command("retirer-jeton-initial")
@click.argument("numero", type=int)
@act
def retirer_jeton_initial(numero: int) -> None:
    """Met fin à un jeton initial, par son numéro ; les clients déjà enregistrés restent."""
    admission.withdraw_initial_token(numero, now())
    db.session.commit()
    click.echo(f"Le jeton initial {numero} n'ouvre plus rien.")


@partenaires.command()
@click.argument("code")
@click.option("--iss", required=True, help="Nom de l'éditeur dans ses déclarations (iss).")
@click.option("--alg", required=True, help="Algorithme de ses signatures, et lui seul.")
@click.option("--cles", "keys_file", required=True, type=READABLE, help="Fichier JSON : ses clés publiques (JWK Set).")
@terms_options
@act
def editeur(
    code: str, iss: str, alg: str, keys_file: Path, profils: tuple[str, ...], portees: tuple[str, ...], grants: tuple[str, ...]
) -> None:
    """Reconnaît un éditeur : les clients munis d'une de ses déclarations signées (RFC 7591, 2.3) s'enregistrent eux-mêmes."""
    partenaire, terms = onboarding.partenaire_named(code), read_terms(profils, portees, grants)
    admission.register_publisher(partenaire, iss, alg, read_metadata(keys_file), terms, now())
    db.session.commit()
    click.echo(f"Les déclarations de {iss} sont reconnues ; ses clients sont ceux du partenaire {code}.")


@partenaires.command("retirer-editeur")
@click.argument("iss")
@act
def retirer_editeur(iss: str) -> None:
    """Ne reconnaît plus les déclarations d'un éditeur ; les clients déjà enregistrés restent."""
    admission.stop_publisher(iss, now())
    db.session.commit()
    click.echo(f"Les déclarations de {iss} ne sont plus reconnues.")


@partenaires.command()
@click.option("--markdown", "document", is_flag=True, help="Le document docs/profils.md tout entier.")
def profils(document: bool) -> None:
    """Ce que chaque profil de client exige et tolère."""
    click.echo(profile_table.markdown() if document else "\n".join(f"{p.name:<16} {p.says}" for p in PROFILES.values()), nl=not document)


COMMANDS = (partenaires,)
