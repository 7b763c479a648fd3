"""`mag signaux recus …`: who sends MAG security events, what each may cause, what came. A secret is shown once, or read from a file."""

from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
from flask import current_app
from flask.cli import with_appcontext

from idp import http
from idp.console import answers
from idp.database import db
from idp.notifications.messages import in_words
from idp.oidc.reception import conduite
from idp.oidc.reception.models import REFUS, Emetteur, SignalRecu
from idp.oidc.reception.personnes import Sujet
from idp.oidc.reception.vocabulary import FAITS, MOTIFS, TYPES, WORDS, Effet, Motif
from partners.emetteurs import declaration
from partners.emetteurs.declaration import ACTOR, DAILY, HOURLY, Declare, Means

READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)
SHOWN = 50
POLICY_HELP = f"Effet d'un type d'événement, `type=effet` ; répétable. Effets : {', '.join(Effet)}."


def means() -> Means:
    mag = http.mag()
    return Means(mag.settings, mag.keyring, current_app.extensions["mag_amont"].fetcher, mag.signals.audience)


def now() -> datetime:
    return datetime.now(UTC)


@click.group()
def recus() -> None:
    """Événements de sécurité que d'autres envoient à MAG : émetteurs, politique, ce qui est reçu."""


@recus.command()
@click.argument("code")
@click.option("--issuer", required=True, help="Émetteur (iss) de ses jetons ; MAG y lit sa configuration SSF si aucune clé n'est donnée.")
@click.option("--partenaire", default="", help="Code du partenaire à qui il est.")
@click.option("--fournisseur", default="", help="Code du fournisseur d'identité à qui il est.")
@click.option("--nom", default="", help="Nom que les personnes lisent ; celui du partenaire sinon.")
@click.option("--audience", default="", help="Audience (aud) de ses jetons ; l'adresse de réception de MAG sinon.")
@click.option("--jwks-uri", default="", help="Adresse de ses clés publiques.")
@click.option("--jwks-fichier", type=READABLE, help="Fichier JWKS de ses clés publiques.")
@click.option("--jeton", is_flag=True, help="Il pousse avec un jeton d'accès du partenaire (ssf.send), au lieu d'un secret.")
@click.option("--relever", "releve_url", default="", help="MAG relève à cette adresse (RFC 8936), au lieu de recevoir.")
@click.option("--autorisation-fichier", type=READABLE, help="Fichier de l'en-tête Authorization des appels de MAG.")
@click.option("--flux", default="", help="Nom du flux de MAG chez lui, pour l'essayer.")
@click.option(
    "--sujet",
    "sujets",
    multiple=True,
    type=click.Choice([sujet.value for sujet in Sujet]),
    help="Comment il désigne les personnes ; répétable.",
)
@click.option("--politique", multiple=True, help=POLICY_HELP)
@click.option("--plafond-heure", default=HOURLY, show_default=True, help="Personnes touchées en une heure, au plus.")
@click.option("--plafond-jour", default=DAILY, show_default=True, help="Personnes touchées en un jour, au plus.")
@with_appcontext
def ajouter(
    code: str,
    issuer: str,
    partenaire: str,
    fournisseur: str,
    nom: str,
    audience: str,
    jwks_uri: str,
    jwks_fichier: Path | None,
    jeton: bool,
    releve_url: str,
    autorisation_fichier: Path | None,
    flux: str,
    sujets: tuple[str, ...],
    politique: tuple[str, ...],
    plafond_heure: int,
    plafond_jour: int,
) -> None:
    """Déclare un émetteur : tout est noté, rien n'est fait, tant que la politique ne dit pas autre chose."""
    with answers():
        given = Declare(
            code=code,
            issuer=issuer,
            nom=nom,
            partenaire=partenaire,
            fournisseur=fournisseur,
            audience=audience,
            jwks_uri=jwks_uri,
            jwks=json_of(jwks_fichier),
            releve_url=releve_url,
            autorisation=line_of(autorisation_fichier),
            with_token=jeton,
            flux=flux,
            sujets=sujets or ((Sujet.COMPTE,) if fournisseur else (Sujet.MAG,)),
            politique=politique,
            plafond_heure=plafond_heure,
            plafond_jour=plafond_jour,
        )
        made = declaration.declare(means(), given, now())
        db.session.commit()
    declaration.make_known(means(), made.emetteur)
    _announce(made.emetteur, made.secret)


def json_of(file: Path | None) -> object:
    if file is None:
        return None
    try:
        return orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"{file} n'est pas du JSON.") from error


def line_of(file: Path | None) -> str:
    return file.read_text("utf-8").strip() if file else ""


def _announce(emetteur: Emetteur, secret: str) -> None:
    click.echo(f"{emetteur.code} est en service.")
    click.echo(f"  audience (aud)   {emetteur.audience}")
    if emetteur.is_fetched:
        click.echo(f"  MAG relève à     {emetteur.releve_url}")
        return
    click.echo(f"  il pousse à      {means().settings.issuer}/ssf/v1/events/{emetteur.code}")
    click.echo(f"  avec             {'Authorization: Bearer ' + secret if secret else 'un jeton de la portée ssf.send'}")
    if secret:
        click.echo("Ce secret ne sera plus affiché.")


@recus.command()
@with_appcontext
def lister() -> None:
    """Liste les émetteurs : état, façon d'envoyer, dernier événement, alerte."""
    found = Emetteur.every()
    for one in found:
        how = f"relevé à {one.releve_url}" if one.is_fetched else "pousse"
        state = "" if one.enabled else "  [coupé]"
        alert = f"  [ALERTE depuis le {in_words(one.alerte_at)}]" if one.alerte_at else ""
        heard = f"dernier le {in_words(one.heard_at)}" if one.heard_at else "rien reçu"
        failed = f" ; dernier échec : {one.failure}" if one.failure else ""
        click.echo(f"{one.code:<20} {one.issuer}  {how} : {heard}{failed}{state}{alert}")
    if not found:
        click.echo("Aucun émetteur.")


@recus.command()
@click.argument("code")
@with_appcontext
def voir(code: str) -> None:
    """Montre la politique d'un émetteur et ce qu'il a envoyé, le plus récent d'abord."""
    with answers():
        found = conduite.named(code)
    click.echo(f"Plafonds : {found.plafond_heure} personnes par heure, {found.plafond_jour} par jour.")
    for name in TYPES:
        click.echo(f"  {name:<36} {found.wants(name)}")
    for row in SignalRecu.latest(found.id, SHOWN):
        what = WORDS.get(row.kind, row.kind) or "Jeton"
        done = "REFUSÉ" if row.effet == REFUS else FAITS[Effet(row.effet)]
        why = row.motif if row.effet == REFUS else MOTIFS.get(Motif(row.motif), "")
        who = f"  personne {row.declarant_id}" if row.declarant_id else ""
        click.echo(f"{in_words(row.received_at)}  {what}{who} : {done}{' (' + why + ')' if why else ''}")


@recus.command()
@click.argument("code")
@click.argument("effets", nargs=-1, required=True)
@with_appcontext
def politique(code: str, effets: tuple[str, ...]) -> None:
    """Change ce que des événements causent : `credential-compromise=fermer`. Ce qui n'est pas nommé reste."""
    with answers():
        found = conduite.named(code)
        conduite.change_policy(found, effets, now(), ACTOR)
        db.session.commit()
    for name in TYPES:
        click.echo(f"{name:<36} {found.wants(name)}")


@recus.command()
@click.argument("code")
@click.option("--heure", type=int, required=True, help="Personnes touchées en une heure, au plus.")
@click.option("--jour", type=int, required=True, help="Personnes touchées en un jour, au plus.")
@with_appcontext
def plafonds(code: str, heure: int, jour: int) -> None:
    """Change le nombre de personnes qu'un émetteur peut toucher ; au-delà, ses événements sont notés."""
    with answers():
        conduite.change_limits(conduite.named(code), heure, jour, now(), ACTOR)
        db.session.commit()
    click.echo("C'est fait.")


@recus.command()
@click.argument("code")
@click.option("--rouvrir", is_flag=True, help="Le remettre en service.")
@with_appcontext
def couper(code: str, rouvrir: bool) -> None:
    """Coupe un émetteur à l'instant : plus rien n'en est reçu ni relevé."""
    with answers():
        found = conduite.named(code)
        changed = conduite.cut(found, now(), ACTOR, enabled=rouvrir)
        db.session.commit()
    if changed and rouvrir:
        declaration.make_known(means(), found)
    state = "en service" if rouvrir else "coupé"
    click.echo(f"{code} est {state}." if changed else f"{code} était déjà {state}.")


@recus.command()
@click.argument("code")
@click.option("--autorisation-fichier", type=READABLE, help="Fichier de l'en-tête Authorization des appels de MAG.")
@with_appcontext
def renouveler(code: str, autorisation_fichier: Path | None) -> None:
    """Donne un autre secret à un émetteur qui pousse, ou une autre autorisation à MAG chez celui qu'elle appelle."""
    with answers():
        found, secret = conduite.named(code), ""
        if autorisation_fichier is not None:
            declaration.authorize(means(), found, line_of(autorisation_fichier), now())
        else:
            secret = declaration.renew(found, now())
        db.session.commit()
    _announce(found, secret)


@recus.command()
@click.argument("code")
@with_appcontext
def verifier(code: str) -> None:
    """Demande à un émetteur l'événement d'essai de son flux ; « voir » dit quand il arrive."""
    with answers():
        found = conduite.named(code)
        state = declaration.ask_verification(found, now())
        db.session.commit()
        declaration.verify(means(), found, state)
    click.echo("L'essai est demandé : « mag signaux recus voir » dira quand il arrive.")


@recus.command()
@click.argument("code")
@with_appcontext
def relever(code: str) -> None:
    """Relève tout de suite ce qu'un émetteur garde pour MAG."""
    with answers():
        declaration.ask_now(conduite.named(code), now())
        db.session.commit()
    http.mag().messenger.send_due()
    db.session.expire_all()
    found = conduite.named(code)
    if found.failure:
        raise click.ClickException(f"La relève a échoué : {found.failure}")
    click.echo("C'est relevé.")


@recus.command()
@click.argument("code")
@with_appcontext
def retirer(code: str) -> None:
    """Retire un émetteur, et ce qui en a été reçu. Ce qui fut fait reste fait ; le journal le garde."""
    with answers():
        declaration.remove(conduite.named(code), now())
        db.session.commit()
    click.echo(f"{code} est retiré.")


OF_SIGNAUX = (recus,)
