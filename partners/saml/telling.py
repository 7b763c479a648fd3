"""What a service provider learns of a person: the claims of OpenID Connect, under the same rules. Implements `Teller`.

Subjects are pairwise: its own, or those of a sector that it shares with clients of the same partner, imports included.

An agreement between bodies names a service provider `saml:code`, both as who acts and as where (InterOPS-P: an assertion is the
« vecteur d'identification »). It bounds what `pagm` says, and each assertion leaves evidence.
"""

from collections.abc import Callable
from datetime import datetime

from idp.audit.traces import chainage
from idp.authentication.session import Session
from idp.config import Settings
from idp.habilitations.disclosure import SCOPE as HABILITATIONS
from idp.habilitations.disclosure import services_of_scope
from idp.habilitations.pagm import Convention, Conventions, Possession, pagm
from idp.keys import Keyring
from idp.oidc.claims import PAGM, SCOPE_CLAIMS, claims_of_scope, select_claims
from idp.oidc.client import Client
from idp.oidc.people import People
from idp.oidc.rights import Rights
from idp.oidc.subjects import Subjects
from idp.oidc.vecteurs import day
from idp.saml.assertion import LIFETIME, Statement
from idp.saml.errors import DENIED, RESPONDER, SamlError
from idp.saml.provider import ServiceProvider, Told
from idp.seals import b64, digest


def client_of(provider: ServiceProvider) -> Client:
    """A service provider in the words that pages and rules have for clients; it can ask nothing of OpenID Connect."""
    return Client(
        client_id=provider.client_id,
        client_name=provider.name,
        partenaire=provider.partenaire,
        first_party=provider.first_party,
        redirect_uris=(provider.default_consumer.url,),
        grant_types=frozenset(),
        response_types=frozenset(),
        scope=provider.scope,
        sector=provider.sector or provider.entity_id,
        hab_bound=provider.hab_bound,
        logo_uri=provider.uris.get("logo", ""),
        policy_uri=provider.uris.get("policy", ""),
        tos_uri=provider.uris.get("tos", ""),
    )


VECTOR, VECTOR_ID = "assertion", "vi-"
"""What the name of an assertion made under an agreement is sealed for, and how it begins: XML forbids a first digit or dash."""


class Telling:
    """For one process."""

    def __init__(
        self,
        settings: Settings,
        people: People,
        rights: Rights,
        subjects: Subjects,
        keyring: Keyring,
        agreements: Callable[[], Conventions],
    ) -> None:
        self.settings, self.people, self.rights, self.subjects = settings, people, rights, subjects
        self.keyring, self.agreements, self.connections = keyring, agreements, people.connections

    def tell(self, provider: ServiceProvider, session: Session, now: datetime) -> Told | None:
        """None for a person who may no longer enter. The agreement was given to the same scopes."""
        person = self.people.find(session.declarant_id)
        if person is None:
            return None
        client = client_of(provider)
        wanted = claims_of_scope(provider.scope)
        values = select_claims(person, wanted, idp_id=self.settings.issuer, acr=session.acr, amr=session.amr)
        services = services_of_scope(provider.scope)
        if services:
            found = self.rights.disclosed(client, session.declarant_id, services, now)
            values["hab"] = found.hab
            if found.habilitations_flat is not None:
                values["habilitations_flat"] = found.habilitations_flat
        subject, convention = self.subjects.of(client, person.uid), self._agreement(provider, now)
        if convention is None:
            return Told(subject, values)
        if PAGM in provider.scope and convention.pairs:
            values[PAGM] = pagm(convention, self.rights.disclosed(client, session.declarant_id, convention.services, now), day(now))
        sealed = self.keyring.seal(VECTOR, str(session.declarant_id).encode())
        return Told(subject, values, convention.code, VECTOR_ID + b64(sealed))

    def _agreement(self, provider: ServiceProvider, now: datetime) -> Convention | None:
        """The one in force; None when none ever spoke of this service provider. An assertion is bound to no key. Raises SamlError."""
        spoken = self.agreements().between(provider.client_id, (provider.client_id,))
        found = [one for one in spoken if one.in_force(day(now)) and one.possession is Possession.AUCUNE]
        if spoken and not found:
            raise SamlError(RESPONDER, DENIED, "no agreement in force opens this service provider")
        return found[0] if found else None

    def keep(self, provider: ServiceProvider, told: Told, said: Statement) -> None:
        """Evidence of an assertion made under an agreement."""
        if not told.agreement:
            return
        kept = {
            "type": "saml2",
            "convention": told.agreement,
            "sub": said.name_id,
            "aud": said.audience,
            "client_id": provider.client_id,
            "scope": " ".join(self.scopes(provider)),
            **({PAGM: told.values[PAGM]} if PAGM in told.values else {}),
            "acr": said.context,
            "auth_time": int(said.signed_in_at.timestamp()),
            "iat": int(said.now.timestamp()),
            "exp": int((said.now + LIFETIME).timestamp()),
        }
        with self.connections.transaction():
            chainage.append(self.connections, told.agreement, chainage.EMISSION, digest(said.id), kept, said.now)

    def scopes(self, provider: ServiceProvider) -> list[str]:
        """In the order of the documentation."""
        order = list(SCOPE_CLAIMS)
        known = sorted((one for one in provider.scope if one in SCOPE_CLAIMS), key=order.index)
        return [*known, *sorted(one for one in provider.scope if one.startswith(HABILITATIONS))]
