"""`mag saml …`: service providers and the keys that sign what they are told. For operators."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from idp import http
from idp.config import Settings
from idp.console import answers
from idp.database import db
from idp.keys import KeyState
from idp.saml import keyring
from idp.saml.models import SamlKey
from idp.saml.signature import fingerprint, read_pem
from idp.saml.sso import metadata_of
from partners import onboarding as partenaires
from partners.outgoing import Fetcher
from partners.saml import onboarding
from partners.saml.models import FournisseurDeService

READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)
PAGES = {
    "logo": ("logo", "Adresse du logo, montré avec le nom du site"),
    "confidentialite": ("policy", "Adresse de sa politique de confidentialité"),
    "conditions": ("tos", "Adresse de ses conditions d'utilisation"),
}
"""Options for what pages show of a site; without them, what its metadata say (mdui)."""
KINDS = ("application/samlmetadata+xml", "application/xml", "text/xml")


@click.group()
def saml() -> None:
    """SAML 2.0 : fournisseurs de service, clés de signature, surveillance des échéances."""


def choices(command: Callable[..., Any]) -> Callable[..., Any]:
    """What an operator decides for a service provider; what is not given is left as it is."""
    options = (
        click.option("--portee", multiple=True, help="Ce qui peut être transmis : profile, email, siret, habilitations:dsn… Répétable."),
        click.option("--nameid", multiple=True, type=click.Choice(["persistent", "transient"]), help="Formats, le premier par défaut."),
        click.option("--signer", multiple=True, type=click.Choice(["response", "assertion"]), help="Ce qui est signé ; les deux sinon."),
        click.option("--alg", type=click.Choice(keyring.ALGORITHMS), help="RS256 (par défaut) ou ES256."),
        click.option("--chiffrer/--sans-chiffrer", default=None, help="Chiffre les assertions (AES-GCM, RSA-OAEP)."),
        click.option("--signature/--sans-signature", default=None, help="Exige, ou non, des demandes signées."),
        click.option("--accord/--sans-accord", default=None, help="Demande l'accord de la personne."),
        click.option("--initie/--non-initie", default=None, help="MAG peut commencer (/saml/vers/CODE)."),
        click.option("--secteur", help="Secteur des identifiants persistants, celui d'un client OpenID Connect du même partenaire."),
        *(click.option(f"--{name}", name, help=f"{words} ; vide, n'en montre pas.") for name, (_, words) in PAGES.items()),
        click.option("--borne", type=click.IntRange(0), help="Plus grand nombre d'établissements listés dans les droits."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen(given: dict[str, Any]) -> dict[str, Any]:
    """Of the options above, in the words of the table."""
    uris = {key: given[name] for name, (key, _) in PAGES.items() if given[name] is not None}
    found = {
        "scope": list(given["portee"]) or None,
        "name_id": list(given["nameid"]) or None,
        "sign": list(given["signer"]) or None,
        "alg": given["alg"],
        "encrypt": given["chiffrer"],
        "require_signed": given["signature"],
        "first_party": None if given["accord"] is None else not given["accord"],
        "idp_initiated": given["initie"],
        "sector": given["secteur"],
        "hab_bound": given["borne"],
        "uris": uris or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def now() -> datetime:
    return datetime.now(UTC)


def settings() -> Settings:
    return http.mag().settings


def fetch(url: str) -> bytes:
    return Fetcher(settings()).document(url, KINDS)


@saml.command()
@with_appcontext
@answers()
def lister() -> None:
    """Liste les fournisseurs de service."""
    found = FournisseurDeService.every()
    for one in found:
        end = f"  valable jusqu'au {one.valid_until:%d/%m/%Y}" if one.valid_until else ""
        click.echo(f"{one.code:<24} {one.entity_id}  ({one.partenaire.code}){end}{'' if one.enabled else '  [désactivé]'}")
    if not found:
        click.echo("Aucun fournisseur de service.")


@saml.command()
@click.argument("code")
@with_appcontext
@answers()
def montrer(code: str) -> None:
    """Montre un fournisseur de service : ce que disent ses métadonnées, ce que l'exploitant a décidé."""
    one = onboarding.provider_named(code)
    click.echo(f"{one.code} : {one.nom} (partenaire {one.partenaire.code}){'' if one.enabled else '  [désactivé]'}\n{one.entity_id}")
    for index, url, default in one.described["acs"]:
        click.echo(f"  réponses   {index}  {url}{'  (par défaut)' if default else ''}")
    for _, url, _ in one.described["slo"]:
        click.echo(f"  sorties       {url}")
    for name, value in sorted(one.described.get("uris", {}).items()):
        click.echo(f"  {name:<10}    {value}")
    for name, value in sorted(one.choices.items()):
        click.echo(f"  {name} : {value}")
    click.echo(f"Métadonnées lues le {one.read_at:%d/%m/%Y}{' à ' + one.source_url if one.source_url else ''}")


@saml.command()
@click.argument("partenaire")
@click.argument("code", required=False)
@click.option("--nom", help="Nom du site, tel que les déclarants le lisent ; celui du partenaire sinon.")
@click.option("--fichier", type=READABLE, help="Métadonnées du fournisseur de service.")
@click.option(
    "--dossier", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Un fichier .xml par fournisseur de service."
)
@click.option("--url", help="Adresse de ses métadonnées ; relues chaque jour si --certificat est donné.")
@click.option("--certificat", type=READABLE, help="Certificat (PEM) qui doit signer les métadonnées.")
@choices
@with_appcontext
@answers()
def inscrire(
    partenaire: str,
    code: str | None,
    nom: str | None,
    fichier: Path | None,
    dossier: Path | None,
    url: str | None,
    certificat: Path | None,
    **given: Any,
) -> None:
    """Inscrit un fournisseur de service d'un partenaire, d'après ses métadonnées."""
    if [bool(fichier), bool(dossier), bool(url)].count(True) != 1 or (dossier is None) != bool(code):
        raise click.UsageError("Donnez CODE avec --fichier ou --url, ou --dossier sans CODE.")
    owner, pinned = partenaires.partenaire_named(partenaire), read_pem(certificat.read_bytes()) if certificat else None
    if url:
        sources = [(code or "", fetch(url))]
    else:
        sources = list(onboarding.in_folder(dossier)) if dossier else [(code or "", fichier.read_bytes() if fichier else b"")]
    for key in keyring.initialise(http.mag().keyring, settings(), now()):
        click.echo(f"Clé {key.alg} créée ({key.state}) : {key.kid[:16]}…")
    for name, raw in sources:
        made = onboarding.register(settings(), owner, name, nom or owner.nom, raw, chosen(given), now(), source_url=url, pinned=pinned)
        click.echo(f"{made.code} inscrit : {made.entity_id}")
    db.session.commit()


@saml.command()
@click.argument("code")
@choices
@with_appcontext
@answers()
def modifier(code: str, **given: Any) -> None:
    """Change ce que l'exploitant a décidé pour un fournisseur de service."""
    onboarding.choose(onboarding.provider_named(code), None, chosen(given), now())
    db.session.commit()
    click.echo(f"{code} modifié.")


@saml.command()
@click.argument("code")
@click.option("--fichier", type=READABLE, help="Nouvelles métadonnées ; sinon, celles de l'adresse inscrite.")
@with_appcontext
@answers()
def relire(code: str, fichier: Path | None) -> None:
    """Relit les métadonnées d'un fournisseur de service."""
    found = onboarding.provider_named(code)
    if fichier is None and not found.source_url:
        raise click.UsageError("Ce fournisseur de service n'a pas d'adresse : donnez --fichier.")
    changed = onboarding.read_again(settings(), found, fichier.read_bytes() if fichier else fetch(found.source_url or ""), now())
    db.session.commit()
    click.echo(f"{code} : métadonnées {'changées' if changed else 'inchangées'}.")


@saml.command()
@click.argument("code")
@with_appcontext
@answers()
def desactiver(code: str) -> None:
    """Désactive un fournisseur de service."""
    onboarding.set_enabled(onboarding.provider_named(code), False, now())
    db.session.commit()
    click.echo(f"{code} désactivé.")


@saml.command()
@click.argument("code")
@with_appcontext
@answers()
def activer(code: str) -> None:
    """Active un fournisseur de service."""
    onboarding.set_enabled(onboarding.provider_named(code), True, now())
    db.session.commit()
    click.echo(f"{code} activé.")


@saml.command()
@click.argument("code")
@with_appcontext
@answers()
def retirer(code: str) -> None:
    """Oublie un fournisseur de service."""
    onboarding.remove(onboarding.provider_named(code), now())
    db.session.commit()
    click.echo(f"{code} retiré.")


@saml.command()
@with_appcontext
@answers()
def entretenir() -> None:
    """Une fois par jour : relit les métadonnées publiées et signées, prévient des échéances, change les clés qui vont finir."""
    done = onboarding.watch(settings(), fetch, now())
    changed = keyring.keep_up(http.mag().keyring, settings(), now())
    db.session.commit()
    click.echo(f"{done.read} relues, {done.changed} changées, {done.warned} partenaires prévenus, {len(changed)} clés changées.")
    for failure in done.failed:
        click.echo(f"  {failure}", err=True)


@saml.command()
@with_appcontext
@answers()
def metadonnees() -> None:
    """Affiche les métadonnées de MAG, telles que publiées."""
    click.echo(metadata_of(http.mag(), now()).decode())


# ----------------------------------------------------------------------------------------------------------------- keys


@saml.group()
def cles() -> None:
    """Clés qui signent les réponses SAML, et leurs certificats."""


@cles.command("creer")
@with_appcontext
@answers()
def create_keys() -> None:
    """Crée ce qui manque : une clé active et une suivante par algorithme."""
    made = keyring.initialise(http.mag().keyring, settings(), now())
    db.session.commit()
    for key in made:
        click.echo(f"{key.alg} {key.state} {key.kid}")
    if not made:
        click.echo("Rien ne manque.")


@cles.command("lister")
@with_appcontext
@answers()
def list_keys() -> None:
    """Liste les clés : état, échéance du certificat, empreinte."""
    for key in SamlKey.every():
        click.echo(f"{key.alg}  {key.state:<8} jusqu'au {key.expires_at:%d/%m/%Y}  SHA-256 {fingerprint(key.certificate)}")


@cles.command("changer")
@click.argument("alg", type=click.Choice(keyring.ALGORITHMS))
@click.option("--urgence", is_flag=True, help="Sans attendre que la clé suivante soit publiée depuis sept jours.")
@with_appcontext
@answers()
def change_key(alg: str, urgence: bool) -> None:
    """La clé suivante signe désormais, une autre est publiée à son tour."""
    active, following = keyring.rotate(http.mag().keyring, settings(), alg, now(), emergency=urgence)
    db.session.commit()
    click.echo(f"{alg} : {active.kid[:16]}… signe ({KeyState.ACTIVE}) ; {following.kid[:16]}… est publiée ({KeyState.NEXT}).")


COMMANDS = (saml,)
