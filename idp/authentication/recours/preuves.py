"""A way back through a provider above MAG: the account there that proved somebody, proved again, twice, a day apart.

Nothing is sent and nothing opens at the first proof: every address known of the account is told, and may stop it. Whoever exists or
not, holds such a proof or not, costs as much and reads one answer, but for the owner who comes back when the day is over. Left out on
purpose: second factors, which stay; providers of partners, whose word is worth no password.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from idp.audit import journal
from idp.authentication.recours import messages
from idp.authentication.recours.demandes import CANCEL_PURPOSE, NOBODY, PURPOSE
from idp.authentication.recours.events import RecoveryAgreed, RecoveryAsked, RecoveryFailed, RecoveryLinkSent
from idp.authentication.recours.models import Recours
from idp.authentication.recours.voies import ANSWERED, LIVING, PROVED, PROVED_DELAY, Etape, Voie
from idp.config import Settings
from idp.database import db
from idp.declarants.compte.adresse import REVERT
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.declarants.preuves import messages as proofs
from idp.declarants.preuves.events import PreuveRemoved
from idp.declarants.preuves.models import Preuve, hash_of
from idp.declarants.statuts import Statut
from idp.notifications.models import Mail, OneTimeLink

FROM = "fournisseur:"
"""Before the code of the provider, for who agreed."""
EVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Temoignage:
    """What a provider says just now of whoever says to be somebody here."""

    fournisseur: str
    """Its code."""
    nom: str
    """As people know it."""
    sujet_hashes: Sequence[str]
    same_person: bool
    """It knows them under the names that were typed, at a level that counts."""
    niveaux: Collection[str]
    """Levels at which a proof that was kept counts."""


def prove(settings: Settings, identite: Identite, said: Temoignage, now: datetime) -> str:
    """The word of a link that gives a new password, for a quarter of an hour; empty for everybody else, whatever was begun."""
    found = Declarant.find(identite)
    kept = Preuve.held(found.id if found else NOBODY, said.fournisseur, said.sujet_hashes)
    person = found if found is not None and kept is not None and said.same_person and _counts(kept, found, said, now) else None
    since = (person.password_changed_at if person else None) or EVER
    begun = Recours.proved(person.id if person else NOBODY, FROM + said.fournisseur, since, now)
    if person is not None and begun is not None and begun.ready_at is not None and begun.ready_at <= now:
        return _hand_over(begun, person, said, now)
    _begin(settings, identite, person if begun is None else None, said, now)
    return ""


def _counts(kept: Preuve, person: Declarant, said: Temoignage, now: datetime) -> bool:
    """It lives, or signs its owner in; it is of the names borne today, and was strong enough."""
    alive = kept.lives(now) or kept.connexion_at is not None
    same = kept.identite_hash == hash_of(Identite(person.siret, person.nom, person.prenom))
    return alive and same and kept.niveau in said.niveaux and person.statut is Statut.ACTIF


def _begin(settings: Settings, identite: Identite, person: Declarant | None, said: Temoignage, now: datetime) -> None:
    ready_at, until = now + PROVED_DELAY, now + PROVED
    recours = Recours(declarant_id=person.id if person else None, siret=identite.siret, voie=Voie.FOURNISSEUR, etape=Etape.CONFIRME)
    recours.checks, recours.agreed_by, recours.agreed_at = [], FROM + said.fournisseur, now
    recours.asked_at, recours.ready_at, recours.expires_at = now, ready_at, until
    db.session.add(recours)
    db.session.flush()
    former = OneTimeLink.held(REVERT, person.id if person else NOBODY, now)
    for address in (person.email if person else None, former.address if former else None):
        told = person.id if person else None
        token = OneTimeLink.issue(CANCEL_PURPOSE, now, PROVED, declarant_id=told, data={"recours": recours.id})
        message = messages.proved(settings.issuer, person.full_name if person else "", said.nom, ready_at, token)
        Mail.write("recours_fournisseur", address or "", message, now, told)
    about: dict[str, Any] = {"voie": Voie.FOURNISSEUR, "siret": int(identite.siret)}
    journal.record(
        RecoveryAsked(declarant_id=person.id, recours_id=recours.id, **about)
        if person is not None
        else RecoveryFailed(reason="nothing proved, or it waits already", **about),
        now,
    )


def _hand_over(begun: Recours, person: Declarant, said: Temoignage, now: datetime) -> str:
    """Links of before die: of two tabs, the last one leads on. Empty when the owner stopped it meanwhile."""
    if not begun.move(Etape.CONFIRME, Etape.REMIS, to=Etape.REMIS):
        return ""
    about: dict[str, Any] = {"declarant_id": person.id, "siret": int(person.siret)}
    journal.record(RecoveryAgreed(voie=Voie.FOURNISSEUR, recours_id=begun.id, step="preuve", by_what=said.fournisseur, **about), now)
    journal.record(RecoveryLinkSent(voie=Voie.FOURNISSEUR, recours_id=begun.id, declarant_id=person.id), now)
    OneTimeLink.void(PURPOSE, person.id, now)
    data = {"voie": Voie.FOURNISSEUR, "recours": begun.id, "version": person.version}
    return OneTimeLink.issue(PURPOSE, now, ANSWERED, declarant_id=person.id, data=data)


def withdraw(settings: Settings, recours: Recours, person: Declarant, now: datetime) -> None:
    """« Ce n'était pas moi »: somebody else holds the account there. What it proved goes, with the way in that came of it.

    So does whatever else was begun that way, at any provider: one click stops it all. The caller ended the sessions before.
    """
    begun = [one for one in Recours.of(person.id) if one.voie is Voie.FOURNISSEUR and one.etape in LIVING and one.expires_at > now]
    codes = {(one.agreed_by or "").removeprefix(FROM) for one in (recours, *begun)}
    Recours.end_others(person.id, recours.id, now, (Voie.FOURNISSEUR,))
    for kept in Preuve.of(person.id):
        if kept.fournisseur in codes:
            Mail.write("preuve", person.email or "", proofs.removed(settings.issuer, person.full_name, kept.nom, now), now, person.id)
            journal.record(PreuveRemoved(fournisseur=kept.fournisseur, declarant_id=person.id, siret=int(person.siret)), now)
            db.session.delete(kept)
