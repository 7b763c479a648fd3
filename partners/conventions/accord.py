"""Recording agreements, and ending one. Nothing here commits; each change is in the journal, and reaches every process within a second.

Nothing is ever deleted: what an agreement allowed must be told as long as its traces are kept. What a file does not name stays.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import date, datetime

from idp.audit import journal
from idp.database import Version, db
from idp.errors import RefusedError
from idp.habilitations.pagm import Convention, Possession
from idp.oidc.client_metadata import InvalidClientMetadataError, read_client
from idp.saml.provider import CODE as SAML
from partners.conventions.events import ConventionChanged
from partners.conventions.models import ConventionInscrite
from partners.conventions.termes import dump, load
from partners.declaration import DeclarationError
from partners.models import OAuthClient, Partenaire
from partners.onboarding import ACTOR
from partners.registry import VERSION
from partners.saml.models import FournisseurDeService

TOKEN_GRANTS = frozenset({"urn:ietf:params:oauth:grant-type:token-exchange", "client_credentials"})
"""By which a client asks a token for another body; a portal that people sign in to needs neither."""
SOON = 60
"""Days before its end at which an agreement is told to end soon."""


class UnknownConventionError(RefusedError):
    """No agreement bears this code."""

    code = "convention_inconnue"
    number = "M600801"
    remedy = "Exploitant : vérifiez le code de la convention avec mag conventions lister."
    status = 404


def named(code: str) -> ConventionInscrite:
    """Raises UnknownConventionError."""
    found = ConventionInscrite.with_code(code)
    if found is None:
        raise UnknownConventionError(code, public=f"Aucune convention ne porte le code « {code} ».")
    return found


def value_of(row: ConventionInscrite) -> Convention:
    ended = row.ceased_at is not None or not (row.client.enabled and row.fournisseur.enabled)
    return load(row.code, row.client.code, row.fournisseur.code, row.du, row.au, row.termes, cessee=ended)


def apply(wanted: Sequence[Convention], now: datetime) -> list[str]:
    """Record what a file says; the changes, in sentences. To show only, roll back. Raises DeclarationError."""
    reasons = [reason for one in wanted for reason in _against(one)]
    if reasons:
        raise DeclarationError(reasons)
    changes = [change for one in wanted for change in _recorded(one, now)]
    if overlaps := list(_overlaps([value_of(row) for row in ConventionInscrite.every()])):
        raise DeclarationError(overlaps)
    if changes:
        Version.bump(VERSION)
    return changes


def _against(wanted: Convention) -> Iterator[str]:
    """What the registry says against an agreement."""
    name = f"Convention « {wanted.code} »"
    for role, code in (("client", wanted.client), ("fournisseur", wanted.fournisseur)):
        if Partenaire.with_code(code) is None:
            yield f"{name} : « {role} » nomme un partenaire inconnu, « {code} »."
    for client_id in sorted(wanted.clients):
        if _owner(client_id) != wanted.client:
            yield f"{name} : « {client_id} » n'est pas un client du partenaire « {wanted.client} »."
        if client_id.startswith(SAML) and wanted.possession is not Possession.AUCUNE:
            yield f"{name} : une assertion SAML n'est liée à aucune clé ; pour « {client_id} », « possession » vaut aucune."
    for audience in sorted(wanted.audiences):
        if (":" not in audience or audience.startswith(SAML)) and _owner(audience) is None:
            yield f"{name} : l'audience « {audience} » n'est ni une adresse, ni un client."
    if wanted.mandataire and db.session.get(OAuthClient, wanted.mandataire) is None:
        yield f"{name} : « mandataire » nomme un client inconnu, « {wanted.mandataire} »."


def _owner(client_id: str) -> str | None:
    """Code of the partner who has this client, or this service provider of SAML (`saml:code`)."""
    if client_id.startswith(SAML):
        provider = db.session.get(FournisseurDeService, client_id.removeprefix(SAML))
        return provider.partenaire.code if provider else None
    client = db.session.get(OAuthClient, client_id)
    return client.partenaire.code if client else None


def _recorded(wanted: Convention, now: datetime) -> Iterator[str]:
    client, fournisseur = Partenaire.with_code(wanted.client), Partenaire.with_code(wanted.fournisseur)
    if client is None or fournisseur is None:
        return
    row = ConventionInscrite.with_code(wanted.code)
    if row is None:
        row = ConventionInscrite(code=wanted.code, client=client, fournisseur=fournisseur, created_at=now, ceased_at=None)
        db.session.add(row)
        _write(row, wanted, now)
        journal.record(ConventionChanged(convention=wanted.code, change="recorded", actor=ACTOR), now)
        yield f"+ convention {wanted.code} : {wanted.client} chez {wanted.fournisseur}, du {wanted.du:%d/%m/%Y} au {wanted.au:%d/%m/%Y}"
        return
    before = value_of(row)
    if row.ceased_at is not None:
        raise DeclarationError(
            [f"Convention « {wanted.code} » : elle a cessé le {row.ceased_at:%d/%m/%Y} ; une nouvelle prend un autre code."]
        )
    if (before.client, before.fournisseur) != (wanted.client, wanted.fournisseur):
        raise DeclarationError([f"Convention « {wanted.code} » : les parties ne changent pas ; une autre convention prend un autre code."])
    changed = [f.name for f in fields(Convention) if f.name != "cessee" and getattr(before, f.name) != getattr(wanted, f.name)]
    if changed:
        _write(row, wanted, now)
        journal.record(ConventionChanged(convention=wanted.code, change="changed", changes=changed, actor=ACTOR), now)
        yield f"~ convention {wanted.code} : {', '.join(changed)}"


def _write(row: ConventionInscrite, wanted: Convention, now: datetime) -> None:
    row.du, row.au, row.termes, row.updated_at = wanted.du, wanted.au, dump(wanted), now
    db.session.flush()


def _overlaps(every: Sequence[Convention]) -> Iterator[str]:
    """Of one client at one audience on one day, a single agreement speaks."""
    for at, one in enumerate(every):
        for other in every[at + 1 :]:
            same_days = one.du <= other.au and other.du <= one.au and not (one.cessee or other.cessee)
            if same_days and one.clients & other.clients and (shared := one.audiences & other.audiences):
                yield f"Les conventions « {one.code} » et « {other.code} » parlent toutes deux de {min(shared)} aux mêmes dates."


def cease(row: ConventionInscrite, now: datetime) -> bool:
    """It opens nothing any more, and its tokens end at once; False when it had ceased."""
    if row.ceased_at is not None:
        return False
    row.ceased_at = row.updated_at = now
    db.session.flush()
    journal.record(ConventionChanged(convention=row.code, change="ceased", actor=ACTOR), now)
    Version.bump(VERSION)
    return True


def warnings(every: Iterable[ConventionInscrite], on: date) -> Iterator[str]:
    """What an operator should look at in the agreements that are recorded."""
    for row in every:
        value = value_of(row)
        if row.ceased_at is not None or value.au < on:
            continue
        if value.cessee:
            yield f"{row.code} : un des deux partenaires est désactivé, elle n'ouvre rien."
        if (value.au - on).days <= SOON:
            yield f"{row.code} : finit le {value.au:%d/%m/%Y}."
        yield from (f"{row.code} : {reason}" for client_id in sorted(value.clients) for reason in _of_client(client_id, value))


def _of_client(client_id: str, value: Convention) -> Iterator[str]:
    if client_id.startswith(SAML):
        yield from _of_provider(client_id, value)
        return
    row = db.session.get(OAuthClient, client_id)
    if row is None or not row.enabled:
        yield f"le client {client_id} n'existe plus ou est désactivé."
        return
    try:
        client = read_client(client_id, row.client_metadata)
    except InvalidClientMetadataError:
        yield f"les métadonnées du client {client_id} ne peuvent pas être lues."
        return
    if "pagm" not in client.scope and value.pagm:
        yield f"le client {client_id} n'a pas la portée « pagm » : ses jetons ne diront aucun profil."
    if not client.grant_types & TOKEN_GRANTS and not {client_id, *client.audience} & value.audiences:
        yield f"le client {client_id} n'a aucun moyen de demander un jeton pour ces audiences."
    if value.possession is Possession.MTLS and not client.tls_client_certificate_bound_access_tokens:
        yield f"le client {client_id} ne lie pas ses jetons à un certificat, que la convention demande."


def _of_provider(client_id: str, value: Convention) -> Iterator[str]:
    provider = db.session.get(FournisseurDeService, client_id.removeprefix(SAML))
    if provider is None or not provider.enabled:
        yield f"le fournisseur de service {client_id} n'existe plus ou est désactivé."
        return
    if "pagm" not in (provider.choices.get("scope") or ()) and value.pagm:
        yield f"le fournisseur de service {client_id} n'a pas la portée « pagm » : ses assertions ne diront aucun profil."
    if client_id not in value.audiences:
        yield f"le fournisseur de service {client_id} n'est pas parmi les audiences : la convention ne parle pas de ses assertions."
