"""A mail's link is confirmed: somebody is inscribed, by the branch that the establishment calls for (facts 22, 29, 30).

Nobody administers it yet: PRIMO, and the controls decide at once whether it becomes ACTIF, waits for an operator, or is set
aside. Somebody does: CANDIDAT, whom colleagues or a posted key activate. Left out on purpose: rights, candidacy and mails,
which the page orchestrates in the same transaction.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from idp.audit import journal
from idp.declarants import transitions
from idp.declarants.controles.dossier import Outcome, Subject
from idp.declarants.controles.pipeline import examine, keep
from idp.declarants.controles.verdict import Verdict
from idp.declarants.equipe.models import Candidature
from idp.declarants.inscription import HomonymeError, inscrire
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.declarants.parcours.events import InformationConsent, InscriptionConfirmed
from idp.declarants.parcours.models import ConsentementInformation, Inscription, ProfilEtablissement, ServicesChoisis
from idp.declarants.preuves.models import Preuve
from idp.declarants.statuts import Act, By, Role, Statut
from idp.entreprises.models import Etablissement
from idp.errors import DeadLinkError, RefusedError
from idp.notifications.messages import Message
from idp.notifications.models import Mail, OneTimeLink

DEADLINE = timedelta(days=15)
"""For an operator, a colleague or a posted key to decide (fact 33)."""
SET_ASIDE = "ecarte"
ATTEMPTED = "inscription_tentee"
NOBODY = 0
"""No identity has this number."""


class IncompleteError(RefusedError):
    """Not everything is filled in, or the terms changed since."""

    code = "inscription_incomplete"
    number = "M200404"
    remedy = "Reprenez l'inscription là où elle s'est arrêtée."
    status = 409
    public = "Votre inscription n'est pas complète. Reprenez-la là où elle s'est arrêtée."


MOST_CANDIDACIES = 10
"""That wait at one establishment: more would be a flood of mails for its administrators."""


class TooManyCandidaciesError(RefusedError):
    """Too many people ask to administer one establishment, and nobody answers."""

    code = "trop_de_candidatures"
    number = "M200216"
    remedy = "Adressez-vous à l'administrateur de l'établissement, ou réessayez dans quelques jours."
    status = 429
    public = (
        "Plusieurs demandes attendent déjà la réponse d'un administrateur de cet établissement. Adressez-vous à lui, ou réessayez dans "
        "quelques jours avec le même lien ou une nouvelle inscription."
    )


class InscriptionLinkDeadError(DeadLinkError):
    """The link was used, has expired, or leads to an inscription that is over."""

    code = "lien_inscription_mort"
    number = "M200405"
    remedy = "Recommencez l'inscription, ou connectez-vous si elle est terminée."
    public = (
        "Ce lien a déjà servi, il est trop ancien, ou un autre l'a remplacé. Si vous aviez terminé votre inscription, connectez-vous ; "
        "sinon, reprenez-la dans le navigateur où vous l'aviez commencée, ou recommencez-la."
    )


def confirmer(draft: Inscription, now: datetime, unattached: Verdict = Verdict.MANUAL) -> Declarant | None:
    """Whoever the draft inscribes; None when the controls set them aside. The draft's row is locked by the caller.

    `unattached`: the verdict on a first administrator whom nothing ties to the company. An identity that exists is said to its own
    address alone; any other is inscribed as a namesake, and reads what anybody would (C33): who decides is told.

    Raises IncompleteError, UnknownSiretError, ClosedSiretError, HomonymeError, TooManyCandidaciesError.
    """
    if draft.email is None or draft.profil is None or draft.secteur is None or draft.password_hash is None or draft.submitted_at is None:
        raise IncompleteError(f"inscription {draft.id}")
    Etablissement.locked(draft.siret)
    known = Declarant.namesakes(draft.identite)
    for one in known:
        if one.writes_from(draft.email):
            raise HomonymeError(draft.identite, left=one.statut is Statut.RADIE)
    candidate = Declarant.is_administered(draft.siret)
    if candidate and Candidature.count_waiting(range(int(draft.siret), int(draft.siret) + 1)) >= MOST_CANDIDACIES:
        raise TooManyCandidaciesError(f"at {draft.siret}")
    proofs = Preuve.of_draft(draft.id, draft.identite, now)
    outcome = examine(_subject(draft, None if candidate else unattached, proofs), now)
    blocked = outcome.verdict is Verdict.BLOCK
    borne = any(not one.is_namesake for one in known)
    declarant = None if candidate and blocked else _inscribe(draft, now, candidate=candidate, namesake=borne)
    if declarant is not None:
        Preuve.attach(draft.id, declarant.id, draft.identite)
        keep(declarant.id, outcome, now)
        if not candidate:
            declarant = _decide(declarant, outcome, now)
    _close(draft, declarant, outcome, now)
    return declarant


def warn(known: Declarant | None, message: Message, now: datetime) -> None:
    """Tell the owner of an identity that somebody tried to inscribe it; once a day at most, whoever tries.

    For nobody the same statements are run, and the mail never leaves: the time of the page says nothing (C34).
    """
    told = Mail.wrote(ATTEMPTED, known.id if known else NOBODY, now - timedelta(days=1))
    recipient = known.email if known and known.email and not told else ""
    Mail.write(ATTEMPTED, recipient, message, now, known.id if known and recipient else None)


def draft_of(link: OneTimeLink | None, now: datetime, *, lock: bool = False) -> Inscription:
    """The inscription that a living link confirms: submitted as it was when the mail left. Raises InscriptionLinkDeadError."""
    found = link and (Inscription.locked if lock else Inscription.find)(int(link.data["inscription"]), now)
    if not link or not found or found.confirmed_at or found.email != link.address or found.stamp != link.data["at"]:
        raise InscriptionLinkDeadError("confirmation")
    return found


PROVED = {True: "dirigeant certifié par {nom}", False: "établissement confirmé par {nom}"}
"""What ties somebody to a company, of what a provider proved: that they lead it, or work there."""


def _subject(draft: Inscription, unattached: Verdict | None, proofs: Sequence[Preuve]) -> Subject:
    assert draft.profil is not None  # noqa: S101  # checked by the caller
    return Subject(
        siret=draft.siret,
        nom=draft.nom or "",
        prenom=draft.prenom or "",
        email=draft.email or "",
        profil=draft.profil,
        services=tuple(draft.services or ()),
        unattached=unattached,
        prouve=tuple(PROVED[one.dirigeant].format(nom=one.nom) for one in proofs if one.siret is not None),
    )


def _inscribe(draft: Inscription, now: datetime, *, candidate: bool, namesake: bool) -> Declarant:
    """The row, and all that was agreed to."""
    declarant = inscrire(
        draft.identite,
        now,
        role=Role.ADMINISTRATEUR_DECLARANT,
        act=Act.INSCRIRE_CANDIDAT if candidate else Act.INSCRIRE_PREMIER,
        by=By.SOI,
        email=draft.email,
        telephone=draft.telephone,
        mobile=draft.mobile,
        namesake=namesake,
    )
    declarant.password_hash, declarant.pepper_id, declarant.password_changed_at = draft.password_hash, draft.pepper_id, now
    declarant.email_verified, declarant.email_verified_at = True, now
    declarant.expires_at = now + DEADLINE
    read = conditions.find(draft.conditions_version or "")
    if read is None or draft.conditions_at is None or draft.profil is None:
        raise IncompleteError(f"inscription {draft.id}")
    conditions.accept(declarant, read, draft.conditions_at)
    ConsentementInformation.keep(declarant.id, draft.information, now)
    if draft.information:
        journal.record(InformationConsent(declarant_id=declarant.id, siret=int(declarant.siret), given=True), now)
    ServicesChoisis.keep(declarant.id, draft.services or [], draft.profil)
    return declarant


def _decide(declarant: Declarant, outcome: Outcome, now: datetime) -> Declarant | None:
    """What the controls do of a first administrator."""
    if outcome.verdict is Verdict.BLOCK:
        transitions.apply(declarant, Act.ECARTER, By.CONTROLES, now)
        return None
    if outcome.verdict is not Verdict.MANUAL:
        transitions.apply(declarant, Act.VALIDER, By.CONTROLES, now)
    return declarant


def _close(draft: Inscription, declarant: Declarant | None, outcome: Outcome, now: datetime) -> None:
    """The draft keeps what its last page shows, and no secret."""
    draft.confirmed_at, draft.password_hash, draft.pepper_id = now, None, None
    draft.declarant_id = declarant.id if declarant else None
    draft.issue = declarant.statut if declarant else SET_ASIDE
    draft.touch(now)
    if declarant is not None and declarant.statut is not Statut.CANDIDAT and draft.profil and draft.secteur:
        ProfilEtablissement.keep(declarant.siret, draft.profil, draft.secteur, now)
    event = InscriptionConfirmed(declarant_id=draft.declarant_id, siret=int(draft.siret), issue=draft.issue, verdict=outcome.verdict)
    journal.record(event, now)
