"""The company as the directory has it: alive, of what legal form, with how many people (fact 74)."""

from idp.declarants.controles.dossier import Dossier
from idp.declarants.controles.verdict import Finding, Verdict

HEADCOUNTS = {
    "NN": 0,
    "00": 0,
    "01": 2,
    "02": 5,
    "03": 9,
    "11": 19,
    "12": 49,
    "21": 99,
    "22": 199,
    "31": 249,
    "32": 499,
    "41": 999,
    "42": 1999,
    "51": 4999,
    "52": 9999,
}
"""INSEE's brackets of staff and their highest number; NN: no staff, or not known; 53, 10 000 and more, has none."""
LEADERS = 3
"""People who declare and are no staff: managers, partners, a spouse."""
SOLE_TRADER = "1000"
"""INSEE's legal form of an « entrepreneur individuel »."""


def existence(dossier: Dossier) -> Finding:
    """It may have closed since the first page of the inscription."""
    fiche, source = dossier.fiche, dossier.rcd
    if fiche is None:
        says = "Le répertoire ne connaît pas cette entreprise."
        return dossier.finding("entreprise.existence", Verdict.MANUAL, says, source, siren=dossier.subject.siret.siren.grouped)
    known = {
        "entreprise": "en activité" if fiche.active else "cessée",
        "établissement": "ouvert" if fiche.etablissement_ouvert else "fermé",
    }
    if not fiche.etablissement_ouvert:
        return dossier.finding("entreprise.existence", Verdict.BLOCK, "L'établissement est fermé.", source, **known)
    if not fiche.active:
        return dossier.finding("entreprise.existence", Verdict.MANUAL, "L'entreprise a cessé son activité.", source, **known)
    return dossier.finding("entreprise.existence", Verdict.PASS, "L'établissement est ouvert.", source, **known)


def categorie(dossier: Dossier) -> Finding | None:
    """The profile that was chosen, and the legal form: somebody who says they work alone is no company, and the reverse."""
    fiche, profil = dossier.fiche, dossier.subject.profil
    if fiche is None or fiche.categorie_juridique is None:
        return None
    alone = fiche.categorie_juridique == SOLE_TRADER
    known = {"catégorie_juridique": fiche.categorie_juridique, "profil": profil.titre}
    if profil.alone and not alone:
        says = "Le profil choisi est celui d'un indépendant, la forme juridique celle d'une personne morale."
        return dossier.finding("entreprise.categorie", Verdict.WARN, says, dossier.rcd, **known)
    if profil.tiers and fiche.publique:
        says = "Un organisme public se présente comme tiers déclarant."
        return dossier.finding("entreprise.categorie", Verdict.MANUAL, says, dossier.rcd, **known)
    return dossier.finding("entreprise.categorie", Verdict.PASS, "La forme juridique convient au profil choisi.", dossier.rcd, **known)


def effectif(dossier: Dossier) -> Finding | None:
    """More people inscribed than the company can have: the identity of a company is being shared or taken."""
    code = dossier.fiche.tranche_effectifs if dossier.fiche else None
    most = HEADCOUNTS.get(code or "")
    if most is None:
        return None
    there, room = dossier.inscrits + 1, most + LEADERS
    known = {"tranche_d'effectifs": code or "", "personnes_inscrites": str(there), "maximum_attendu": str(room)}
    if there <= room:
        says = "Le nombre de personnes inscrites convient à l'effectif."
        return dossier.finding("entreprise.effectif", Verdict.PASS, says, dossier.rcd, **known)
    verdict = Verdict.MANUAL if there > 2 * room else Verdict.WARN
    return dossier.finding(
        "entreprise.effectif", verdict, "Plus de personnes inscrites que l'effectif n'en laisse attendre.", dossier.rcd, **known
    )
