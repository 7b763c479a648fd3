"""Examining somebody: gather what the rules read, run those of the moment, keep what they found.

    outcome = examine(Subject(siret, nom, prenom, email, profil, services), now)
    …inscribe…
    keep(declarant.id, outcome, now)

BLOCK is for `Act.ECARTER`; PASS and WARN for `Act.VALIDER`; MANUAL leaves PRIMO, in the queue of the operators' desk.
"""

from datetime import datetime

from idp.audit import journal
from idp.declarants.controles import models
from idp.declarants.controles.dossier import Dossier, Fiche, Outcome, Subject
from idp.declarants.controles.events import ControlsRun
from idp.declarants.controles.models import Controle, EntreeListe, InscritOrdre, LienDeclare, RepresentantLegal
from idp.declarants.controles.registre import run
from idp.declarants.identite import Identite
from idp.entreprises.models import Entreprise, Etablissement


def examine(subject: Subject, now: datetime) -> Outcome:
    """What all the rules of the moment find; changes nothing."""
    return run(gather(subject, now))


def keep(declarant_id: int, outcome: Outcome, now: datetime) -> Controle:
    """Keep verdict and evidence, with their line of journal."""
    event = ControlsRun(
        declarant_id=declarant_id,
        siret=int(outcome.subject.siret),
        moment=outcome.subject.moment,
        verdict=outcome.verdict,
        reasons=" ".join(outcome.reasons) or None,
    )
    journal.record(event, now)
    return Controle.keep(declarant_id, outcome, now)


def gather(subject: Subject, now: datetime) -> Dossier:
    """Read everything that the rules look at."""
    siren = subject.siret.siren
    return Dossier(
        subject,
        now,
        fiche=_fiche(subject),
        inscrits=models.people_of(siren, (subject.siret, Identite(subject.siret, subject.nom, subject.prenom).cle)),
        entreprises_du_courriel=models.companies_of(subject.email, siren),
        entrees=EntreeListe.about(subject, now),
        liens=LienDeclare.of(siren, subject.declare),
        tableau=InscritOrdre.of(siren),
        mandataires=RepresentantLegal.of(siren),
        declare_par_courriel=subject.unattached is not None and models.declares_for(subject.email, siren),
    )


def _fiche(subject: Subject) -> Fiche | None:
    company, place = Entreprise.find(subject.siret.siren), Etablissement.find(subject.siret)
    if company is None and place is None:
        return None
    names = (company.denomination, company.sigle, company.nom_affiche) if company else ()
    more = (place.enseigne, place.denomination_usuelle) if place else ()
    return Fiche(
        noms=tuple(dict.fromkeys(name for name in (*names, *more) if name)),
        categorie_juridique=company.categorie_juridique if company else None,
        tranche_effectifs=company.tranche_effectifs if company else None,
        active=company.active if company else True,
        etablissement_ouvert=place.actif if place else False,
        mis_a_jour=(place.mis_a_jour if place else None) or (company.mis_a_jour if company else None),
    )
