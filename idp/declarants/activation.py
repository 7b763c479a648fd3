"""The key by post: somebody proves that the establishment knows them, at the address that the directory gives it (fact 32).

A candidate, whom no colleague answers; and a first administrator whom nothing else ties to the company: the key is then what the
control looked for, and an operator has nothing left to decide.

The address comes from the RCD, never from a form. The key is known by a keyed digest; five tries, then another letter is needed;
a letter a day at most, three in all. Left out on purpose: who the person is, which a password proved before.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from idp.audit import journal
from idp.codes import Codes
from idp.declarants import transitions
from idp.declarants.controles.dossier import Moment
from idp.declarants.controles.events import ControlsSettled
from idp.declarants.controles.models import Controle
from idp.declarants.controles.verdict import Verdict
from idp.declarants.equipe import messages
from idp.declarants.equipe.models import ActivationKey, Candidature, Decision
from idp.declarants.events import ActivationKeyPosted, ActivationKeyRefused
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Statut
from idp.entreprises.models import Entreprise, Etablissement
from idp.errors import RefusedError
from idp.notifications import pdf
from idp.notifications.messages import in_words
from idp.notifications.models import Letter, Mail
from idp.notifications.paper import Facts, Key, Paper, Paragraph
from idp.seals import Seals, b64

LENGTH = 16
KEYS = Codes("ABCDEFGHJKMNPQRSTUVWXYZ23456789", LENGTH, "-")
"""No sign that paper makes look like another: neither I, L, O nor 0, 1."""
MOST_TRIES, MOST_LETTERS = 5, 3
BETWEEN = timedelta(days=1)
MOST_AT_ONE_ADDRESS, WINDOW = 9, timedelta(days=30)
"""Letters for one address, whoever asks, in so long."""
FLOODED = (
    "Beaucoup de lettres sont déjà parties à l'adresse de cet établissement ce mois-ci. Demandez l'accord d'un administrateur en place, ou "
    "adressez-vous à l'assistance."
)
KIND = "cle_activation"
TIE, SETTLER = "personne", "cle"
"""The rule that a key answers, and who settles what it found, as the examination says."""


REASON = "Clé postée à l'adresse de l'établissement, puis saisie."


class LetterRefusedError(RefusedError):
    """Too many letters, or too soon; `public` says which."""

    code = "lettre_refusee"
    number = "M200208"
    remedy = "Attendez le courrier déjà demandé, ou l'accord d'un administrateur."
    status = 429
    public = "Une lettre est déjà en route."


class MaskedAddressError(RefusedError):
    """The directory does not publish where the establishment is, or does not know it."""

    code = "adresse_masquee"
    number = "M200209"
    remedy = "Demandez l'accord d'un administrateur en place, ou adressez-vous à l'assistance."
    status = 422
    title = "Adresse non diffusée"
    public = (
        "L'adresse de cet établissement n'est pas diffusée par le répertoire des entreprises : aucune clé ne peut y être postée. Demandez "
        "l'accord d'un administrateur en place, ou adressez-vous à l'assistance."
    )


class Answer(StrEnum):
    """What became of a key that was typed."""

    OPENED = "ouverte"
    WRONG = "fausse"
    NO_MORE = "epuisee"
    """No key was posted, or its tries are spent."""
    TOO_LATE = "trop_tard"
    """Somebody decided meanwhile, or time did."""


@dataclass(frozen=True, slots=True)
class State:
    """Where the candidate's keys stand, for their page."""

    letters: int
    asked_at: datetime | None
    tries_left: int
    next_at: datetime | None
    """When another letter may be asked; None: never."""

    def may_ask(self, now: datetime) -> bool:
        return self.next_at is not None and self.next_at <= now


def by_post(declarant: Declarant) -> bool:
    """Whether a posted key opens this account."""
    return declarant.statut is Statut.CANDIDAT or _unattached(declarant) is not None


def _unattached(declarant: Declarant) -> Controle | None:
    """The examination of a first administrator that waits, should it want nothing but a tie to the company."""
    found = Controle.last(declarant.id, Moment.INSCRIPTION) if declarant.statut is Statut.PRIMO else None
    wants = found is not None and found.verdict is Verdict.MANUAL and found.motifs.split() == [TIE]
    return found if found is not None and wants and found.waits_about(declarant) else None


def state_of(declarant: Declarant) -> State:
    keys = ActivationKey.of(declarant.id)
    if not keys:
        return State(0, None, 0, declarant.opened_at)
    following = keys[0].asked_at + BETWEEN if len(keys) < MOST_LETTERS else None
    return State(len(keys), keys[0].asked_at, max(0, MOST_TRIES - keys[0].tries), following)


def address_of(declarant: Declarant) -> tuple[str, ...]:
    """The lines of the envelope, as the directory has them. Raises MaskedAddressError."""
    found = Etablissement.find(declarant.siret)
    if found is None or not found.actif or found.statut_diffusion != "O" or not found.adresse or not (found.commune or found.cedex):
        raise MaskedAddressError(f"siret {declarant.siret}")
    company = Entreprise.find(declarant.siret.siren)
    name = (company.nom_affiche if company else None) or found.enseigne or found.denomination_usuelle
    if not name:
        raise MaskedAddressError(f"siret {declarant.siret}")
    return (name, "À l'attention de la direction", *found.adresse)


def ask_key(declarant: Declarant, now: datetime, *, seals: Seals, issuer: str) -> None:
    """A letter with a new key joins the outbox; the key before no longer opens. Raises LetterRefusedError, MaskedAddressError."""
    Declarant.hold(declarant.siret.siren, declarant.id)
    state = state_of(declarant)
    if not state.may_ask(now):
        when = f"Vous pourrez en demander une autre le {in_words(state.next_at)}." if state.next_at else "Trois lettres sont déjà parties."
        raise LetterRefusedError(f"declarant {declarant.id}", public=f"Une lettre est déjà en route. {when}")
    lines = address_of(declarant)
    if Letter.written_to(KIND, lines, now - WINDOW) >= MOST_AT_ONE_ADDRESS:
        raise LetterRefusedError(f"siret {declarant.siret}", public=FLOODED)
    key = KEYS.new()
    ActivationKey.make(declarant.id, digests(seals, declarant.id, key)[0], now)
    Letter.void(KIND, declarant.id, now)
    Letter.write(KIND, lines, pdf.render(letter(declarant, lines, key, issuer), now), now, declarant.id)
    journal.record(ActivationKeyPosted(declarant_id=declarant.id, siret=int(declarant.siret), rank=state.letters + 1), now)
    for one in (declarant, *Declarant.administrators(declarant.siret)):
        if one.email:
            Mail.write("cle_postee", one.email, messages.key_posted(issuer, one.full_name, declarant.siret, now), now, one.id)


def letter(declarant: Declarant, lines: tuple[str, ...], key: str, issuer: str) -> Paper:
    """What the envelope holds."""
    until = in_words(declarant.expires_at) if declarant.expires_at else ""
    return Paper(
        title="Clé d'activation d'un administrateur",
        address_lines=lines,
        blocks=(
            Paragraph(f"{declarant.full_name} demande à administrer votre établissement dans MAG, l'identité numérique des entreprises."),
            Facts(
                (("Établissement", f"SIRET {declarant.siret.grouped}"), ("Personne", declarant.full_name), ("Clé valable jusqu'au", until))
            ),
            Paragraph("Si cette personne doit gérer les comptes et les habilitations de votre établissement, remettez-lui cette clé :"),
            Key(KEYS.shown(key)),
            Paragraph(f"Elle la saisira sur {issuer}/activation, après avoir donné son nom et son mot de passe."),
            Paragraph("Si vous ne connaissez pas cette personne, détruisez cette lettre : sans la clé, sa demande s'efface d'elle-même."),
        ),
    )


def read_key(typed: str) -> str:
    """A key as people copy it: case, spaces and dashes do not matter; empty when it cannot be one."""
    return KEYS.read(typed) or ""


def digests(seals: Seals, declarant_id: int, key: str) -> list[str]:
    """Under each master secret, the one in force first. A key opens for one person alone."""
    data = f"{declarant_id}|{key}".encode()
    return [b64(mac) for mac in (seals.mac("activation", data), *seals.macs("activation", data))]


def activate(declarant: Declarant, typed: str, now: datetime, *, seals: Seals, issuer: str) -> Answer:
    """Try a key, counted before it is compared; the right one makes the person active. The caller commits, whatever the answer.

    The person's row is locked before the candidacy, as whoever answers it does: of two who come at once, none waits for the other in vain.
    """
    if declarant.statut is Statut.PRIMO:
        Etablissement.hold(declarant.siret)
    if not declarant.take(with_administrators=False) or not _waits(declarant, now):
        return Answer.TOO_LATE
    keys = ActivationKey.of(declarant.id)
    if not keys or not keys[0].count_try(MOST_TRIES):
        return Answer.NO_MORE
    found = [hmac.compare_digest(keys[0].key_hash, one) for one in digests(seals, declarant.id, read_key(typed))]
    if not any(found):
        journal.record(ActivationKeyRefused(declarant_id=declarant.id, siret=int(declarant.siret), tries=keys[0].tries), now)
        return Answer.WRONG if keys[0].tries < MOST_TRIES else Answer.NO_MORE
    if not keys[0].spend(now) or not _settle(declarant, now):
        return Answer.TOO_LATE
    Letter.void_all(declarant.id, now)
    transitions.apply(declarant, Act.ACTIVER, By.CLE, now)
    _tell(declarant, now, issuer)
    return Answer.OPENED


def _waits(declarant: Declarant, now: datetime) -> bool:
    """Nobody decided, nor did time."""
    if declarant.statut is Statut.PRIMO:
        return _unattached(declarant) is not None and declarant.expires_at is not None and declarant.expires_at > now
    asked = Candidature.of(declarant.id) if declarant.statut is Statut.CANDIDAT else None
    return asked is not None and asked.decided_at is None and asked.expires_at > now


def _settle(declarant: Declarant, now: datetime) -> bool:
    """What waited is answered by the key; False when somebody was first."""
    if declarant.statut is Statut.CANDIDAT:
        asked = Candidature.of(declarant.id)
        return asked is not None and asked.decide(Decision.CLE, now)
    controle = _unattached(declarant)
    if controle is None or not controle.settle("valider", REASON, SETTLER, now):
        return False
    event = ControlsSettled(declarant_id=declarant.id, siret=int(declarant.siret), decision="valider", reason=REASON)
    journal.record(event, now)
    return True


def _tell(declarant: Declarant, now: datetime, issuer: str) -> None:
    if declarant.email:
        message = messages.accepted(issuer, declarant.identite)
        Mail.write("candidature_acceptee", declarant.email, message, now, declarant.id)
    for one in Declarant.administrators(declarant.siret):
        if one.email and one.id != declarant.id:
            message = messages.activated(issuer, one.full_name, declarant.full_name, declarant.siret)
            Mail.write("activation_par_cle", one.email, message, now, one.id)
