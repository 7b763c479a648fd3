"""`mag declarants …`: inscribe a person, look at one, suspend, give a password, end sessions. For operators and for setting up."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from idp import http
from idp.audit import journal
from idp.audit.events import PasswordsImported, SessionsClosed
from idp.authentication.legacy_hashes import ENCODINGS
from idp.authentication.password_change import change_password
from idp.authentication.password_import import import_passwords
from idp.authentication.passwords import Passwords
from idp.authentication.session import close_every_session
from idp.console import answers
from idp.database import db
from idp.declarants import echeances, inscription
from idp.declarants.equipe import invitation
from idp.declarants.equipe.models import Invitation
from idp.declarants.fiches import suivi
from idp.declarants.identite import Identite
from idp.declarants.lignes import Bilan
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role, table
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import Siret
from idp.habilitations import depart
from idp.notifications.messages import in_words
from idp.oidc import suspension
from idp.oidc.backchannel.notices import tell_of_person
from idp.support import messages

declarants = AppGroup("declarants", help="Personnes inscrites : inscrire, montrer, suspendre, réactiver, mot de passe, sessions.")
COMMANDS = (declarants,)
ACTOR = "commande"
IMPORTED_AT_ONCE = 200
"""Lines of a file of passwords in one transaction."""


def person(command: Callable[..., None]) -> Callable[..., None]:
    """A command about one person, named by SIRET, nom and prénom as at sign-in."""

    @wraps(command)
    def named(siret: str, nom: str, prenom: str, **options: Any) -> None:
        with answers():
            declarant = Declarant.find(Identite(Siret.parse(siret), nom, prenom))
            if declarant is None:
                raise click.ClickException("Personne n'est inscrit sous cette identité.")
            command(declarant, **options)
            db.session.commit()

    for name in ("prenom", "nom", "siret"):
        named = click.argument(name)(named)
    return named


@declarants.command("inscrire")
@click.argument("siret")
@click.argument("nom")
@click.argument("prenom")
@click.option("--role", type=click.Choice([r.value for r in Role]), default=Role.DECLARANT.value, show_default=True, help="Rôle.")
@click.option("--email", help="Adresse électronique.")
@click.option("--telephone", help="Numéro de téléphone.")
@click.option("--fonction", help="Fonction dans l'entreprise.")
@click.option("--hors-repertoire", is_flag=True, help="Accepter un SIRET que le répertoire des entreprises ne connaît pas.")
@click.option("--mot-de-passe-stdin", is_flag=True, help="Lire le mot de passe sur l'entrée standard.")
def inscrire(
    siret: str,
    nom: str,
    prenom: str,
    *,
    role: str,
    email: str | None,
    telephone: str | None,
    fonction: str | None,
    hors_repertoire: bool,
    mot_de_passe_stdin: bool,
) -> None:
    """Inscrit une personne. Sans mot de passe, elle ne peut pas encore se connecter."""
    now = datetime.now(UTC)
    with answers():
        identite = Identite(Siret.parse(siret), nom, prenom)
        if not hors_repertoire:
            Etablissement.inscriptible(identite.siret)
        declarant = inscription.inscrire(identite, now, role=Role(role), email=email, telephone=telephone, fonction=fonction, actor=ACTOR)
        if mot_de_passe_stdin:
            _change(declarant, sys.stdin.readline().rstrip("\r\n"))
        db.session.commit()
    click.echo(f"Inscription faite : {declarant.full_name}, SIRET {declarant.siret.grouped} (identifiant {declarant.uid}).")


@declarants.command("montrer")
@person
def montrer(declarant: Declarant) -> None:
    """Montre ce que MAG sait d'une personne, sans aucun secret."""
    lines = {
        "Identité": declarant.full_name,
        "SIRET": declarant.siret.grouped,
        "Identifiant": declarant.uid,
        "Statut": declarant.statut.words,
        "Rôle": declarant.role.words,
        "Adresse électronique": declarant.email or "aucune",
        "Téléphone": declarant.telephone or "aucun",
        "Inscription": in_words(declarant.opened_at),
        "Mot de passe": in_words(declarant.password_changed_at) if declarant.password_changed_at else "aucun",
    }
    for name, value in lines.items():
        click.echo(f"{name:<22}{value}")


@declarants.command("suspendre")
@person
def suspendre(declarant: Declarant) -> None:
    """Suspend une personne et ferme aussitôt ses sessions."""
    mag, now = http.mag(), datetime.now(UTC)
    mail = ("bureau_suspendre", messages.suspended(mag.settings.issuer, declarant.full_name, now))
    suspension.suspend(mag.ephemeral, mag.settings, mag.registry, declarant, suspension.OPERATOR_COMMAND, mail, now)
    click.echo(f"{declarant.full_name} ne peut plus se connecter.")


@declarants.command("reactiver")
@person
def reactiver(declarant: Declarant) -> None:
    """Lève une suspension."""
    now = datetime.now(UTC)
    mail = ("bureau_reactiver", messages.reactivated(http.mag().settings.issuer, declarant.full_name, now))
    suspension.reinstate(declarant, suspension.OPERATOR_COMMAND, mail, now)
    click.echo(f"{declarant.full_name} peut de nouveau se connecter.")


@declarants.command("mot-de-passe")
@click.option("--stdin", "from_stdin", is_flag=True, help="Lire le mot de passe sur l'entrée standard au lieu de le demander.")
@person
def mot_de_passe(declarant: Declarant, *, from_stdin: bool) -> None:
    """Donne un mot de passe à une personne et ferme ses sessions."""
    typed = (
        sys.stdin.readline().rstrip("\r\n")
        if from_stdin
        else click.prompt("Mot de passe", hide_input=True, confirmation_prompt="Encore une fois")
    )
    _change(declarant, typed)
    click.echo(f"Le mot de passe de {declarant.full_name} est enregistré.")


mots_de_passe = AppGroup("mots-de-passe", help="Mots de passe d'un autre système.")
declarants.add_command(mots_de_passe)


@mots_de_passe.command("importer")
@click.argument("fichier", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--encodage", type=click.Choice(ENCODINGS), default=ENCODINGS[0], show_default=True, help="Des mots de passe, là d'où ils viennent."
)
def importer(fichier: Path, encodage: str) -> None:
    """Importe des hachages bcrypt, PBKDF2 ou SHA-crypt (CSV : siret,nom,prenom,hash ou uid,hash)."""
    mag, bilan = http.mag(), Bilan()
    with answers(), fichier.open(encoding="utf-8", newline="") as lines:
        imported = import_passwords(bilan, lines, Passwords(mag.settings, mag.keyring), encodage, datetime.now(UTC))
        for number in imported:
            if number % IMPORTED_AT_ONCE == 0:
                db.session.commit()
        journal.record(PasswordsImported(file=fichier.name, written=bilan.written, refused=len(bilan.refused), actor=ACTOR))
        db.session.commit()
    for number, reason in bilan.refused:
        click.echo(f"Ligne {number} : {reason}", err=True)
    click.echo(f"{bilan.written} mots de passe importés, {bilan.unchanged} déjà importés, {len(bilan.refused)} lignes refusées.")
    if bilan.refused:
        raise SystemExit(1)


@declarants.command("deconnecter")
@person
def deconnecter(declarant: Declarant) -> None:
    """Ferme toutes les sessions d'une personne, chez MAG et chez les partenaires."""
    mag = http.mag()
    close_every_session(mag.ephemeral, mag.settings, declarant)
    journal.record(SessionsClosed(declarant_id=declarant.id, siret=int(declarant.siret), actor=ACTOR))
    _tell(declarant)
    click.echo(f"Les sessions de {declarant.full_name} sont fermées.")


@declarants.command("statuts")
def statuts() -> None:
    """Affiche la table des statuts et des actes, en Markdown : celle de docs/statuts.md."""
    click.echo(table())


@declarants.command("echeances")
def echeances_() -> None:
    """Applique les délais : relances, candidatures et invitations échues. À lancer chaque heure ; deux fois ne change rien de plus."""
    now, issuer = datetime.now(UTC), http.mag().settings.issuer
    done = {"candidature(s) effacée(s)": 0, "inscription(s) effacée(s)": 0, "invitation(s) expirée(s)": 0}
    for name, step in zip(done, (echeances.expire, echeances.expire_primo, _expire_invitations), strict=True):
        while count := step(now, issuer=issuer):
            done[name] += count
            db.session.commit()
    warned = echeances.warn(now, issuer=issuer)
    db.session.commit()
    click.echo(", ".join(f"{count} {name}" for name, count in {**done, "relance(s)": warned}.items()) + ".")


@declarants.command("fiches")
def fiches_() -> None:
    """Prévient les administrateurs de ce que le répertoire a changé chez eux. À lancer chaque jour ; deux fois ne change rien."""
    now, issuer, changed, after = datetime.now(UTC), http.mag().settings.issuer, 0, 0
    while True:
        found, after = suivi.passer(now, issuer=issuer, after=after)
        db.session.commit()
        changed += found
        if not after:
            break
    click.echo(f"{changed} fiche(s) changée(s).")


def _expire_invitations(now: datetime, *, issuer: str) -> int:
    """Their keepers keep for good the rights that came with them."""
    found = Invitation.expired(now)
    over = [one.id for one in found if invitation.expirer(one, now, issuer=issuer, rights=one.keeper_id is not None)]
    depart.forget(over)
    return len(over)


def _change(declarant: Declarant, password: str) -> None:
    mag = http.mag()
    passwords = Passwords(mag.settings, mag.keyring)
    change_password(mag.ephemeral, mag.settings, passwords, declarant, password, datetime.now(UTC), actor=ACTOR)
    _tell(declarant)


def _tell(declarant: Declarant) -> None:
    """Partners learn it from the servers, within seconds of the commit."""
    mag = http.mag()
    tell_of_person(mag.registry, mag.settings, declarant.id, datetime.now(UTC))
