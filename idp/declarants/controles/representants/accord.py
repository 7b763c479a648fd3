"""A representative agrees, or refuses, that somebody else administers first (fact 75). The caller settles what follows, and commits.

Whom to ask comes from a register or from an operator, never from the person inscribed; a letter goes to the address of the
directory, never of a form. The key is 79 bits: it is looked for by its keyed digest, and answers once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.audit import journal
from idp.config import Settings
from idp.declarants.activation import KEYS, WINDOW, MaskedAddressError, address_of, read_key
from idp.declarants.controles.events import RepresentantAnswered, RepresentantAsked
from idp.declarants.controles.models import Controle, RepresentantLegal
from idp.declarants.controles.representants import messages
from idp.declarants.controles.representants.models import AccordRepresentant
from idp.declarants.controles.verdict import Verdict
from idp.declarants.inscription import check_email
from idp.declarants.models import Declarant
from idp.entreprises.models import Etablissement
from idp.errors import NotFoundError, RefusedError
from idp.notifications import pdf
from idp.notifications.messages import in_words
from idp.notifications.models import Letter, Mail
from idp.notifications.paper import Facts, Key, Paper, Paragraph
from idp.seals import Seals, b64

SETTLED = frozenset({"representant", "personne"})
"""The rules that an agreement answers: not to be a representative, and to be tied to the company by nothing."""
MOST = 3
"""Agreements asked for one examination."""
LIFETIME = timedelta(days=15)
KIND = "accord_representant"
ACCORD, REFUS = "accord", "refus"


class AccordDeadError(NotFoundError):
    """Unknown, answered, or too late: nobody learns which."""

    code = "accord_representant_inconnu"
    number = "M200111"
    remedy = "Vérifiez la clé reçue ; si une réponse a déjà été donnée, il n'y a rien à faire."
    title = "Cette demande n'attend pas de réponse"
    public = "Cette clé n'est pas la bonne, la demande a déjà reçu une réponse, ou son délai est passé."


class TooManyAccordsError(RefusedError):
    """Three were asked already, or this examination is settled."""

    code = "accords_epuises"
    number = "M200112"
    remedy = "Attendez une réponse, ou tranchez."
    status = 409
    public = "Trois accords ont déjà été demandés pour cette personne, ou son examen est réglé."


@dataclass(frozen=True, slots=True)
class Representant:
    """Whom to ask, and where; without an address, a letter is posted."""

    nom: str
    prenom: str
    qualite: str
    email: str = ""


def ask(
    settings: Settings, seals: Seals, controle: Controle, person: Declarant, who: Representant, now: datetime, actor: str | None
) -> None:
    """A mail or a letter leaves with a new key. Raises TooManyAccordsError, MaskedAddressError, InvalidEmailError."""
    if controle.decided_at is not None or len(AccordRepresentant.of(controle.id)) >= MOST:
        raise TooManyAccordsError(f"controle {controle.id}")
    address = check_email(who.email) if who.email else None
    lines = () if address else (address_of(person)[0], f"À l'attention de {who.prenom} {who.nom}", *address_of(person)[2:])
    key, until = KEYS.new(), min(person.expires_at or now + LIFETIME, now + LIFETIME)
    accord = AccordRepresentant(controle_id=controle.id, declarant_id=person.id, siret=person.siret, asked_at=now, expires_at=until)
    accord.nom, accord.prenom, accord.qualite, accord.email = who.nom, who.prenom, who.qualite, address
    accord.key_hash, accord.asked_by = digests(seals, key)[0], actor
    accord.keep()
    place = place_of(person)
    if address:
        message = messages.wanted(settings.issuer, accord.full_name, person.full_name, place, key, until)
        Mail.write(KIND, address, message, now)
    else:
        Letter.write(KIND, lines, pdf.render(_letter(accord, person, lines, key, settings.issuer), now), now, person.id)
    if person.email:
        told = messages.asked_for(settings.issuer, person.full_name, place, posted=address is None)
        Mail.write("accord_demande", person.email, told, now, person.id)
    by_mail, siret = address is not None, int(person.siret)
    journal.record(RepresentantAsked(declarant_id=person.id, siret=siret, actor=actor, accord_id=accord.id, by_mail=by_mail), now)


def ask_known(settings: Settings, seals: Seals, controle: Controle, person: Declarant, now: datetime) -> bool:
    """Should nothing else be against, ask the representative whom a register names, one with an address first. Whether one was asked.

    Whoever inscribes a company again and again does not make MAG write again and again: three in thirty days.
    """
    if controle.verdict is not Verdict.MANUAL or not settles(controle):
        return False
    if AccordRepresentant.count_since(person.siret, now - WINDOW) >= MOST:
        return False
    known = sorted(RepresentantLegal.rows(person.siret.siren), key=lambda one: (not one.email, one.nom, one.prenom))
    if not known:
        return False
    first = known[0]
    who = Representant(first.nom.title(), first.prenom.title(), first.qualite, first.email or "")
    try:
        ask(settings, seals, controle, person, who, now, None)
    except MaskedAddressError:
        return False
    return True


def settles(controle: Controle) -> bool:
    """Whether an agreement answers all that was against."""
    return set(controle.motifs.split()) <= SETTLED


def find(seals: Seals, typed: str, now: datetime) -> AccordRepresentant:
    """Raises AccordDeadError."""
    found = AccordRepresentant.with_key(digests(seals, typed), now)
    if found is None:
        raise AccordDeadError("unknown key")
    return found


def answer(accord: AccordRepresentant, agrees: bool, now: datetime) -> None:
    """Raises AccordDeadError when somebody was first."""
    if not accord.answered(ACCORD if agrees else REFUS, now):
        raise AccordDeadError(f"accord {accord.id}")
    said, siret, actor = accord.answer or "", int(accord.siret), actor_of(accord)
    event = RepresentantAnswered(declarant_id=accord.declarant_id, siret=siret, actor=actor, accord_id=accord.id, answer=said)
    journal.record(event, now)


def actor_of(accord: AccordRepresentant) -> str:
    """As the journal names who answered: by the number of the agreement, since a representative is no déclarant."""
    return f"representant:{accord.id}"


def place_of(person: Declarant) -> str:
    found = Etablissement.find(person.siret)
    return found.carte().designation if found else f"l'établissement {person.siret.grouped}"


def digests(seals: Seals, typed: str) -> list[str]:
    """Under each master secret, the one in force first."""
    data = read_key(typed).encode()
    return [b64(mac) for mac in seals.macs(KIND, data)]


def _letter(accord: AccordRepresentant, person: Declarant, lines: tuple[str, ...], key: str, issuer: str) -> Paper:
    facts = (
        ("Établissement", f"SIRET {person.siret.grouped}"),
        ("Personne", person.full_name),
        ("Réponse attendue avant le", in_words(accord.expires_at)),
    )
    return Paper(
        title="Accord du représentant légal",
        address_lines=lines,
        blocks=(
            Paragraph(f"{person.full_name} demande à administrer votre établissement dans MAG, l'identité numérique des entreprises."),
            Facts(facts),
            Paragraph("Comme vous représentez légalement cette entreprise, votre accord est nécessaire. Répondez avec cette clé :"),
            Key(KEYS.shown(key)),
            Paragraph(f"Saisissez-la sur {issuer}/representant : vous y lirez la demande, et l'accepterez ou la refuserez."),
            Paragraph("Si vous ne connaissez pas cette personne, refusez, ou détruisez cette lettre : elle n'aura accès à rien."),
        ),
    )
