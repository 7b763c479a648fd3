"""Changing the service providers: registered from metadata, read again, told what they may know, watched. Nothing here commits.

A change reaches every process within a second of the commit. Metadata that come from a URL are signed by a pinned certificate, or
read again only by an operator's hand: whoever takes over a server must not give itself the assertions of others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from idp.audit import journal
from idp.config import Settings
from idp.database import Version, db
from idp.errors import MagError, NotFoundError
from idp.habilitations.disclosure import SCOPE as HABILITATIONS
from idp.notifications.models import Mail
from idp.oidc.claims import SCOPE_CLAIMS
from idp.oidc.client_metadata import read_client
from idp.oidc.models import Consent
from idp.saml.events import ProviderChanged
from idp.saml.metadata import Described, MetadataRefusedError, address, read_metadata
from idp.saml.provider import CODE as PREFIX
from idp.saml.signature import validity
from partners.models import Partenaire
from partners.onboarding import CODE, RegistrationRefusedError
from partners.saml import messages
from partners.saml.models import FournisseurDeService
from partners.saml.registry import FORMATS, VERSION, dump

Fetch = Callable[[str], bytes]
NOTICES = (timedelta(days=60), timedelta(days=30), timedelta(days=7))
"""How long before an end its partner is written to."""


class UnknownServiceProviderError(NotFoundError):
    """No service provider bears this code."""

    code = "fournisseur_saml_absent"
    number = "M600402"
    remedy = "Exploitant : vérifiez le code avec mag saml lister."


def provider_named(code: str) -> FournisseurDeService:
    """Raises UnknownServiceProviderError."""
    found = db.session.get(FournisseurDeService, code)
    if found is None:
        raise UnknownServiceProviderError(f"service provider {code}", public=f"Aucun fournisseur de service ne porte le code « {code} ».")
    return found


def register(
    settings: Settings,
    partenaire: Partenaire,
    code: str,
    nom: str,
    raw: bytes,
    choices: Mapping[str, Any],
    now: datetime,
    *,
    source_url: str | None = None,
    pinned: bytes | None = None,
) -> FournisseurDeService:
    """A new one. Raises RegistrationRefusedError, MetadataRefusedError."""
    if not CODE.fullmatch(code):
        raise RegistrationRefusedError(f"Le code « {code} » n'est pas valable : minuscules, chiffres et tirets, 60 caractères au plus.")
    if not nom.strip() or len(nom) > 120 or not nom.isprintable():
        raise RegistrationRefusedError("Le nom, que les déclarants liront, est vide, trop long ou illisible.")
    described = read_metadata(raw, now, pinned=pinned, hosts=settings.outgoing_hosts)
    if db.session.get(FournisseurDeService, code) is not None:
        raise RegistrationRefusedError(f"Le code « {code} » est déjà celui d'un fournisseur de service.")
    if FournisseurDeService.with_entity_id(described.entity_id) is not None:
        raise RegistrationRefusedError(f"« {described.entity_id} » est déjà inscrit.")
    checked = check_choices(described, choices)
    check_sector(partenaire, checked.get("sector", ""))
    made = FournisseurDeService(
        code=code,
        entity_id=described.entity_id,
        partenaire_id=partenaire.id,
        nom=nom,
        enabled=True,
        described=dump(described),
        choices=checked,
        source_url=source_url,
        pinned=pinned,
        valid_until=first_end(described),
        read_at=now,
        created_at=now,
        updated_at=now,
    )
    db.session.add(made)
    db.session.flush()
    _changed(made, "registered", now)
    return made


def read_again(settings: Settings, provider: FournisseurDeService, raw: bytes, now: datetime) -> bool:
    """Its metadata, as they are now; whether they changed. The entityID never does. Raises MetadataRefusedError."""
    described = read_metadata(raw, now, pinned=provider.pinned, hosts=settings.outgoing_hosts)
    if described.entity_id != provider.entity_id:
        raise MetadataRefusedError(f"Ces métadonnées sont celles de « {described.entity_id} ».")
    written = dump(described)
    provider.read_at, provider.valid_until = now, first_end(described)
    if written == provider.described:
        return False
    check_choices(described, provider.choices)
    changed = sorted(name for name in written | provider.described if written.get(name) != provider.described.get(name))
    provider.described, provider.updated_at = written, now
    _changed(provider, "read", now, ", ".join(changed))
    return True


def choose(provider: FournisseurDeService, described: Described | None, choices: Mapping[str, Any], now: datetime) -> None:
    """What the operator decides, in part. Raises RegistrationRefusedError."""
    whole = {**provider.choices, **choices}
    if "uris" in choices:
        whole["uris"] = {**provider.choices.get("uris", {}), **choices["uris"]}
    check_sector(provider.partenaire, whole.get("sector", ""))
    provider.choices = check_choices(
        described, whole, encryption=bool(provider.described["encryption"]), keys=provider.described["signing"]
    )
    provider.updated_at = now
    _changed(provider, "changed", now, ", ".join(sorted(choices)))


def check_sector(partenaire: Partenaire, sector: str) -> None:
    """Identifiers are shared with clients of the same partner alone. Raises RegistrationRefusedError."""
    if sector and sector not in {read_client(one.client_id, one.client_metadata).sector for one in partenaire.clients}:
        raise RegistrationRefusedError(f"« {sector} » n'est le secteur d'aucun client OpenID Connect du partenaire {partenaire.code}.")


def check_choices(
    described: Described | None, choices: Mapping[str, Any], *, encryption: bool = False, keys: Sequence[Any] = ()
) -> dict[str, Any]:
    """Raises RegistrationRefusedError, MetadataRefusedError."""
    if described is not None:
        encryption, keys = bool(described.encryption), described.signing
    unknown = [one for one in choices.get("scope", ()) if one not in SCOPE_CLAIMS and not one.startswith(HABILITATIONS)]
    if unknown:
        raise RegistrationRefusedError(f"Portée inconnue : {', '.join(unknown)}.")
    for url in filter(None, choices.get("uris", {}).values()):
        address(url, frozenset())
    if set(choices.get("name_id", ())) - FORMATS.keys():
        raise RegistrationRefusedError("Les formats de NameID sont persistent et transient.")
    if choices.get("encrypt") and not encryption:
        raise RegistrationRefusedError("Pour chiffrer, il faut un certificat RSA d'usage encryption dans les métadonnées.")
    if choices.get("require_signed", True) and not keys:
        raise RegistrationRefusedError(
            "Les métadonnées n'ont pas de certificat d'usage signing : ses demandes ne pourraient pas être vérifiées (--sans-signature)."
        )
    return dict(choices)


def first_end(described: Described) -> datetime | None:
    """The first of its ends: of its metadata, of its certificates."""
    certificates = [*described.signing, *filter(None, [described.encryption])]
    ends = [validity(der)[1] for der in certificates]
    return min([*ends, *filter(None, [described.valid_until])], default=None)


def set_enabled(provider: FournisseurDeService, enabled: bool, now: datetime) -> None:
    provider.enabled, provider.updated_at = enabled, now
    _changed(provider, "enabled" if enabled else "disabled", now)


def remove(provider: FournisseurDeService, now: datetime) -> None:
    """It is forgotten, and what people agreed to tell it: another one may take its code."""
    Consent.forget_client(PREFIX + provider.code)
    db.session.delete(provider)
    _changed(provider, "removed", now)


def _changed(provider: FournisseurDeService, change: str, now: datetime, changes: str | None = None) -> None:
    Version.bump(VERSION)
    journal.record(ProviderChanged(client_id=PREFIX + provider.code, change=change, changes=changes, actor="commande"), now)


# --------------------------------------------------------------------------------------------------------------- the watch


@dataclass(slots=True)
class Watched:
    """What one passage did."""

    read: int = 0
    changed: int = 0
    warned: int = 0
    failed: list[str] = field(default_factory=list)


def watch(settings: Settings, fetch: Fetch, now: datetime) -> Watched:
    """Once a day: metadata that are signed and published are read again, partners are told of what is about to end. Commits each."""
    done = Watched()
    for provider in FournisseurDeService.every():
        if provider.enabled and provider.source_url and provider.pinned:
            _watch_one(settings, provider, fetch, now, done)
        if provider.enabled and _warn(settings, provider, now):
            done.warned += 1
        db.session.commit()
    return done


def _watch_one(settings: Settings, provider: FournisseurDeService, fetch: Fetch, now: datetime, done: Watched) -> None:
    code = provider.code
    try:
        done.changed += read_again(settings, provider, fetch(provider.source_url or ""), now)
        done.read += 1
    except MagError as error:
        db.session.rollback()
        done.failed.append(f"{code} : {error.public}")


def _warn(settings: Settings, provider: FournisseurDeService, now: datetime) -> bool:
    """One mail for each notice and each end; `warned_until` is the end, less what was left when it was last told."""
    end, contact = provider.valid_until, provider.partenaire.contact
    if end is None or not contact:
        return False
    due = [end - notice for notice in NOTICES if now >= end - notice]
    if not due or (provider.warned_until is not None and provider.warned_until >= max(due)):
        return False
    provider.warned_until = max(due)
    Mail.write("certificat_saml", contact, messages.about_to_end(settings.issuer, provider.nom, provider.entity_id, end, now), now)
    return True


def in_folder(folder: Path) -> Iterable[tuple[str, bytes]]:
    """Each file of metadata, and the code that its name makes."""
    for path in sorted(folder.glob("*.xml")):
        yield path.stem.lower(), path.read_bytes()
