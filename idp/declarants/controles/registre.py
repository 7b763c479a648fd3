"""The rules, as data: which ones, in which order, at which moments. A new source of proof is one entry, and its file."""

from collections.abc import Callable
from dataclasses import dataclass

from idp.declarants.controles import courriel, etablissement, listes, premier, representant, tiers
from idp.declarants.controles.dossier import Dossier, Moment, Outcome
from idp.declarants.controles.verdict import Finding, aggregate


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` answers None when it has nothing to look at."""

    code: str
    titre: str
    moments: frozenset[Moment]
    check: Callable[[Dossier], Finding | None]


INSCRIPTION = frozenset({Moment.INSCRIPTION})
DECLARATION = frozenset({Moment.DECLARATION})
RULES = (
    Rule("jetable", "Messagerie jetable", INSCRIPTION, courriel.jetable),
    Rule("domaine", "Domaine de l'adresse électronique", INSCRIPTION, courriel.domaine),
    Rule("repete", "Adresse électronique répétée", INSCRIPTION, courriel.repete),
    Rule("interdits", "Listes refusées", INSCRIPTION | DECLARATION, listes.interdits),
    Rule("autorises", "Listes autorisées", INSCRIPTION, listes.autorises),
    Rule("existence", "Existence de l'entreprise", INSCRIPTION | DECLARATION, etablissement.existence),
    Rule("categorie", "Catégorie juridique", INSCRIPTION, etablissement.categorie),
    Rule("effectif", "Effectif", INSCRIPTION, etablissement.effectif),
    Rule("lien", "Lien déclarant-déclaré", INSCRIPTION | DECLARATION, tiers.lien),
    Rule("ordre", "Tableau de l'Ordre", INSCRIPTION | DECLARATION, tiers.ordre),
    Rule("representant", "Représentant légal", INSCRIPTION, representant.representant),
    Rule("personne", "Rattachement à l'entreprise", INSCRIPTION, premier.rattachement),
)
TITRES = {rule.code: rule.titre for rule in RULES}
ALTERNATIVES = frozenset({"tiers"})
"""Families where one proof is enough."""


def run(dossier: Dossier, rules: tuple[Rule, ...] = RULES) -> Outcome:
    """Every rule of the moment, in order; none stops the others, since an operator reads them all."""
    asked = (rule for rule in rules if dossier.subject.moment in rule.moments)
    findings = tuple(finding for finding in (rule.check(dossier) for rule in asked) if finding is not None)
    return Outcome(dossier.subject, aggregate(findings, ALTERNATIVES), findings)
