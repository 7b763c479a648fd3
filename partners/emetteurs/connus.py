"""What reception needs to know of a transmitter beside its row: whether its owner is in service, its keys, the accounts linked there."""

from dataclasses import dataclass

from joserfc.jwk import KeySet

from idp.declarants.preuves.models import Preuve
from idp.logs import logger
from idp.oidc.reception.models import Emetteur
from idp.seals import Seals
from partners.amont import confrontation
from partners.amont.models import Fournisseur
from partners.models import Partenaire
from partners.outgoing import OutgoingRefusedError
from partners.published_keys import JwksCache, read_keys
from partners.rattachement.models import Rattachement


@dataclass(frozen=True, slots=True)
class Published:
    """A transmitter, as the cache of keys names whoever publishes some."""

    client_id: str
    jwks_uri: str


@dataclass(frozen=True, slots=True)
class Connus:
    """Implements `Registre` of `idp/oidc/reception/personnes.py`, for one process."""

    jwks: JwksCache
    seals: Seals

    def lives(self, emetteur: Emetteur) -> bool:
        if emetteur.partenaire:
            partenaire = Partenaire.with_code(emetteur.partenaire)
            return partenaire is not None and partenaire.enabled
        fournisseur = Fournisseur.named(emetteur.fournisseur or "")
        return fournisseur is not None and fournisseur.lives

    def keys(self, emetteur: Emetteur, kid: str | None) -> KeySet | None:
        if emetteur.jwks_uri:
            return self.jwks.get(Published(f"emetteur:{emetteur.code}", emetteur.jwks_uri), kid)
        try:
            return read_keys(emetteur.jwks)[0]
        except OutgoingRefusedError:
            logger.error("keys of a transmitter cannot be read", extra={"fields": {"emetteur": emetteur.code}})
            return None

    def holder(self, emetteur: Emetteur, compte: str) -> int | None:
        """By a link of accounts for a partner; for a provider, by the account that its holder made a way in."""
        if emetteur.partenaire:
            lien = Rattachement.of_account(emetteur.partenaire, compte)
            return lien.declarant_id if lien else None
        fournisseur = Fournisseur.named(emetteur.fournisseur or "")
        if fournisseur is None:
            return None
        proof = Preuve.signing_in(fournisseur.code, confrontation.hashes_of(self.seals, fournisseur, compte))
        return proof.declarant_id if proof else None
