"""Everything that MAG keeps about one person, as one JSON document they may take elsewhere (GDPR articles 15 and 20).

Left out on purpose: secrets, of which MAG keeps digests; texts of mails, erased once sent; why sign-ins were refused, and what the
controls found, which would tell a fraud what to change (article 15, paragraph 4); each single target of rights, which the pages
of rights list: services and droits are summed up here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp.authentication.factors.models import FactorLoss, KnownDevice, Passkey, RecoveryCode, TotpCredential
from idp.authentication.liees.models import IdentiteLiee
from idp.authentication.recours.models import Recours, SecretQuestion
from idp.config import Settings
from idp.database import Connections
from idp.declarants.chartes.models import CharteAcceptee
from idp.declarants.models import Declarant
from idp.declarants.parcours.models import ConditionsAcceptees, ConsentementInformation, RecuInscription
from idp.declarants.preuves.models import Preuve
from idp.entreprises.models import Entreprise
from idp.ephemeral import Ephemeral
from idp.habilitations.choix.models import EtablissementChoisi
from idp.habilitations.decision import services_of
from idp.habilitations.droits import Catalogue, written
from idp.habilitations.usages.models import Usage
from idp.notifications.models import Letter, Mail
from idp.oidc.account.history import lines
from idp.oidc.account.portals import portals
from idp.oidc.account.sessions import open_sessions
from idp.oidc.client_auth import Clients
from idp.oidc.rights import known_services

MOST_LINES = 5000
MORE: dict[str, Callable[[int], list[dict[str, Any]]]] = {}
"""What rooms above this one keep, by its name here; `wsgi.py` says which."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where it is read."""

    settings: Settings
    connections: Connections
    store: Ephemeral
    clients: Clients
    catalogue: Catalogue


def everything(sources: Sources, person: Declarant, now: datetime) -> dict[str, Any]:
    """A document of plain values, instants in UTC (RFC 3339)."""
    services = known_services(sources.catalogue)
    return {
        "produit_par": sources.settings.issuer,
        "produit_le": _instant(now),
        "identite": _identity(person),
        "entreprise": _company(person),
        "acces": _access(person, now),
        "conditions_acceptees": [
            {"version": one.version, "sha256": one.sha256, "acceptees_le": _instant(one.accepted_at)}
            for one in ConditionsAcceptees.of(person.id)
        ],
        "preuves_d_identite": [
            {
                "fournisseur": one.nom,
                "niveau": one.niveau,
                "dirigeant": one.dirigeant,
                "prouvee_le": _instant(one.proved_at),
                "vaut_jusqu_au": _instant(one.expires_at),
                "connecte_depuis": _instant(one.connexion_at),
            }
            for one in Preuve.of(person.id)
        ],
        "chartes_acceptees": [
            {"charte": one.code, "version": one.version, "sha256": one.sha256, "acceptee_le": _instant(one.accepted_at), "moyens": one.amr}
            for one in CharteAcceptee.every(person.id)
        ],
        "identites_reliees": [{"identifiant": one.uid, "siret": str(one.siret)} for one in IdentiteLiee.of(person.id)],
        **{name: told(person.id) for name, told in MORE.items()},
        "information_par_courrier": ConsentementInformation.given_by(person.id),
        "compte_rendu_d_inscription": _receipt(person),
        "recours": [
            {"voie": one.voie.value, "etape": one.etape.value, "demande_le": _instant(one.asked_at), "fini_le": _instant(one.closed_at)}
            for one in Recours.of(person.id)
        ],
        "courriers": [
            {"objet": one.subject, "adresse": one.recipient, "ecrit_le": _instant(one.created_at), "parti_le": _instant(one.sent_at)}
            for one in Mail.of(person.id, MOST_LINES)
        ],
        "lettres": [
            {"objet": one.kind, "adresse": one.recipient.splitlines(), "ecrite_le": _instant(one.created_at)}
            for one in Letter.of(person.id)
        ],
        "droits": _rights(sources, person, services, now),
        "sites_connectes": [
            {
                "site": portal.name,
                "adresse": portal.host,
                "accord_donne_le": portal.agreed_at or None,
                "acces_garde_jusqu_au": portal.until or None,
                "peut_connaitre": list(portal.told),
            }
            for portal in portals(sources.clients, person, services, now)
        ],
        "sessions": [
            {"appareil": one.device, "adresse": one.address, "lieu": one.place or None, "ouverte_le": one.opened, "sites": list(one.sites)}
            for one in open_sessions(sources.store, sources.settings, sources.clients, person, now)
        ],
        "etablissements_choisis": [written(siret) for siret in EtablissementChoisi.of(person.id)],
        "historique": [
            {"le": _instant(line.at), "fait": line.said, "precisions": list(line.details)}
            for line in lines(sources.clients, person.id, now, limit=MOST_LINES)[0]
        ],
    }


def _identity(person: Declarant) -> dict[str, Any]:
    return {
        "identifiant": person.uid,
        "siret": str(person.siret),
        "nom": person.nom,
        "prenom": person.prenom,
        "role": person.role.value,
        "statut": person.statut.value,
        "fonction": person.fonction,
        "service": person.service_interne,
        "telephone": person.telephone,
        "portable": person.mobile,
        "adresse_electronique": person.email,
        "adresse_confirmee_le": _instant(person.email_verified_at),
        "inscription_le": _instant(person.opened_at),
        "derniere_modification_le": _instant(person.updated_at),
    }


def _company(person: Declarant) -> dict[str, Any]:
    found = Entreprise.find(person.siret.siren)
    return {"siren": str(person.siret.siren), "nom": found.nom_affiche if found else None}


def _access(person: Declarant, now: datetime) -> dict[str, Any]:
    totp, question, loss = TotpCredential.of(person.id), SecretQuestion.of(person.id), FactorLoss.live(person.id, now)
    return {
        "mot_de_passe_change_le": _instant(person.password_changed_at),
        "application_de_codes_depuis": _instant(totp.confirmed_at) if totp else None,
        "codes_de_secours_restants": RecoveryCode.left(person.id),
        "question_secrete_choisie_le": _instant(question.set_at) if question else None,
        "second_facteur_declare_perdu_le": _instant(loss.asked_at) if loss else None,
        "cles_d_acces": [{"nom": link.name, "ajoutee_le": _instant(link.added_at)} for _, link in Passkey.of(person.id)],
        "appareils_connus": [
            {"appareil": device.label, "reseau": device.network, "vu_le": _instant(device.seen_at)} for device in KnownDevice.of(person.id)
        ],
    }


def _receipt(person: Declarant) -> dict[str, Any] | None:
    """As it was signed."""
    kept = RecuInscription.of(person.id)
    return {"contenu": kept.claims, "signe": kept.jws} if kept else None


def _rights(sources: Sources, person: Declarant, services: Mapping[str, str], now: datetime) -> list[dict[str, Any]]:
    held = services_of(sources.connections, sources.catalogue, person.id, now)
    used = Usage.last([person.id]).get(person.id, {})
    return [
        {
            "service": code,
            "nom": services.get(code, code),
            "droits": sorted(droit.value for droit in droits),
            "dernier_usage": day.isoformat() if (day := used.get(sources.catalogue.services[code].bit)) else None,
        }
        for code, droits in sorted(held.items())
    ]


def _instant(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z") if when else None
