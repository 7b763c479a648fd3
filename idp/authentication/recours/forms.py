"""Forms of recovery: raw text in, frozen values or French messages out. What they say depends on the input alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from idp.authentication.recours.codes import Code
from idp.authentication.recours.demandes import Plea
from idp.authentication.recours.question import LONGEST_ANSWER, LONGEST_QUESTION, OWN, QUESTIONS, SHORTEST_ANSWER, Answer
from idp.authentication.recours.voies import MOYENS, Moyen, Voie
from idp.declarants.identite import Identite, fold
from idp.declarants.saisie import email_twice, read_identite, shown

LONGEST_REASON = 2_000
"""Characters of a field shown again."""
Errors = dict[str, str]
Raw = Mapping[str, str]


def _identite(raw: Raw, errors: Errors) -> Identite | None:
    return read_identite(raw.get("siret", ""), raw.get("nom", ""), raw.get("prenom", ""), errors)


def _paragraph(text: str) -> str:
    return "".join(c for c in text if c.isprintable() or c == "\n")[:LONGEST_REASON].strip()


@dataclass(frozen=True, slots=True)
class Oubli:
    """Who asks for a way back, and which one. Without `errors`, `identite` is whole."""

    siret: str = ""
    nom: str = ""
    prenom: str = ""
    voie: Voie = Voie.COURRIEL
    reason: str = ""
    email: str = ""
    email2: str = ""
    telephone: str = ""
    identite: Identite | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Raw, voie: Voie) -> "Oubli":
        errors: Errors = {}
        identite = _identite(raw, errors)
        texts = {name: shown(raw.get(name, "")) for name in ("siret", "nom", "prenom", "email", "email2", "telephone")}
        reason = _paragraph(raw.get("reason", ""))
        if voie is Voie.ASSISTANCE:
            if len(reason) < 10:
                errors["reason"] = "Dites en une ou deux phrases ce qui s'est passé."
            texts["email"] = email_twice(raw, errors) or texts["email"]
            if not 6 <= sum(c.isdigit() for c in texts["telephone"]) <= 15:
                errors["telephone"] = "Saisissez un numéro où vous joindre, comme 01 23 45 67 89."
            texts["telephone"] = texts["telephone"][:30]
        return cls(voie=voie, reason=reason, identite=identite, errors=errors, **texts)

    @property
    def plea(self) -> Plea:
        return Plea(self.reason, self.email, self.telephone)


@dataclass(frozen=True, slots=True)
class CodeRecu:
    """A code that an administrator handed over, and the new address."""

    siret: str = ""
    nom: str = ""
    prenom: str = ""
    code: Code | None = None
    email: str = ""
    email2: str = ""
    identite: Identite | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Raw) -> "CodeRecu":
        """A code that cannot be one is tried like any other: the answer is the same."""
        errors: Errors = {}
        identite = _identite(raw, errors)
        if not raw.get("code", "").strip():
            errors["code"] = "Saisissez le code que votre administrateur vous a remis."
        texts = {name: shown(raw.get(name, "")) for name in ("siret", "nom", "prenom", "email2")}
        address = email_twice(raw, errors) or shown(raw.get("email", ""))
        return cls(code=Code.parse(raw.get("code", "")[:100]), email=address, identite=identite, errors=errors, **texts)


@dataclass(frozen=True, slots=True)
class Reponse:
    """The question one says one chose, and its answer."""

    siret: str = ""
    nom: str = ""
    prenom: str = ""
    question: str = ""
    answer: Answer | None = field(default=None, repr=False)
    identite: Identite | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Raw) -> "Reponse":
        errors: Errors = {}
        identite = _identite(raw, errors)
        question = _question(raw, errors)
        if not raw.get("answer", "").strip():
            errors["answer"] = "Saisissez votre réponse."
        texts = {name: shown(raw.get(name, "")) for name in ("siret", "nom", "prenom")}
        answer = Answer(question, raw.get("answer", "")[:LONGEST_ANSWER])
        return cls(question=question, answer=answer, identite=identite, errors=errors, **texts)


def _question(raw: Raw, errors: Errors) -> str:
    question = raw.get("question", "")
    if question not in (*QUESTIONS, OWN):
        errors["question"] = "Choisissez la question."
        return ""
    return question


@dataclass(frozen=True, slots=True)
class MaQuestion:
    """A secret question and its answer, chosen by somebody signed in."""

    question: str = ""
    own: str = ""
    answer: Answer | None = field(default=None, repr=False)
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Raw) -> "MaQuestion":
        errors: Errors = {}
        question, own = _question(raw, errors), shown(raw.get("own", ""), LONGEST_QUESTION)
        if question == OWN and len(own) < 10:
            errors["own"] = "Écrivez votre question, en dix caractères au moins."
        typed = raw.get("answer", "")[:LONGEST_ANSWER]
        folded = fold(typed).replace(" ", "")
        if len(folded) < SHORTEST_ANSWER:
            errors["answer"] = f"Choisissez une réponse de {SHORTEST_ANSWER} lettres ou chiffres au moins."
        elif folded in fold(own).replace(" ", ""):
            errors["answer"] = "La question ne doit pas contenir la réponse."
        return cls(question, own, Answer(question, typed), errors)

    @property
    def text(self) -> str:
        return self.own if self.question == OWN else QUESTIONS[self.question]


@dataclass(frozen=True, slots=True)
class Decision:
    """What an administrator decides of a request."""

    accepted: bool = False
    moyen: Moyen | None = None
    by_code: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Raw) -> "Decision":
        errors: Errors = {}
        said, moyen = raw.get("decision", ""), raw.get("moyen", "")
        if said not in ("accord", "refus"):
            errors["decision"] = "Choisissez d'accepter ou de refuser."
        if said == "accord" and moyen not in tuple(MOYENS):
            errors["moyen"] = "Dites comment vous avez reconnu la personne."
        if said == "accord" and raw.get("remise") not in ("courriel", "code"):
            errors["remise"] = "Choisissez comment la personne reçoit la suite."
        return cls(said == "accord", Moyen(moyen) if moyen in tuple(MOYENS) else None, raw.get("remise") == "code", errors)
