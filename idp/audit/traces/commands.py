"""`mag traces …`: evidence of the tokens made under agreements."""

import click
from flask import current_app
from flask.cli import with_appcontext

from idp.audit.traces.chainage import heads, verify
from idp.audit.traces.empreinte import Tete


def read_anchor(text: str) -> tuple[str, Tete]:
    """`convention:rang:empreinte`, as `mag traces tetes` prints it."""
    chaine, rang, empreinte = [*text.split(":"), "", ""][:3]
    if not (chaine and rang.isascii() and rang.isdigit() and len(empreinte) == 64):
        raise click.BadParameter(f"« {text} » n'est pas de la forme convention:rang:empreinte.")
    return chaine, Tete(int(rang), empreinte)


@click.group()
def traces() -> None:
    """Traces des jetons faits sous une convention : vérification de leur chaîne."""


@traces.command()
@with_appcontext
def tetes() -> None:
    """Affiche où finit chaque chaîne : gardez ces lignes ailleurs, elles prouveront plus tard que rien n'a été retiré."""
    found = heads(current_app.extensions["mag"].connections)
    click.echo("\n".join(f"{nom}:{head.rang}:{head.empreinte}" for nom, head in sorted(found.items())) or "Aucune trace.")


@traces.command()
@click.argument("convention", required=False)
@click.option("--tete", "anchors", multiple=True, help="Ligne gardée de mag traces tetes ; plusieurs sont possibles.")
@with_appcontext
def verifier(convention: str | None, anchors: tuple[str, ...]) -> None:
    """Relit chaque chaîne et dit quelle ligne a été changée ou retirée."""
    connections, kept = current_app.extensions["mag"].connections, [read_anchor(text) for text in anchors]
    found = heads(connections)
    names = [convention] if convention else sorted({*found, *(nom for nom, _ in kept)})
    wrong = False
    for nom in names:
        told = verify(connections, nom, [anchor for of, anchor in kept if of == nom])
        wrong = wrong or bool(told)
        click.echo("\n".join(f"{nom} : {one}" for one in told) or f"{nom} : {found.get(nom, Tete()).rang} ligne(s), la chaîne est entière.")
    if not names:
        click.echo("Aucune trace.")
    if wrong:
        raise click.exceptions.Exit(1)


COMMANDS = (traces,)
