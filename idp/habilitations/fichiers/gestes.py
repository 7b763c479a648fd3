"""Acts of the pages that are done as files are: too many places for a page to look at, or so many rights that somebody else must agree.

What is kept is the form. A job reads it as the page did, simulates it, and does it if nothing that was shown has changed: all or nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from textwrap import shorten
from typing import Any

import orjson

from idp.audit import journal
from idp.database import Connections, db
from idp.habilitations.annuaire.noms import Annuaire
from idp.habilitations.droits import Catalogue
from idp.habilitations.espace.gestes import actes
from idp.habilitations.espace.gestes.acte import Acte, Demande, plural, too_many
from idp.habilitations.espace.gestes.models import rights_written
from idp.habilitations.espace.gestes.personnes import names
from idp.habilitations.espace.gestes.simulation import Beat, Bilan, Simulation, faire, simuler
from idp.habilitations.espace.lecture import Lecteur
from idp.habilitations.espace.portee import Portee
from idp.habilitations.fichiers.depot import LONGEST_NAME, deposer
from idp.habilitations.fichiers.events import FichierChecked
from idp.habilitations.fichiers.models import FichierContenu, FichierDroits, FichierLigne
from idp.habilitations.fichiers.statuts import MOST_LINES, Etat, Genre
from idp.habilitations.models import hold_portefeuilles

MOST_SHOWN = 2_000
"""Lines that are kept of what an act would change: a line tells a person, a service and all the places."""
FREE = frozenset({"annuler", "scinder"})
"""Acts that nobody has to agree to: what an undo brings back was there, and who shares a split portfolio holds the same rights."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What reads rights, in a job as in a page."""

    connections: Connections
    annuaire: Annuaire


@dataclass(frozen=True, slots=True)
class Effet:
    """What an act would change, as a file says it."""

    acte: Acte
    simulation: Simulation
    libre: bool = False
    """Nobody has to agree to it."""

    @property
    def empreinte(self) -> str:
        return self.simulation.epreuve

    @property
    def _told(self) -> list[tuple[str, Bilan]]:
        lists = (("gagne", self.simulation.gains), ("perd", self.simulation.pertes))
        return [(verb, one) for verb, several in lists for one in several]

    @property
    def bilan(self) -> dict[str, int]:
        given, withdrawn = self.simulation.gagnes, self.simulation.perdus
        told = self._told
        return {
            "lues": self.acte.total,
            "changees": max(len(told), int(self.simulation.changes)),
            "refusees": 0,
            "donnes": given,
            "retires": withdrawn,
            "droits": self.simulation.droits,
            "libre": int(self.libre),
            "personnes": len({one.qui for _, one in told}),
        }

    def rows(self) -> Iterable[dict[str, Any]]:
        for numero, (verb, one) in enumerate(islice(self._told, MOST_SHOWN), 1):
            yield {
                "numero": numero,
                "refusee": False,
                "declarant_id": one.qui,
                "cible": one.exemples[0],
                "service": one.code,
                "apres": f"{verb} {one.droits}{_elsewhere(one.cibles - 1)}",
            }


def _elsewhere(several: int) -> str:
    return f", ici et sur {plural(several, 'autre établissement', 'autres établissements')}" if several else ""


def needs_agreement(acte: str, simulation: Simulation, threshold: int, deja: int) -> bool:
    """Whether somebody else must agree to an act, as to a file. `threshold` 0: never; `deja`: what its author changed alone lately."""
    droits = 0 if acte in FREE else simulation.droits
    return bool(threshold and droits) and droits + deja > threshold


def confier(demande: Demande, depot: str) -> FichierDroits:
    """Keep a form that asks too much of a page: a job looks at it. Raises InvalidRequestError, TooManyFilesError, TableurError."""
    actes.check(demande)
    name = actes.NOMS.get(demande.un("acte", 40), "Habilitations")
    return _keep(demande, depot, name, check=True)


def titre(demande: Demande, acte: Acte) -> str:
    """How lists and mails call it: what it does when that is short, else of which kind it is and whom it is about."""
    if len(acte.resume) <= LONGEST_NAME:
        return acte.resume
    kind = actes.NOMS.get(demande.un("acte", 40), "Habilitations")
    apart = acte.personnes and acte.portefeuille_id is None
    return shorten(f"{kind} : {names(acte.personnes.values())}" if apart else acte.resume, LONGEST_NAME, placeholder="…")


def proposer(demande: Demande, acte: Acte, simulation: Simulation, depot: str) -> FichierDroits:
    """Keep an act that was read in a page, for somebody else to agree to. Sent twice, it is one. Raises what `confier` does."""
    found = _keep(demande, depot, titre(demande, acte), check=False)
    if found.etat is Etat.DEPOSE:
        montrer(found, Effet(acte, simulation), demande.now)
    return found


def _keep(demande: Demande, depot: str, name: str, *, check: bool) -> FichierDroits:
    content = orjson.dumps(demande.repeated)
    return deposer(demande.portee.administrator, depot, name, content, demande.now, genre=Genre.GESTE, check=check)


def relire(fichier: FichierDroits, portee: Portee, catalogue: Catalogue, reads: Reads, now: datetime) -> Demande:
    """The form, as it was sent."""
    fields: dict[str, list[str]] = {}
    for name, value in orjson.loads(FichierContenu.read(fichier.id)):
        fields.setdefault(name, []).append(value)
    lecteur = Lecteur(reads.connections, catalogue, now, reads.annuaire)
    return Demande(portee, lecteur, fields, MOST_LINES)


def verifier(demande: Demande, beat: Beat, *, hold: bool = False) -> Effet:
    """What it would change today; `hold`: rows are kept, for it is about to be done. Raises RefusedError."""
    acte = lire_tenu(demande) if hold else actes.lire(demande)
    if not acte.complete:
        raise too_many(demande.most)
    return Effet(acte, simuler(demande, acte, beat), demande.un("acte", 40) in FREE)


def lire_tenu(demande: Demande) -> Acte:
    """The act, rows held, and read again then: what it is about may have changed just before. Raises RefusedError.

    Portfolios too: whoever would become a member meanwhile, or a client that would come in, waits until the act is done.
    """
    first = actes.lire(demande)
    demande.portee.hold(first.personnes)
    hold_portefeuilles(first.portefeuilles())
    return actes.lire(demande)


def appliquer(demande: Demande, effet: Effet) -> int:
    """Do what was just looked at, rows held; the operation. 0: nothing is written, for it would not be what was looked at.

    Raises RefusedError, having written nothing.
    """
    savepoint = db.session.begin_nested()
    try:
        operation_id = faire(demande, effet.acte).operation_id or 0
        db.session.flush()
        same = operation_id and rights_written(operation_id, demande.now) == effet.simulation.ecrits
    except BaseException:
        savepoint.rollback()
        raise
    if not same:
        savepoint.rollback()
        return 0
    savepoint.commit()
    return operation_id


def montrer(fichier: FichierDroits, effet: Any, now: datetime, motif: str | None = None) -> None:
    """What it would change is what people read of it. `effet`: of an act, or of the lines of a file."""
    FichierLigne.replace(fichier.id, effet.rows())
    fichier.bilan, fichier.empreinte = effet.bilan, effet.empreinte
    fichier.become(Etat.VERIFIE, now, motif)
    bilan = effet.bilan
    journal.record(
        FichierChecked(
            declarant_id=fichier.by_id,
            siret=fichier.siret,
            fichier=fichier.reference,
            lines=bilan["lues"],
            changed=bilan["changees"],
            refused=bilan["refusees"],
        ),
        now,
    )
