"""Lists that a service keeps: whom it awaits, whom it refuses (fact 77). Each line has an owner, a reason, and may expire.

Ours: a company refused for all it asks is blocked; refused for a part, it is an operator who decides, since the rest is due to it.
"""

from collections.abc import Iterable

from idp.declarants.controles.dossier import Dossier, Entree, Nature, Sens, Subject
from idp.declarants.controles.verdict import Finding, Verdict

COMPANIES = (Nature.SIRET, Nature.SIREN, Nature.TOUS)


def refusals(entrees: Iterable[Entree], subject: Subject) -> list[Entree]:
    """The lines that refuse this subject; an empty `service` refuses all of them."""
    return [entree for entree in entrees if entree.sens is Sens.INTERDIT and entree.names(subject)]


def interdits(dossier: Dossier) -> Finding:
    """Refused: the company, the domain or the address."""
    found = refusals(dossier.entries(Sens.INTERDIT), dossier.subject)
    if not found:
        return dossier.finding("listes.interdits", Verdict.PASS, "Aucune liste ne refuse cette inscription.", "listes refusées")
    chosen, refused = set(dossier.subject.services), {entree.service for entree in found}
    everything = "" in refused or (bool(chosen) and chosen <= refused)
    says = "Une liste refuse cette inscription." if everything else "Une liste refuse une partie des services demandés."
    return dossier.finding("listes.interdits", Verdict.BLOCK if everything else Verdict.MANUAL, says, "listes refusées", **_told(found[0]))


def autorises(dossier: Dossier) -> Finding | None:
    """A service that knows whom it awaits wants nobody else."""
    lines = [entree for entree in dossier.entries(Sens.AUTORISE) if entree.nature in COMPANIES]
    if not lines:
        return None
    unknown = {entree.service for entree in lines} - {entree.service for entree in lines if entree.names(dossier.subject)}
    if unknown:
        says = "Un service qui tient la liste de ses entreprises n'attend pas celle-ci."
        services = ", ".join(sorted(service or "tous" for service in unknown))
        return dossier.finding("listes.autorises", Verdict.MANUAL, says, "listes autorisées", services=services)
    named = next(entree for entree in lines if entree.names(dossier.subject))
    return dossier.finding("listes.autorises", Verdict.PASS, "L'entreprise est attendue.", "listes autorisées", **_told(named))


def _told(entree: Entree) -> dict[str, str]:
    shown = {"valeur": entree.valeur, "service": entree.service or "tous", "motif": entree.motif, "propriétaire": entree.proprietaire}
    return {key: value for key, value in shown.items() if value}
