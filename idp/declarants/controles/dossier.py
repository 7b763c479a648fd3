"""What the rules look at: whom it is about, and what MAG knows around them. Frozen values; `pipeline.py` gathers them.

A rule that needs something more adds a field here and its reading there.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from idp.declarants.controles.verdict import Finding, Verdict
from idp.declarants.profils import Profil
from idp.entreprises.siret import Siret


class Moment(StrEnum):
    """When controls are run (fact 73)."""

    INSCRIPTION = "inscription"
    DECLARATION = "declaration"
    """Before somebody declares for another company."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks what."""

    siret: Siret
    nom: str
    prenom: str
    email: str
    profil: Profil = Profil.ENTREPRISE
    services: tuple[str, ...] = ()
    moment: Moment = Moment.INSCRIPTION
    declare: Siret | None = None
    """For whom they want to declare, at the moment of a declaration."""
    unattached: Verdict | None = None
    """Of a first administrator: the verdict when nothing ties them to the company. None for anybody else."""
    prouve: tuple[str, ...] = ()
    """What providers of identity proved of their tie to the company, in French."""

    @property
    def domain(self) -> str:
        """Of the e-mail address, in lower case."""
        return self.email.rpartition("@")[2].lower().rstrip(".")


class Sens(StrEnum):
    """What a line of a list does."""

    AUTORISE = "autorise"
    INTERDIT = "interdit"
    REPRESENTANT = "representant"
    """Only a legal representative is inscribed without an operator's agreement (fact 75)."""


class Nature(StrEnum):
    """What a line of a list names."""

    SIRET = "siret"
    SIREN = "siren"
    DOMAINE = "domaine"
    EMAIL = "email"
    TOUS = "tous"


@dataclass(frozen=True, slots=True)
class Entree:
    """One living line of a list. `service` is empty when it holds for all."""

    sens: Sens
    nature: Nature
    valeur: str
    service: str
    motif: str
    proprietaire: str

    def names(self, subject: Subject) -> bool:
        """Whether it is about this person."""
        email = subject.email.lower()
        if self.nature is Nature.DOMAINE:
            return subject.domain == self.valeur or subject.domain.endswith(f".{self.valeur}")
        known = {Nature.SIRET: str(subject.siret), Nature.SIREN: str(subject.siret.siren), Nature.EMAIL: email, Nature.TOUS: self.valeur}
        return known[self.nature] == self.valeur


@dataclass(frozen=True, slots=True)
class Lien:
    """The company declared for another, last in this month (`2026-10`)."""

    declarant: int
    declare: int
    dernier_mois: str


@dataclass(frozen=True, slots=True)
class Inscrit:
    """A line of the Tableau de l'Ordre."""

    numero: str
    nom: str
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Mandataire:
    """A legal representative, folded names."""

    nom: str
    prenom: str
    qualite: str
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Fiche:
    """The company as the directory has it."""

    noms: tuple[str, ...]
    categorie_juridique: str | None
    tranche_effectifs: str | None
    active: bool
    etablissement_ouvert: bool
    mis_a_jour: date | None

    @property
    def publique(self) -> bool:
        """INSEE's legal forms 7: legal persons under public law; 4: those that trade."""
        return (self.categorie_juridique or "")[:1] in ("4", "7")


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything that the rules may read."""

    subject: Subject
    now: datetime
    fiche: Fiche | None = None
    inscrits: int = 0
    """Other people inscribed for the company."""
    entreprises_du_courriel: int = 0
    """Other companies for which this e-mail address is inscribed."""
    entrees: tuple[Entree, ...] = ()
    liens: tuple[Lien, ...] = ()
    """Of the company as a declarant: to the company declared, or to any."""
    tableau: tuple[Inscrit, ...] = ()
    mandataires: tuple[Mandataire, ...] = field(default=())
    declare_par_courriel: bool = False
    """The address is inscribed, and verified, at a company that declares for this one."""

    @property
    def rcd(self) -> str:
        """The directory, with its date."""
        day = self.fiche.mis_a_jour if self.fiche else None
        return f"répertoire des entreprises (fiche du {day:%d/%m/%Y})" if day else "répertoire des entreprises"

    def finding(self, rule: str, verdict: Verdict, says: str, source: str, **evidence: str) -> Finding:
        """What a rule answers; names of evidence are its words, `_` for spaces."""
        family, name = rule.split(".")
        shown = tuple((key.replace("_", " ").capitalize(), value) for key, value in evidence.items())
        return Finding(name, family, verdict, says, source, self.now, shown)

    def entries(self, sens: Sens) -> tuple[Entree, ...]:
        """Living lines of one kind that matter to the services chosen, or to all."""
        chosen = {"", *self.subject.services}
        return tuple(entree for entree in self.entrees if entree.sens is sens and entree.service in chosen)

    def allowed(self) -> Entree | None:
        """The line that allows this very address or domain, if any."""
        mails = (Nature.DOMAINE, Nature.EMAIL)
        lines = self.entries(Sens.AUTORISE)
        return next((entree for entree in lines if entree.nature in mails and entree.names(self.subject)), None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all the rules of one moment found of a subject."""

    subject: Subject
    verdict: Verdict
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Codes of the rules that the verdict comes from; none when nothing is against."""
        if self.verdict is Verdict.PASS:
            return ()
        return tuple(finding.rule for finding in self.findings if finding.verdict is self.verdict)
