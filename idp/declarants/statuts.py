"""Statuses, roles, and the acts that change them: one table, enforced by `transitions.py`, printed in docs/statuts.md (facts 27-39).

What is not in the table cannot happen. Left out on purpose: rights (room `habilitations`) and sessions, which follow a status.
"""

from dataclasses import dataclass
from enum import StrEnum

from idp.errors import RefusedError


class Statut(StrEnum):
    """PRIMO and CANDIDAT hold no right and open no session (fact 29)."""

    ACTIF = "actif"
    PRIMO = "primo"
    CANDIDAT = "candidat"
    SUSPENDU = "suspendu"
    RADIE = "radie"

    @property
    def words(self) -> str:
        """As operators read it."""
        return WORDS[self]


class Role(StrEnum):
    """Fact 27: an administrateur may also declare."""

    DECLARANT = "declarant"
    ADMINISTRATEUR = "administrateur"
    ADMINISTRATEUR_DECLARANT = "administrateur_declarant"

    @property
    def administers(self) -> bool:
        return self is not Role.DECLARANT

    @property
    def declares(self) -> bool:
        return self is not Role.ADMINISTRATEUR

    @property
    def words(self) -> str:
        """As people read it."""
        return WORDS[self]


WORDS: dict[Statut | Role, str] = {
    Role.DECLARANT: "déclarant",
    Role.ADMINISTRATEUR: "administrateur",
    Role.ADMINISTRATEUR_DECLARANT: "administrateur et déclarant",
    Statut.ACTIF: "actif",
    Statut.PRIMO: "premier administrateur, en attente de vérification",
    Statut.CANDIDAT: "candidat administrateur, en attente d'activation",
    Statut.SUSPENDU: "suspendu",
    Statut.RADIE: "radié",
}


class Act(StrEnum):
    """What happens to an identity."""

    INSCRIRE_PREMIER = "inscrire_premier"
    INSCRIRE_CANDIDAT = "inscrire_candidat"
    ACCEPTER_INVITATION = "accepter_invitation"
    INSCRIRE = "inscrire"
    VALIDER = "valider"
    TRANSMETTRE = "transmettre"
    ECARTER = "ecarter"
    COOPTER = "coopter"
    AUTORISER = "autoriser"
    REFUSER = "refuser"
    ACTIVER = "activer"
    EXPIRER = "expirer"
    CHANGER_ROLE = "changer_role"
    SUSPENDRE = "suspendre"
    REACTIVER = "reactiver"
    RADIER = "radier"
    FERMER = "fermer"


class By(StrEnum):
    """Who may act."""

    SOI = "la personne elle-même"
    ADMINISTRATEUR = "un administrateur de l'établissement"
    CLE = "la clé reçue par courrier postal"
    CONTROLES = "les contrôles automatiques"
    OPERATEUR = "un opérateur de MAG"
    TEMPS = "le temps qui passe"


class StatutRefusedError(RefusedError):
    """This change of status makes no sense, or not by this person."""

    code = "statut_refuse"
    number = "M200004"
    remedy = "Le statut de la personne ne permet pas cet acte."
    status = 409
    public = "Le statut de ce compte ne permet pas ce changement."


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the table."""

    before: Statut | None
    """None: there is no identity yet."""
    act: Act
    after: Statut | None
    """None: the identity is erased; the journal keeps its number."""
    by: frozenset[By]
    says: str
    """In French, for the administrator's guide."""


def _line(before: Statut | None, act: Act, after: Statut | None, by: tuple[By, ...], says: str) -> Transition:
    return Transition(before, act, after, frozenset(by), says)


TABLE = (
    _line(
        None,
        Act.INSCRIRE_PREMIER,
        Statut.PRIMO,
        (By.SOI,),
        "Le premier administrateur d'un établissement confirme son inscription par le lien reçu.",
    ),
    _line(
        None,
        Act.INSCRIRE_CANDIDAT,
        Statut.CANDIDAT,
        (By.SOI,),
        "L'établissement a déjà un administrateur : la demande attend un accord ou une clé.",
    ),
    _line(
        None,
        Act.ACCEPTER_INVITATION,
        Statut.ACTIF,
        (By.ADMINISTRATEUR,),
        "Une personne invitée par un administrateur accepte l'invitation.",
    ),
    _line(None, Act.INSCRIRE, Statut.ACTIF, (By.OPERATEUR,), "Un opérateur inscrit une personne en ligne de commande."),
    _line(Statut.PRIMO, Act.VALIDER, Statut.ACTIF, (By.CONTROLES, By.OPERATEUR), "Les contrôles sont passés, ou un opérateur a tranché."),
    _line(
        Statut.PRIMO,
        Act.TRANSMETTRE,
        Statut.CANDIDAT,
        (By.CONTROLES, By.OPERATEUR),
        "L'inscription est validée, mais l'établissement a un administrateur depuis : c'est à lui de répondre.",
    ),
    _line(Statut.PRIMO, Act.ECARTER, None, (By.CONTROLES, By.OPERATEUR), "Les contrôles s'y opposent, ou un opérateur a refusé."),
    _line(
        Statut.PRIMO,
        Act.ACTIVER,
        Statut.ACTIF,
        (By.CLE,),
        "Rien d'autre ne rattachait la personne à l'entreprise : la clé postée à l'adresse de l'établissement est saisie.",
    ),
    _line(Statut.PRIMO, Act.EXPIRER, None, (By.TEMPS,), "Personne n'a tranché dans le délai."),
    _line(Statut.CANDIDAT, Act.COOPTER, Statut.ACTIF, (By.ADMINISTRATEUR,), "Un administrateur en place donne son accord."),
    _line(
        Statut.CANDIDAT,
        Act.AUTORISER,
        Statut.ACTIF,
        (By.OPERATEUR,),
        "Tous les administrateurs de l'établissement sont suspendus : un opérateur donne l'accord à leur place.",
    ),
    _line(Statut.CANDIDAT, Act.REFUSER, None, (By.ADMINISTRATEUR,), "Un administrateur en place refuse."),
    _line(Statut.CANDIDAT, Act.ECARTER, None, (By.OPERATEUR,), "Les contrôles ont un doute, et un opérateur refuse."),
    _line(Statut.CANDIDAT, Act.ACTIVER, Statut.ACTIF, (By.CLE,), "La clé postée à l'adresse de l'établissement est saisie."),
    _line(Statut.CANDIDAT, Act.EXPIRER, None, (By.TEMPS,), "Aucune décision en 15 jours."),
    _line(
        Statut.ACTIF,
        Act.CHANGER_ROLE,
        Statut.ACTIF,
        (By.ADMINISTRATEUR, By.OPERATEUR),
        "Le rôle change ; l'établissement garde un administrateur.",
    ),
    _line(
        Statut.ACTIF,
        Act.SUSPENDRE,
        Statut.SUSPENDU,
        (By.ADMINISTRATEUR, By.OPERATEUR, By.TEMPS),
        "L'accès est suspendu ; le temps suspend un compte dormant.",
    ),
    _line(
        Statut.SUSPENDU,
        Act.REACTIVER,
        Statut.ACTIF,
        (By.ADMINISTRATEUR, By.OPERATEUR),
        "La suspension est levée ; celle d'un opérateur, par un opérateur seul.",
    ),
    _line(
        Statut.ACTIF,
        Act.RADIER,
        Statut.RADIE,
        (By.ADMINISTRATEUR, By.OPERATEUR),
        "La personne quitte l'entreprise ; ses droits sont réglés avant.",
    ),
    _line(
        Statut.SUSPENDU,
        Act.RADIER,
        Statut.RADIE,
        (By.ADMINISTRATEUR, By.OPERATEUR),
        "La personne quitte l'entreprise ; ses droits sont réglés avant.",
    ),
    _line(Statut.ACTIF, Act.FERMER, Statut.RADIE, (By.SOI,), "La personne ferme son compte."),
)


def transition(before: Statut | None, act: Act, by: By) -> Transition:
    """The line of the table for this act. Raises StatutRefusedError when there is none."""
    for line in TABLE:
        if (line.before, line.act) == (before, act) and by in line.by:
            return line
    public = f"Le compte est « {before} » : ce changement n'a pas lieu d'être." if before else StatutRefusedError.public
    raise StatutRefusedError(f"{before} {act} by {by.name}", public=public)


LEAVES_ADMINISTRATION = frozenset({Act.CHANGER_ROLE, Act.SUSPENDRE, Act.RADIER, Act.FERMER})
"""Acts that may leave an establishment without administrator."""


def table() -> str:
    """The transitions, in Markdown: the table of docs/statuts.md."""
    lines = ["| avant | acte | après | par qui | quand |", "|---|---|---|---|---|"]
    for line in TABLE:
        by = ", ".join(by.value for by in By if by in line.by)
        lines.append(f"| {_cell(line.before, '*(rien)*')} | `{line.act}` | {_cell(line.after, '*(effacé)*')} | {by} | {line.says} |")
    return "\n".join(lines)


def _cell(statut: Statut | None, nothing: str) -> str:
    return f"`{statut}`" if statut else nothing
