"""The legal representative: known to a register, and demanded by some services (fact 75)."""

from idp.declarants.controles.dossier import Dossier, Mandataire, Sens
from idp.declarants.controles.verdict import Finding, Verdict
from idp.declarants.identite import fold


def representant(dossier: Dossier) -> Finding | None:
    """Whether the person is a representative. Where nobody demands one, not to be one is only worth noting."""
    demanded = [entree for entree in dossier.entries(Sens.REPRESENTANT) if entree.names(dossier.subject)]
    if not dossier.mandataires and not demanded:
        return None
    read = f" (fichier lu le {dossier.mandataires[0].read_at:%d/%m/%Y})" if dossier.mandataires else ""
    source = f"représentants légaux{read}"
    services = ", ".join(sorted(entree.service or "tous les services" for entree in demanded))
    known = {"représentants_connus": str(len(dossier.mandataires)), "exigé_par": services or "personne"}
    one = match(dossier)
    if one is not None:
        says = "La personne est un représentant légal de l'entreprise."
        return dossier.finding("representant.representant", Verdict.PASS, says, source, **known, qualité=one.qualite)
    says = (
        "Aucun représentant de l'entreprise n'est connu."
        if not dossier.mandataires
        else "La personne n'est pas un représentant légal connu."
    )
    return dossier.finding("representant.representant", Verdict.MANUAL if demanded else Verdict.WARN, says, source, **known)


def match(dossier: Dossier) -> Mandataire | None:
    """The representative whom the person says to be, if any."""
    nom, prenom = fold(dossier.subject.nom), fold(dossier.subject.prenom)
    return next((one for one in dossier.mandataires if one.nom == nom and _same_first_name(one.prenom, prenom)), None)


def _same_first_name(registered: str, typed: str) -> bool:
    """Registers give every first name, people type one: `jean marie paul` and `jean`, `jean marie`, or `marie`."""
    return typed == registered or set(typed.split()) <= set(registered.split())
