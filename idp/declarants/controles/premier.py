"""Whether anything ties a first administrator to the company: without it, an establishment is whoever's comes first (facts 22, 74, 75).

One tie is enough: a legal representative, the sole trader's own name, an address of the company's domain or that a list allows, an
address inscribed at a company that declares for this one, what ProConnect confirmed of them. What is known of the company alone (a
line of the Tableau, a list of companies) ties nobody to it. Left out on purpose: later administrators, whom those in place or a posted
key let in.
"""

from collections.abc import Callable

from idp.declarants.controles import courriel, representant
from idp.declarants.controles.dossier import Dossier
from idp.declarants.controles.etablissement import SOLE_TRADER
from idp.declarants.controles.verdict import Finding, Verdict
from idp.declarants.identite import fold


def rattachement(dossier: Dossier) -> Finding | None:
    """Nothing to look at but for a first administrator."""
    if dossier.subject.unattached is None:
        return None
    found = [*(name for name, tied in TIES.items() if tied(dossier)), *dossier.subject.prouve]
    source = f"{dossier.rcd}, représentants légaux, listes et liens des déclarations"
    if found:
        return dossier.finding(
            "rattachement.personne", Verdict.PASS, "La personne est rattachée à l'entreprise.", source, par=", ".join(found)
        )
    says = "Rien ne rattache la personne à l'entreprise."
    return dossier.finding("rattachement.personne", dossier.subject.unattached, says, source, cherché=", ".join((*TIES, PROVED)))


def _sole_trader(dossier: Dossier) -> bool:
    fiche, subject = dossier.fiche, dossier.subject
    if fiche is None or fiche.categorie_juridique != SOLE_TRADER:
        return False
    words = {*fold(subject.nom).split(), *fold(subject.prenom).split()[:1]}
    return any(words <= set(fold(nom).split()) for nom in fiche.noms)


TIES: dict[str, Callable[[Dossier], bool]] = {
    "représentant légal": lambda dossier: representant.match(dossier) is not None,
    "entrepreneur individuel": _sole_trader,
    "domaine de l'entreprise": courriel.is_of_company,
    "adresse autorisée par une liste": lambda dossier: dossier.allowed() is not None,
    "adresse d'une entreprise qui déclare pour elle": lambda dossier: dossier.declare_par_courriel,
}
PROVED = "identité professionnelle prouvée"
