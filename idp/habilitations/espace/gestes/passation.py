"""Joiners and leavers, promotions, and undoing: what passes from one to another, or comes back. Raises AttributionRefusedError."""

from collections.abc import Callable

from idp.database import db
from idp.declarants.models import Declarant
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import Siren
from idp.errors import UnknownPageError
from idp.habilitations import decision, transfert
from idp.habilitations.confies import models as sets
from idp.habilitations.espace import models
from idp.habilitations.espace.cellules import Place
from idp.habilitations.espace.gestes.acte import Acte, Demande, Geste, plural
from idp.habilitations.espace.gestes.models import places, portefeuilles_of
from idp.habilitations.espace.portee import check_receives
from idp.habilitations.espace.saisie import number
from idp.habilitations.gesture import refusal
from idp.habilitations.historique.annulation import annuler as undo
from idp.habilitations.models import PortefeuilleMembre
from idp.habilitations.plat.models import PromotionProposee
from idp.habilitations.plat.promotion import accepter


def copier(demande: Demande) -> Acte:
    """Whoever arrives may do what a colleague may."""
    return _pass(demande, "Copier", transfert.copier, leaves=False)


def transferer(demande: Demande) -> Acte:
    """The colleague holds all, the giver nothing any more."""
    return _pass(demande, "Transférer", transfert.transferer, leaves=True)


def _pass(demande: Demande, verb: str, change: Callable[[Geste, int, int], object], *, leaves: bool) -> Acte:
    people = demande.personnes("de") | demande.personnes("vers")
    giver, *others = people.values()
    if not others:
        raise refusal("one person", "Choisissez deux personnes différentes.")
    to = others[0]
    masks = sets.summary(giver.id, demande.now)[2]
    check_receives(to, demande.catalogue.held(masks), demande.catalogue, demande.now)
    cibles, total = held_by(giver, demande)
    looked_at: list[Place] = [(who, cible) for cible in cibles for who in ((giver.id, to.id) if leaves else (to.id,))]
    resume = f"{verb} les droits de {giver.full_name} à {to.full_name}"
    return Acte(
        resume,
        people,
        looked_at,
        lambda geste: change(geste, giver.id, to.id),
        f"/equipe/droits/personnes/{giver.uid}",
        demande.now,
        total * (2 if leaves else 1),
        avis=_exclusions(demande, giver, to),
        portefeuilles=lambda: PortefeuilleMembre.portfolios_of(giver.id),
    )


def _exclusions(demande: Demande, giver: Declarant, to: Declarant) -> tuple[str, ...]:
    """What a preview of sets says beside what is gained and lost."""
    found = transfert.preview(Geste(None, demande.catalogue, demande.now), giver.id, to.id)
    said = []
    if found.coming:
        said.append(f"{plural(found.coming, 'attribution')} pas encore ouverte{'s' if found.coming > 1 else ''} : le délai ne repart pas.")
    if found.exclusions:
        said.append(f"{plural(found.exclusions, 'exclusion')} {'suit' if found.exclusions == 1 else 'suivent'} les droits.")
    if found.laissees:
        kept = plural(len(found.laissees), "exclusion")
        said.append(f"{kept} ne {'suit' if len(found.laissees) == 1 else 'suivent'} pas : {to.full_name} y détenait déjà des droits.")
    return tuple(said)


def held_by(giver: Declarant, demande: Demande) -> tuple[list[int], int]:
    """The first targets of an account, and about how many there are in all."""
    found: list[int] = []
    after = None
    for _ in range(demande.most // 2 // decision.LONGEST_PAGE):
        page = decision.targets(demande.lecteur.connections, demande.catalogue, giver.id, services=None, now=demande.now, after=after)
        found += [target.cible for target in page.targets]
        after = page.following
        if after is None:
            return found, len(found)
    volume = models.volume(giver.id, demande.now)
    return found, max(len(found) + 1, volume.directs + volume.clients)


def abandonner(demande: Demande) -> Acte:
    """Somebody holds nothing any more, and stays."""
    people = demande.personnes("de")
    giver = next(iter(people.values()))
    cibles, total = held_by(giver, demande)
    return Acte(
        f"Retirer tous les droits de {giver.full_name}",
        people,
        [(giver.id, cible) for cible in cibles],
        lambda geste: transfert.abandonner(geste, giver.id),
        f"/equipe/droits/personnes/{giver.uid}",
        demande.now,
        total,
        portefeuilles=lambda: PortefeuilleMembre.portfolios_of(giver.id),
    )


def promouvoir(demande: Demande) -> Acte:
    """A right on the whole company takes the place of the same rights on each establishment."""
    people, siren = demande.personnes(), number(demande.un("siren", 15))
    one = next(iter(people.values()))
    proposal = db.session.get(PromotionProposee, (one.id, siren))
    if proposal is None or proposal.decided_at is not None:
        raise UnknownPageError("no proposal")
    demande.portee.check_targets([siren])
    check_receives(one, demande.catalogue.held(proposal.masks), demande.catalogue, demande.now)
    below = [int(place.siret) for place in Etablissement.of_company(Siren.of(siren), limit=500)]
    return Acte(
        f"Donner à {one.full_name} sur l'entreprise entière les droits qu'il ou elle a sur chaque établissement",
        people,
        [(one.id, cible) for cible in (siren, *below)],
        lambda geste: accepter(geste, one.id, siren),
        "/equipe/droits/promotions",
        demande.now,
        len(below) + 1,
        avis=("Les établissements que l'entreprise ouvrira seront compris.",),
    )


def annuler(demande: Demande) -> Acte:
    """What an operation wrote goes, what it closed comes back."""
    operation, by = demande.portee.operation(number(demande.un("operation", 15)))
    sets.take_time()
    found = places(operation.id, demande.most)
    return Acte(
        f"Annuler l'opération n° {operation.id} de {by.full_name} : {operation.resume or operation.kind}",
        {},
        found,
        lambda geste: undo(geste, operation.id),
        f"/equipe/droits/operations/{operation.id}",
        demande.now,
        len(found) + (len(found) == demande.most),
        portefeuille_id=operation.portefeuille_id,
        portefeuilles=lambda: portefeuilles_of(operation.id),
    )
