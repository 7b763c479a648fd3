"""`mag controles …`, `mag ordre …`, `mag liens …`, `mag representants …`: the registers and the lists that the controls read."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from flask.cli import AppGroup

from idp import http
from idp.console import answers
from idp.database import db
from idp.declarants.controles import imports, reexamen, tenue
from idp.declarants.controles.dossier import Moment, Nature, Sens, Subject
from idp.declarants.controles.imports import Bilan
from idp.declarants.controles.models import EntreeListe
from idp.declarants.controles.pipeline import examine
from idp.declarants.controles.verdict import Verdict
from idp.declarants.models import Declarant
from idp.declarants.profils import Profil
from idp.entreprises.siret import Siret

ACTOR = "commande"
FICHIER = click.argument("fichier", type=click.Path(exists=True, dir_okay=False, path_type=Path))
COMPLET = click.option("--complet", is_flag=True, help="Le fichier est le registre entier : ce qu'il ne contient pas est oublié.")
MOST_SHOWN = 20

controles = AppGroup("controles", help="Contrôles d'inscription : listes autorisées et refusées, essai à blanc.")
ordre = AppGroup("ordre", help="Tableau de l'Ordre des experts-comptables.")
liens = AppGroup("liens", help="Liens déclarant-déclaré que disent les déclarations.")
representants = AppGroup("representants", help="Représentants légaux des entreprises.")
COMMANDS = (controles, ordre, liens, representants)


def _import(read: Callable[[], Bilan]) -> Bilan:
    with answers():
        bilan = read()
        db.session.commit()
    click.echo(f"{bilan.read} lignes lues, {bilan.kept} retenues, {len(bilan.refused)} refusées, {bilan.forgotten} oubliées.")
    for number, reason in bilan.refused[:MOST_SHOWN]:
        click.echo(f"ligne {number} : {reason}", err=True)
    if len(bilan.refused) > MOST_SHOWN:
        click.echo(f"… et {len(bilan.refused) - MOST_SHOWN} autres.", err=True)
    return bilan


@ordre.command("importer")
@FICHIER
@COMPLET
def import_ordre(fichier: Path, *, complet: bool) -> None:
    """Importe le Tableau de l'Ordre (CSV : numero, nom, siren ou siret)."""
    _import(lambda: imports.importer_ordre(fichier, datetime.now(UTC), ACTOR, complet=complet))


@liens.command("importer")
@FICHIER
def import_liens(fichier: Path) -> None:
    """Importe des liens (CSV : siret_declarant, siret_declare, dernier_mois). Les droits qui en dépendent suivent aussitôt."""
    changed = _import(lambda: imports.importer_liens(fichier, datetime.now(UTC), ACTOR)).changed
    click.echo(f"{changed} liens ajoutés ou avancés d'un mois au moins ; les autres étaient déjà connus.")


@representants.command("importer")
@FICHIER
@COMPLET
def import_representants(fichier: Path, *, complet: bool) -> None:
    """Importe des représentants légaux (CSV : siren, nom, prenom, qualite ; email s'il est connu)."""
    _import(lambda: imports.importer_representants(fichier, datetime.now(UTC), ACTOR, complet=complet))


@controles.command("importer-liste")
@FICHIER
def import_liste(fichier: Path) -> None:
    """Importe des lignes de listes (CSV : sens, nature, valeur, service, motif, proprietaire, echeance)."""
    _import(lambda: imports.importer_liste(fichier, datetime.now(UTC), ACTOR, _services()))


def _services() -> set[str]:
    return set(http.mag().catalogue().services)


@controles.command("ajouter")
@click.argument("sens", type=click.Choice([sens.value for sens in Sens]))
@click.argument("nature", type=click.Choice([nature.value for nature in Nature]))
@click.argument("valeur")
@click.option("--service", default="", help="Code du service ; sans cette option, une liste refusée vaut pour tous.")
@click.option("--motif", required=True, help="Pourquoi.")
@click.option("--proprietaire", required=True, help="Qui répond de cette ligne.")
@click.option("--echeance", type=click.DateTime(["%Y-%m-%d"]), help="Dernier jour où la ligne vaut (AAAA-MM-JJ).")
def ajouter(sens: str, nature: str, valeur: str, *, service: str, motif: str, proprietaire: str, echeance: datetime | None) -> None:
    """Ajoute une ligne à une liste, ou change celle de la même valeur."""
    with answers():
        line = tenue.ajouter(
            Sens(sens),
            Nature(nature),
            valeur,
            datetime.now(UTC),
            service=service,
            services=_services(),
            motif=motif,
            proprietaire=proprietaire,
            expires_at=imports.day_after(f"{echeance:%Y-%m-%d}") if echeance else None,
            actor=ACTOR,
        )
        db.session.commit()
    click.echo(f"Ligne {line.id} enregistrée : {_shown(line)}")


@controles.command("retirer")
@click.argument("numero", type=int)
def retirer(numero: int) -> None:
    """Retire une ligne d'une liste, par son numéro."""
    line = EntreeListe.find(numero)
    if line is None:
        raise click.ClickException(f"Aucune ligne {numero}.")
    tenue.retirer(line, datetime.now(UTC), actor=ACTOR)
    db.session.commit()
    click.echo(f"Ligne {numero} retirée.")


@controles.command("lister")
@click.option("--sens", type=click.Choice([sens.value for sens in Sens]), help="Une sorte de liste.")
def lister(sens: str | None) -> None:
    """Montre les lignes des listes."""
    after = 0
    while page := EntreeListe.page(sens=Sens(sens) if sens else None, after=after, limit=500):
        for line in page:
            click.echo(f"{line.id}\t{_shown(line)}")
        after = page[-1].id


def _shown(line: EntreeListe) -> str:
    until = f", jusqu'au {line.expires_at:%d/%m/%Y}" if line.expires_at else ""
    return f"{line.sens} {line.nature} {line.valeur} ({line.service or 'tous les services'}) : {line.motif} — {line.proprietaire}{until}"


@controles.command("revoir")
@click.option("--jours", type=click.IntRange(1, 3650), default=30, show_default=True, help="Un examen vaut ce nombre de jours.")
def revoir(jours: int) -> None:
    """Repasse les contrôles d'avant déclaration ; le bureau montre ce qui est douteux. Pour un minuteur : deux fois ne nuit pas."""
    now, seen, after = datetime.now(UTC), Counter[Verdict](), 0
    while True:
        batch, after = reexamen.revoir(now, now - timedelta(days=jours), after)
        db.session.commit()
        if not after:
            break
        seen += batch
    told = ", ".join(f"{verdict.titre.lower()} : {seen[verdict]}" for verdict in Verdict)
    click.echo(f"{seen.total()} personnes examinées ({told}).")


@controles.command("essayer")
@click.argument("siret")
@click.argument("nom")
@click.argument("prenom")
@click.argument("email")
@click.option("--profil", type=click.Choice([profil.value for profil in Profil]), default=Profil.ENTREPRISE.value, show_default=True)
@click.option("--service", "services", multiple=True, help="Un service demandé ; plusieurs fois s'il le faut.")
@click.option("--pour", help="SIRET pour lequel déclarer : essaie les contrôles d'avant une déclaration.")
def essayer(siret: str, nom: str, prenom: str, email: str, *, profil: str, services: tuple[str, ...], pour: str | None) -> None:
    """Montre ce que les contrôles diraient d'une personne, sans rien garder."""
    with answers():
        declare = Siret.parse(pour) if pour else None
        moment = Moment.DECLARATION if declare else Moment.INSCRIPTION
        first = not Declarant.is_administered(Siret.parse(siret))
        unattached = Verdict(http.mag().settings.first_administrator) if first else None
        subject = Subject(Siret.parse(siret), nom, prenom, email, Profil(profil), services, moment, declare, unattached)
        outcome = examine(subject, datetime.now(UTC))
    click.echo(f"Verdict : {outcome.verdict.titre}")
    for finding in outcome.findings:
        click.echo(f"{finding.verdict.titre:<12}{finding.rule:<14}{finding.says} [{finding.source}]")
