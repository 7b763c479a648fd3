"""`mag amont …`: the providers of identity above MAG. A secret is typed or read from a file, never an argument."""

from datetime import UTC, datetime
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from idp.console import answers
from idp.database import db
from partners import onboarding
from partners.amont import fournisseurs
from partners.amont.fournisseurs import Declared, Usage
from partners.amont.models import Fournisseur
from partners.amont.profils import PROFILS
from partners.amont.relying import KEYS, OUT, RETURN, Amont

READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)
METHODS = ("private_key_jwt", "client_secret_post", "client_secret_basic")


def here() -> Amont:
    return current_app.extensions["mag_amont"]  # type: ignore[no-any-return]  # Flask's extension dict is untyped


def now() -> datetime:
    return datetime.now(UTC)


@click.group()
def amont() -> None:
    """Fournisseurs d'identité au-dessus de MAG : ProConnect, FranceConnect, OpenID Connect."""


def secret_from(file: Path | None, method: str) -> str:
    """Typed when there is no file; none for `private_key_jwt`."""
    if file is not None:
        return file.read_text("utf-8").strip()
    return "" if method == "private_key_jwt" else str(click.prompt("Secret donné par le fournisseur", hide_input=True))


@amont.command()
@click.argument("code")
@click.option("--profil", type=click.Choice(tuple(PROFILS)), required=True, help="Ce que le fournisseur demande et promet.")
@click.option("--issuer", required=True, help="Émetteur, tel que son document de découverte le dit.")
@click.option("--client-id", required=True, help="Identifiant que le fournisseur a donné à MAG.")
@click.option("--nom", default="", help="Nom que les personnes lisent ; celui du profil sinon.")
@click.option("--auth", type=click.Choice(METHODS), default="private_key_jwt", show_default=True, help="Comment MAG s'authentifie.")
@click.option("--secret-fichier", "file", type=READABLE, help="Fichier du secret ; demandé au clavier sinon.")
@click.option("--usage", "usages", multiple=True, type=click.Choice([usage.value for usage in Usage]), help="À quoi il sert ; répétable.")
@click.option("--scope", "scopes", multiple=True, help="Étendues demandées, au lieu de celles du profil.")
@click.option("--acr", "acr_values", multiple=True, help="Niveaux demandés, au lieu de ceux du profil.")
@click.option("--alg", "algs", multiple=True, help="Signatures acceptées, au lieu de celles du profil.")
@click.option("--sans-pkce", is_flag=True, help="Le fournisseur refuse PKCE : nonce protège seul.")
@click.option("--partenaire", "owner", help="Code du partenaire à qui il appartient : il prouve ses comptes, rien d'autre.")
@with_appcontext
def ajouter(
    code: str,
    profil: str,
    issuer: str,
    client_id: str,
    nom: str,
    auth: str,
    file: Path | None,
    usages: tuple[str, ...],
    scopes: tuple[str, ...],
    acr_values: tuple[str, ...],
    algs: tuple[str, ...],
    sans_pkce: bool,
    owner: str | None,
) -> None:
    """Déclare un fournisseur, après lecture de son document de découverte."""
    secret = secret_from(file, auth)
    with answers():
        given = Declared(
            code=code,
            nom=nom or PROFILS[profil].nom or code,
            profil=profil,
            issuer=issuer,
            client_id=client_id,
            auth_method=auth,
            secret=secret,
            usages=usages,
            scopes=scopes,
            acr_values=acr_values,
            algs=algs,
            pkce=not sans_pkce,
            partenaire=onboarding.partenaire_named(owner) if owner else None,
        )
        made = fournisseurs.declare(here(), given, now())
        db.session.commit()
    issuer_of_mag = here().settings.issuer
    click.echo(f"{made.code} est en service. À déclarer chez lui :")
    click.echo(f"  adresse de retour       {issuer_of_mag}{RETURN}")
    click.echo(f"  après déconnexion       {issuer_of_mag}{OUT}")
    click.echo(f"  clés de MAG (jwks_uri)  {issuer_of_mag}{KEYS}/{made.code}")


@amont.command()
@with_appcontext
def lister() -> None:
    """Liste les fournisseurs, leur usage et leur état ; jamais un secret."""
    found = Fournisseur.every()
    for one in found:
        state = "" if one.lives else "  [coupé]"
        owner = f" (de {one.partenaire.code})" if one.partenaire else ""
        usages = ", ".join(one.reglages.get("usages", ())) or "aucun usage"
        click.echo(f"{one.code:<20} {one.profil:<14} {one.issuer}{owner} : {usages}{state}")
    if not found:
        click.echo("Aucun fournisseur.")


@amont.command()
@click.argument("code")
@with_appcontext
def verifier(code: str) -> None:
    """Lit ce que le fournisseur annonce et le compare à ce que MAG lui demandera."""
    with answers():
        findings = list(fournisseurs.verify(here(), fournisseurs.fournisseur_named(code)))
    for well, what in findings:
        click.echo(f"{'bien  ' if well else 'à voir'}  {what}")


@amont.command()
@click.argument("code")
@click.option("--rouvrir", is_flag=True, help="Le remettre en service.")
@with_appcontext
def couper(code: str, rouvrir: bool) -> None:
    """Coupe un fournisseur à l'instant : plus rien n'en vient. Ce qui fut prouvé reste."""
    with answers():
        changed = fournisseurs.cut(fournisseurs.fournisseur_named(code), now(), enabled=rouvrir)
        db.session.commit()
    state = "en service" if rouvrir else "coupé"
    click.echo(f"{code} est {state}." if changed else f"{code} était déjà {state}.")


@amont.command()
@click.argument("code")
@click.option("--secret-fichier", "file", type=READABLE, help="Fichier du nouveau secret ; demandé au clavier sinon.")
@with_appcontext
def renouveler(code: str, file: Path | None) -> None:
    """Remplace le secret que le fournisseur connaît, ou les clés de MAG là où il n'y a pas de secret."""
    with answers():
        found = fournisseurs.fournisseur_named(code)
        fournisseurs.renew(here().seals, found, secret_from(file, found.auth_method), now())
        db.session.commit()
    click.echo("C'est fait." if found.secret_sealed else "C'est fait : le fournisseur lira les nouvelles clés à la même adresse.")


COMMANDS = (amont,)
