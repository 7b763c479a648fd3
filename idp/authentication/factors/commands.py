"""`mag facteurs …`: the policy, and what support does about somebody's second factor. Each act leaves a line of journal."""

from datetime import UTC, datetime

import click
from flask.cli import AppGroup

from idp import http
from idp.audit import journal
from idp.authentication.factors import brake, losses
from idp.authentication.factors.events import FactorPolicyChanged
from idp.authentication.factors.models import FactorLoss, FactorPolicy, Kind
from idp.authentication.session import close_every_session
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role
from idp.entreprises.siret import Siret
from idp.errors import MagError
from idp.habilitations.droits import Droit
from idp.notifications.messages import in_words
from idp.oidc.backchannel.notices import tell_of_person
from idp.saml.provider import Sites

facteurs = AppGroup("facteurs", help="Seconds facteurs : politique, retrait par l'assistance, rappels.")
politique = AppGroup("politique", help="Qui doit avoir un second facteur, et où il est exigé.")
facteurs.add_command(politique)
COMMANDS = (facteurs,)


def _person(siret: str, nom: str, prenom: str) -> Declarant:
    try:
        found = Declarant.find(Identite(Siret.parse(siret), nom, prenom))
    except MagError as error:
        raise click.ClickException(error.public) from error
    if found is None:
        raise click.ClickException("Personne n'est inscrit sous cette identité.")
    return found


@politique.command("lister")
def lister() -> None:
    """Montre les règles, et depuis quand elles valent."""
    rules = FactorPolicy.every()
    for rule in rules:
        age = f", connexion de moins de {rule.max_age} s" if rule.max_age else ""
        click.echo(f"{rule.kind} {rule.value or '-'} : délai de {rule.grace_days} jours depuis le {in_words(rule.created_at)}{age}")
    if not rules:
        click.echo("Aucune règle : le second facteur est au choix de chacun.")


@politique.command("exiger")
@click.argument("genre", type=click.Choice([kind.value for kind in Kind]))
@click.argument("valeur", default="")
@click.option("--delai", "grace", type=click.IntRange(0, 366), default=30, show_default=True, help="Jours laissés pour s'équiper.")
@click.option("--age", "max_age", type=click.IntRange(60, 86_400), help="Âge maximal d'une connexion à UserInfo, en secondes.")
def exiger(genre: str, valeur: str, grace: int, max_age: int | None) -> None:
    """Exige un second facteur : tous, role administrateur, service <code>, droit payer, partenaire <client_id> ou saml:<code>."""
    kind, now = Kind(genre), datetime.now(UTC)
    _check(kind, valeur)
    FactorPolicy.set(kind, valeur, grace, max_age, now, "commande")
    journal.record(FactorPolicyChanged(rule=f"{genre} {valeur}".strip(), removed=False, actor="commande"), now)
    db.session.commit()
    click.echo(f"La règle vaut à compter de maintenant, avec un délai de {grace} jours.")


def _check(kind: Kind, valeur: str) -> None:
    """A rule about nothing would protect nobody, and say nothing."""
    known = {
        Kind.TOUS: {""},
        Kind.ROLE: {Role.ADMINISTRATEUR.value, Role.DECLARANT.value},
        Kind.SERVICE: set(http.mag().catalogue().services),
        Kind.DROIT: {droit.value for droit in Droit},
    }
    if kind is Kind.PARTENAIRE:
        if Sites(http.mag().registry, http.mag().saml.providers).find(valeur) is None:
            raise click.ClickException("Ce partenaire n'existe pas.")
    elif valeur not in known[kind]:
        raise click.ClickException(f"Valeurs possibles : {', '.join(sorted(known[kind])) or 'aucune'}.")


@politique.command("lever")
@click.argument("genre", type=click.Choice([kind.value for kind in Kind]))
@click.argument("valeur", default="")
def lever(genre: str, valeur: str) -> None:
    """Retire une règle."""
    if not FactorPolicy.remove(Kind(genre), valeur):
        raise click.ClickException("Cette règle n'existe pas.")
    journal.record(FactorPolicyChanged(rule=f"{genre} {valeur}".strip(), removed=True, actor="commande"), datetime.now(UTC))
    db.session.commit()
    click.echo("La règle est levée.")


@facteurs.command("retirer")
@click.argument("siret")
@click.argument("nom")
@click.argument("prenom")
@click.option("--operateur", required=True, help="Nom de l'opérateur qui a vérifié l'identité de la personne.")
@click.option("--motif", required=True, help="Comment l'identité a été vérifiée : numéro de dossier de l'assistance.")
def retirer(siret: str, nom: str, prenom: str, operateur: str, motif: str) -> None:
    """Déclare perdu le second facteur d'une personne, dont l'assistance a vérifié l'identité. Le délai de 72 heures reste dû.

    Un autre opérateur (`accorder`, ou la page du bureau) ou un administrateur de l'établissement donne l'accord.
    """
    person, now, mag = _person(siret, nom, prenom), datetime.now(UTC), http.mag()
    if not person.second_factor:
        raise click.ClickException("Cette personne n'a pas de second facteur.")
    if not operateur.strip() or not motif.strip():
        raise click.ClickException("Donnez le nom de l'opérateur et le motif.")
    close_every_session(mag.ephemeral, mag.settings, person)
    brake.release(mag.ephemeral, person.id)
    loss = losses.ask(mag.settings, person, now, operator=operateur.strip()[:60], reason=motif.strip()[:80])
    tell_of_person(mag.registry, mag.settings, person.id, now)
    db.session.commit()
    told = "La personne est prévenue par courrier" if person.email else "La personne n'a pas d'adresse : prévenez-la"
    when = "dès l'accord d'un autre opérateur ou d'un administrateur, et pas avant le" if loss.waits else "à partir du"
    click.echo(f"Les sessions sont fermées. Le second facteur sera retiré à la connexion, {when} {in_words(loss.effective_at)}. {told}.")


@facteurs.command("accorder")
@click.argument("siret")
@click.argument("nom")
@click.argument("prenom")
@click.option("--operateur", required=True, help="Nom de l'opérateur qui donne l'accord.")
def accorder(siret: str, nom: str, prenom: str, operateur: str) -> None:
    """Donne l'accord qu'attend un administrateur qui a perdu son second facteur. Le délai de 72 heures reste dû."""
    person, now = _person(siret, nom, prenom), datetime.now(UTC)
    loss = FactorLoss.live(person.id, now)
    if loss is None:
        raise click.ClickException("Cette personne n'a pas de demande en cours.")
    try:
        losses.agree(http.mag().settings, loss, person, now, operator=operateur[:60])
    except MagError as error:
        raise click.ClickException(error.public) from error
    db.session.commit()
    click.echo("L'accord est enregistré.")


@facteurs.command("rappels")
def rappels() -> None:
    """Rappelle chaque jour par courrier les demandes de retrait en cours. À lancer toutes les heures ; deux fois ne nuit pas."""
    sent = losses.remind(http.mag().settings, datetime.now(UTC))
    db.session.commit()
    click.echo(f"{sent} rappel(s) écrit(s).")
