"""To change a portfolio: its services, its clients, its members; to split it. Each form says what its administrator had read.

Two administrators who change one portfolio do not lose one another's change: the second is shown the first's, and asks again.
Raises AttributionRefusedError.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice, product

from idp.database import db
from idp.errors import RefusedError
from idp.habilitations import portefeuilles, scission
from idp.habilitations.droits import Rights, words
from idp.habilitations.espace.dossiers import models
from idp.habilitations.espace.gestes.acte import Acte, Demande, Geste, plural
from idp.habilitations.espace.gestes.models import people_of
from idp.habilitations.espace.gestes.personnes import horizon, names, said, targets
from idp.habilitations.espace.portee import check_receives
from idp.habilitations.espace.saisie import number
from idp.habilitations.gesture import refusal
from idp.habilitations.models import Portefeuille, PortefeuilleClient
from idp.habilitations.portefeuilles import ADVISED_CLIENTS


class PortefeuilleChangedError(RefusedError):
    """Somebody changed the portfolio since its page was read."""

    code = "portefeuille_change"
    number = "M300004"
    remedy = "Lisez ce qui a changé, puis reprenez votre modification sur le portefeuille actuel."
    status = 409
    title = "Le portefeuille a changé"
    public = "Quelqu'un d'autre a changé ce portefeuille pendant que sa page était ouverte : rien de ce que vous demandiez n'a été fait."

    def __init__(self, portefeuille_id: int, seen: int) -> None:
        super().__init__(f"portfolio {portefeuille_id}")
        self.portefeuille_id = portefeuille_id
        self.seen = seen
        """The last operation that its reader knew of."""


def version(portefeuille: Portefeuille, last: int) -> str:
    """What a form of a portfolio says that it read."""
    return f"{portefeuille.epoque}.{last}"


def ouvrir_services(demande: Demande) -> Acte:
    portefeuille, rights = _read(demande), demande.rights()
    resume = f"Ouvrir {said(demande.catalogue, rights)} au portefeuille « {portefeuille.nom} »"
    avis = ("Ces services ne s'ouvrent à aucun client tant que vous ne les ajoutez pas client par client.",)
    return _acte(demande, portefeuille, resume, lambda geste: portefeuilles.ouvrir_services(geste, portefeuille.id, rights), avis=avis)


def fermer_services(demande: Demande) -> Acte:
    portefeuille, rights = _read(demande), demande.rights()
    resume = f"Fermer {said(demande.catalogue, rights)} au portefeuille « {portefeuille.nom} » et à tous ses clients"
    return _acte(demande, portefeuille, resume, lambda geste: portefeuilles.fermer_services(geste, portefeuille.id, rights))


def ajouter_clients(demande: Demande) -> Acte:
    portefeuille, rights, cibles = _read(demande), demande.rights(), targets(demande)
    opens_at, ends_at = demande.dates()
    demande.portee.check_targets(cibles)
    _check_container(demande, portefeuille, rights)
    resume = f"Ouvrir {said(demande.catalogue, rights)} à {plural(len(cibles), 'client')} du portefeuille « {portefeuille.nom} »"
    after = len({*PortefeuilleClient.targets(portefeuille.id), *cibles})
    avis = (f"Le portefeuille comptera {after} clients : au-delà de {ADVISED_CLIENTS}, mieux vaut le scinder.",)

    def faire(geste: Geste) -> object:
        return portefeuilles.ajouter_clients(geste, portefeuille.id, cibles, rights, opens_at=opens_at, ends_at=ends_at)

    when = horizon(demande, rights, opens_at)
    return _acte(demande, portefeuille, resume, faire, cibles=cibles, when=when, avis=avis if after > ADVISED_CLIENTS else ())


def _check_container(demande: Demande, portefeuille: Portefeuille, rights: Rights) -> None:
    """Fact 48: said before anything is tried, with what to add and where."""
    lacking = demande.catalogue.masks(rights).minus(portefeuille.masks)
    if any(lacking):
        added = ", ".join(
            f"« {demande.catalogue.services[code].libelle} » ({words(droits)})" for code, droits in demande.catalogue.held(lacking).items()
        )
        raise refusal(
            "container lacks", f"Ajoutez d'abord {added} aux services du portefeuille « {portefeuille.nom} », puis à ses clients."
        )


def retirer_clients(demande: Demande) -> Acte:
    """Some services of some clients, or, when no right is ticked, the clients themselves."""
    portefeuille, cibles = _read(demande), targets(demande)
    rights = demande.rights() if demande.champs.get("droit") else None
    what = f"Fermer {said(demande.catalogue, rights)} à" if rights else "Sortir"
    resume = f"{what} {plural(len(cibles), 'client')} du portefeuille « {portefeuille.nom} »"
    demande.portee.check_targets(cibles)
    return _acte(
        demande, portefeuille, resume, lambda geste: portefeuilles.retirer_clients(geste, portefeuille.id, cibles, rights), cibles=cibles
    )


def ajouter_membres(demande: Demande) -> Acte:
    portefeuille, people, rights = _read(demande), demande.personnes(), demande.rights()
    opens_at, ends_at = demande.dates()
    for one in people.values():
        check_receives(one, rights, demande.catalogue, demande.now)

    def faire(geste: Geste) -> None:
        for who in people:
            portefeuilles.ajouter_membre(geste, portefeuille.id, who, rights=rights, opens_at=opens_at, ends_at=ends_at)
        _touch(geste, portefeuille)

    resume = f"Membre de « {portefeuille.nom} », pour {said(demande.catalogue, rights)} au plus : {names(people.values())}"
    when = max(demande.now, opens_at or demande.now)
    return _acte(demande, portefeuille, resume, faire, members=list(people), when=when)


def retirer_membres(demande: Demande) -> Acte:
    portefeuille, people = _read(demande), demande.personnes()

    def faire(geste: Geste) -> None:
        for who in people:
            portefeuilles.retirer_membre(geste, portefeuille.id, who)
        _touch(geste, portefeuille)

    return _acte(
        demande, portefeuille, f"Ne sont plus membres de « {portefeuille.nom} » : {names(people.values())}", faire, members=list(people)
    )


def _touch(geste: Geste, portefeuille: Portefeuille) -> None:
    """Members are no part of the portfolio's version; here they are, so that two administrators see each other's change."""
    if geste.operation_id is not None:
        portefeuilles.found(portefeuille.id).epoque += 1


def scinder(demande: Demande) -> Acte:
    portefeuille = _read(demande)
    size = number(demande.un("taille", 6)) or ADVISED_CLIENTS
    lots = scission.parts(PortefeuilleClient.targets(portefeuille.id), size)
    resume = f"Scinder « {portefeuille.nom} » en {len(lots)} portefeuilles de {size} clients au plus"
    avis = ("Les membres, leurs plafonds et les services sont les mêmes dans chacun : personne ne gagne ni ne perd de droit.",)
    return _acte(demande, portefeuille, resume, lambda geste: scission.scinder(geste, portefeuille.id, size), avis=avis)


def _read(demande: Demande) -> Portefeuille:
    """The portfolio of a form, which its administrator may change. Raises UnknownPageError, AttributionRefusedError."""
    portefeuille = demande.portee.portefeuille(number(demande.un("portefeuille", 15)))
    demande.portee.check_edits(portefeuille)
    return portefeuille


def _acte(
    demande: Demande,
    portefeuille: Portefeuille,
    resume: str,
    change: Callable[[Geste], object],
    *,
    cibles: Sequence[int] | None = None,
    members: Sequence[int] | None = None,
    when: datetime | None = None,
    avis: tuple[str, ...] = (),
) -> Acte:
    """Members and targets that may change: those named, or all of them."""
    who = models.member_ids(portefeuille.id) if members is None else members
    where = models.first_targets(portefeuille.id, demande.most) if cibles is None else cibles
    places = list(islice(product(who, where), demande.most))
    total = len(who) * (portefeuille.clients if cibles is None else len(cibles))
    seen, portefeuille_id = demande.un("version", 40), portefeuille.id

    def faire(geste: Geste) -> object:
        _check_version(portefeuille_id, seen)
        return change(geste)

    when = when or demande.now
    people = people_of(who) if members is not None else {}
    back = f"/equipe/droits/portefeuilles/{portefeuille_id}"
    return Acte(resume, people, places, faire, back, when, max(total, len(places)), portefeuille_id, avis, lambda: [portefeuille_id])


def _check_version(portefeuille_id: int, seen: str) -> None:
    """Once its row is held. Raises PortefeuilleChangedError."""
    epoque, _, last = seen.partition(".")
    portefeuille = portefeuilles.found(portefeuille_id)
    db.session.flush()
    if epoque != str(portefeuille.epoque):
        raise PortefeuilleChangedError(portefeuille_id, number(last))
