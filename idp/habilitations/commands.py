"""`flask --app wsgi habilitations …`: the catalogue of services, and the rights of one person."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ParamSpec

import click
from flask.cli import AppGroup

from idp import http
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siren, Siret
from idp.errors import MagError
from idp.habilitations import attribution, catalogue, decision, transfert
from idp.habilitations.droits import Catalogue, Droit, InvalidCatalogueError, is_siren, words, written
from idp.habilitations.explication import expliquer
from idp.habilitations.gesture import Gesture
from idp.habilitations.historique import acces, annulation
from idp.habilitations.models import Operation
from idp.habilitations.perimetre import Origine, Target
from idp.habilitations.plat.importation import importer_plat
from idp.habilitations.questions import MOST_PLACES, who_can

habilitations = AppGroup("habilitations", help="Services et droits : charger le catalogue, attribuer, retirer, montrer, vérifier.")
COMMANDS = (habilitations,)
P = ParamSpec("P")
MOST_SHOWN = 20
ONE_DAY = timedelta(days=1)
"""A right that ends at midnight is told by its last day."""


@contextmanager
def answers() -> Iterator[None]:
    """A refusal ends the command with one sentence, and nothing is written."""
    try:
        yield
        db.session.commit()
    except MagError as error:
        db.session.rollback()
        reason = f" ({error})" if isinstance(error, InvalidCatalogueError) else ""
        raise click.ClickException(error.public + reason) from error


def of_someone(command: Callable[P, None]) -> Callable[P, None]:
    """Arguments that name a person: SIRET, nom, prénom."""
    for name in ("prenom", "nom", "siret"):
        command = click.argument(name)(command)
    return command


def on_service(command: Callable[P, None]) -> Callable[P, None]:
    """Arguments that name a target, a service and rights."""
    command = click.argument("droits", nargs=-1, required=True, type=click.Choice([droit.value for droit in Droit]))(command)
    command = click.argument("service")(command)
    return click.argument("cible")(command)


def someone(siret: str, nom: str, prenom: str) -> Declarant:
    """Whoever bears this identity."""
    found = Declarant.find(Identite(Siret.parse(siret), nom, prenom))
    if found is None:
        raise click.ClickException("Personne n'est inscrit sous cette identité.")
    return found


def target(unverified_cible: str) -> int:
    """A SIREN when 9 digits are given, else a SIRET. Raises InvalidSirenError or InvalidSiretError."""
    digits = sum(c.isdigit() for c in unverified_cible)
    return int(Siren.parse(unverified_cible) if digits == Siren.LENGTH else Siret.parse(unverified_cible))


def in_force() -> Catalogue:
    return decision.read_catalogue(http.mag().connections)


def gesture() -> Gesture:
    return Gesture(None, in_force(), http.now())


@habilitations.command("catalogue")
@click.option("--fichier", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Autre fichier que celui livré avec MAG.")
def load_catalogue(fichier: Path | None) -> None:
    """Charger ou rafraîchir le catalogue des services. Relancée, la commande ne change rien."""
    with answers():
        text = fichier.read_text(encoding="utf-8") if fichier else catalogue.shipped()
        changes = catalogue.refresh(catalogue.parse(text), http.now())
    click.echo("\n".join(changes) if changes else "Le catalogue est à jour.")


@habilitations.command("attribuer")
@of_someone
@on_service
def give(*, siret: str, nom: str, prenom: str, cible: str, service: str, droits: tuple[str, ...]) -> None:
    """Attribuer des droits sur un SIRET, ou sur une entreprise entière par son SIREN."""
    act = gesture()
    with answers():
        changed = attribution.attribuer(act, someone(siret, nom, prenom).id, target(cible), service, [Droit(d) for d in droits])
    delay = act.catalogue.services[service].opening_delay
    opening = f" Ils ouvriront le {act.now + delay:%d/%m/%Y à %H:%M} UTC." if delay else ""
    click.echo(f"Droits attribués.{opening}" if changed else "Ces droits étaient déjà attribués.")


@habilitations.command("retirer")
@of_someone
@on_service
def withdraw(*, siret: str, nom: str, prenom: str, cible: str, service: str, droits: tuple[str, ...]) -> None:
    """Retirer des droits attribués directement sur cette cible."""
    with answers():
        changed = attribution.retirer(gesture(), someone(siret, nom, prenom).id, target(cible), service, [Droit(d) for d in droits])
    click.echo("Droits retirés." if changed else "Aucun de ces droits n'était attribué directement sur cette cible.")


@habilitations.command("montrer")
@of_someone
@click.option("--limite", default=100, show_default=True, type=click.IntRange(1, decision.LONGEST_PAGE), help="Nombre de cibles au plus.")
def show(siret: str, nom: str, prenom: str, limite: int) -> None:
    """Montrer les droits ouverts d'une personne, cible par cible."""
    with answers():
        declarant = someone(siret, nom, prenom)
        page = decision.targets(http.mag().connections, in_force(), declarant.id, services=None, now=http.now(), limit=limite)
    for one in page.targets:
        click.echo("\n".join(lines(one)))
    if not page.targets:
        click.echo("Aucun droit ouvert.")
    if page.following:
        click.echo(f"… et d'autres : seules les {limite} premières sont montrées (--limite).")


def lines(one: Target) -> Iterator[str]:
    """`78467169500087  dsn (déclarer, payer)`."""
    if one.rights:
        until = f", dont par déclaration jusqu'au {one.lien_ends_at - ONE_DAY:%d/%m/%Y}" if one.lien_ends_at else ""
        yield f"{written(one.cible):14}  {'; '.join(f'{code} ({words(droits)})' for code, droits in one.rights.items())}{until}"
    for part in one.partial:
        rights = "; ".join(f"{code} ({words(droits)})" for code, droits in part.rights.items())
        yield f"{written(one.cible):14}  {rights}, sauf {', '.join(map(written, part.sirets))}"


@habilitations.command("verifier")
@of_someone
@click.argument("etablissement")
@click.argument("service")
@click.argument("droit", type=click.Choice([droit.value for droit in Droit]))
@click.pass_context
def verify(context: click.Context, *, siret: str, nom: str, prenom: str, etablissement: str, service: str, droit: str) -> None:
    """Dire si une personne a un droit sur un établissement, et pourquoi. Code de sortie : 0 oui, 1 non."""
    with answers():
        found = expliquer(
            someone(siret, nom, prenom).id, int(Siret.parse(etablissement)), service, Droit(droit), catalogue=in_force(), now=http.now())
    click.echo("\n".join(("OUI" if found.granted else "NON", *found.reasons, *([f"À faire : {found.conseil}"] if found.conseil else []))))
    context.exit(0 if found.granted else 1)


@habilitations.command("qui")
@click.argument("cible")
@click.argument("service")
@click.argument("droit", type=click.Choice([droit.value for droit in Droit]))
@click.option("--limite", default=100, show_default=True, type=click.IntRange(1, MOST_PLACES), help="Nombre de comptes examinés au plus.")
@click.option("--apres", default=0, help="Numéro du dernier compte de la page précédente.")
def who(*, cible: str, service: str, droit: str, limite: int, apres: int) -> None:
    """Dire qui a un droit sur un SIRET, ou sur une entreprise entière par son SIREN, et d'où il vient."""
    with answers():
        page = who_can(
            http.mag().connections, in_force(), cible=target(cible), service=service, droit=Droit(droit), now=http.now(), after=apres,
            limit=limite)
        for one in page.acces:
            declarant = db.session.get_one(Declarant, one.declarant_id)
            origins = ", ".join(map(origin_line, one.origines))
            click.echo(f"{declarant.siret} {declarant.nom} {declarant.prenom} : {origins}")
    if page.following is None and not page.acces and not apres:
        click.echo("Personne.")
    if page.following is not None:
        click.echo(f"… la suite avec --apres {page.following}")


@habilitations.command("historique")
@click.argument("cible")
@click.argument("service")
@click.argument("droit", type=click.Choice([droit.value for droit in Droit]))
@click.option("--le", "day", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="Date, ou date et heure (UTC) : 2026-10-31T18:00.")
@click.option("--operation", "operation_id", type=int, help="Juste après cette opération.")
def past(*, cible: str, service: str, droit: str, day: datetime | None, operation_id: int | None) -> None:
    """Dire qui avait un droit quelque part, à une date ou après une opération. Les déclarations connues sont celles d'aujourd'hui."""
    if (day is None) == (operation_id is None):
        raise click.UsageError("Donnez --le ou --operation.")
    with answers():
        asked = target(cible), service, Droit(droit)
        if operation_id is not None:
            operation = db.session.get(Operation, operation_id)
            if operation is None:
                raise click.ClickException("Cette opération n'existe pas.")
            found = acces.had_access(*asked, operation_id, operation.at, in_force())
        else:
            found = acces.had_access_at(*asked, (day or http.now()).replace(tzinfo=UTC), in_force())
        for who_had, origines in found.items():
            declarant = db.session.get_one(Declarant, who_had)
            click.echo(f"{declarant.siret} {declarant.nom} {declarant.prenom} : {', '.join(map(origin_line, origines))}")
    if not found:
        click.echo("Personne.")


@habilitations.command("operations")
@click.option("--limite", default=20, show_default=True, type=click.IntRange(1, 1000), help="Nombre d'opérations au plus.")
def operations(limite: int) -> None:
    """Montrer les dernières opérations sur les droits."""
    for one in Operation.latest(limite):
        by = "commande" if one.by_id is None else f"compte {one.by_id}"
        undone = f", annule l'opération {one.annule_id}" if one.annule_id else ""
        click.echo(f"{one.id}  {one.at:%d/%m/%Y %H:%M} UTC  {one.kind}  ({by}{undone})")


@habilitations.command("annuler")
@click.argument("operation_id", type=int)
def undo(operation_id: int) -> None:
    """Annuler une opération de moins de 24 heures, si rien n'a changé depuis au même endroit."""
    with answers():
        rows = annulation.annuler(gesture(), operation_id)
    click.echo(f"Opération {operation_id} annulée : {rows} lignes.")


@habilitations.command("importer-plat")
@click.argument("fichier", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--apercu", is_flag=True, help="Compter seulement ; ne rien écrire.")
def import_flat(fichier: Path, *, apercu: bool) -> None:
    """Importer des droits à plat (CSV : siret, nom, prenom, etablissement, service, droit), compactés sans perte. Tout ou rien."""
    with answers():
        bilan = importer_plat(gesture(), fichier)
        if apercu:
            db.session.rollback()
    rows = bilan.rows
    click.echo(f"{bilan.lues} lignes lues, {bilan.refusees} refusées ; {rows['cellules']} droits distincts, {rows['masques']} à écrire.")
    click.echo(
        f"{rows['portefeuilles']} portefeuilles ({rows['clients']} clients, {rows['membres']} membres), {rows['directs']} droits directs : "
        f"{bilan.written} lignes. {bilan.promotions} droits sur une entreprise entière proposés.")
    click.echo("Aperçu : rien n'est écrit." if apercu else f"Opération {bilan.operation_id or 'vide : tout était déjà là'}.")
    for number, reason in bilan.refused[:MOST_SHOWN]:
        click.echo(f"ligne {number} : {reason}", err=True)
    if bilan.refusees > MOST_SHOWN:
        click.echo(f"… et {bilan.refusees - MOST_SHOWN} autres.", err=True)


def of_another(command: Callable[P, None]) -> Callable[P, None]:
    """Arguments that name a second person of the same company."""
    for name in ("autre_prenom", "autre_nom", "autre_siret"):
        command = click.argument(name)(command)
    return of_someone(command)


@habilitations.command("transferer")
@of_another
@click.option("--copier", "copies", is_flag=True, help="Laisser à la première personne ce qu'elle a.")
@click.option("--apercu", is_flag=True, help="Compter seulement ; ne rien écrire.")
def move(
    *, siret: str, nom: str, prenom: str, autre_siret: str, autre_nom: str, autre_prenom: str, copies: bool, apercu: bool,
) -> None:
    """Transférer, ou copier, tous les droits d'une personne à une autre de la même entreprise."""
    with answers():
        giver, to = someone(siret, nom, prenom), someone(autre_siret, autre_nom, autre_prenom)
        act = transfert.copier if copies else transfert.transferer
        transfert.check_receives(giver, to)
        found = transfert.preview(gesture(), giver.id, to.id) if apercu else act(gesture(), giver.id, to.id)
    click.echo(f"{found.droits} droits directs, {len(found.portefeuilles)} portefeuilles, {found.exclusions} exclusions.")
    if found.laissees:
        click.echo(
            "Exclusions qui ne suivent pas, la personne y ayant déjà des droits : "
            f"{', '.join(map(written, found.laissees[:MOST_SHOWN]))}{' …' if len(found.laissees) > MOST_SHOWN else ''}")


def origin_line(origine: Origine) -> str:
    """`portefeuille 12 (SIREN 356000000)`, `lien jusqu'au 31/01/2027`."""
    where = f"{'SIREN' if is_siren(origine.cible) else 'SIRET'} {written(origine.cible)}"
    name = f"portefeuille {origine.source}" if origine.nom == "portefeuille" else origine.nom
    until = f", jusqu'au {origine.lien_ends_at - ONE_DAY:%d/%m/%Y}" if origine.lien_ends_at else ""
    return f"{name} ({where}{until})"
