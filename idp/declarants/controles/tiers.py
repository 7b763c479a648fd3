"""Whoever declares for others: known by the declarations made, or by the Tableau de l'Ordre (facts 73, 74, 78).

The two are alternatives: a new accounting firm has declared for nobody yet, a payroll bureau is not an accountant.
"""

from idp.declarants.controles.dossier import Dossier, Lien
from idp.declarants.controles.verdict import Finding, Verdict

RECENT = 13
"""Months during which a link is fresh: a yearly declaration, and a month late."""


def concerns(dossier: Dossier) -> bool:
    """A tiers, or anybody about to declare for another company."""
    subject = dossier.subject
    if subject.declare is not None:
        return subject.declare.siren != subject.siret.siren
    return subject.profil.tiers


def months_since(dossier: Dossier, lien: Lien) -> int:
    year, month = (int(part) for part in lien.dernier_mois.split("-"))
    return (dossier.now.year - year) * 12 + dossier.now.month - month


def lien(dossier: Dossier) -> Finding | None:
    """The links found in past declarations."""
    if not concerns(dossier):
        return None
    source = "liens des déclarations (DSN)"
    declared = dossier.subject.declare
    whom = f"pour {declared.grouped}" if declared else "pour d'autres entreprises"
    if not dossier.liens:
        return dossier.finding("tiers.lien", Verdict.MANUAL, f"Aucune déclaration passée {whom}.", source, liens="0")
    last = min(dossier.liens, key=lambda one: months_since(dossier, one))
    known = {"liens": str(len(dossier.liens)), "dernier_mois": last.dernier_mois}
    if months_since(dossier, last) > RECENT:
        return dossier.finding("tiers.lien", Verdict.WARN, f"Plus de déclaration {whom} depuis longtemps.", source, **known)
    return dossier.finding("tiers.lien", Verdict.PASS, f"L'entreprise a déclaré {whom}.", source, **known)


def ordre(dossier: Dossier) -> Finding | None:
    """The Tableau de l'Ordre des experts-comptables."""
    if not concerns(dossier):
        return None
    if not dossier.tableau:
        return dossier.finding("tiers.ordre", Verdict.MANUAL, "L'entreprise ne figure pas au Tableau de l'Ordre.", "Tableau de l'Ordre")
    first = dossier.tableau[0]
    source = f"Tableau de l'Ordre (fichier lu le {first.read_at:%d/%m/%Y})"
    return dossier.finding(
        "tiers.ordre", Verdict.PASS, "L'entreprise figure au Tableau de l'Ordre.", source, numéro=first.numero, nom=first.nom
    )
