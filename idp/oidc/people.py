"""The person a token is about, for machines' endpoints: beside the session state, one read tells life and profile at once."""

import orjson

from idp.database import Connections
from idp.ephemeral import Ephemeral
from idp.oidc.claims import Person
from idp.oidc.models import PERSON

KIND = "personne2"
"""A number more with each field of `Person`: a process of before cannot read what this one keeps."""
LIFETIME = 300
"""Seconds a profile may be told as it was; whoever changes one calls `forget`."""


class People:
    """Profiles, read from the database when the store does not hold them."""

    def __init__(self, connections: Connections, store: Ephemeral) -> None:
        self.connections, self.store = connections, store

    def find(self, declarant_id: int) -> Person | None:
        """From the database; None when the person is not active."""
        row = self.connections.one(PERSON, declarant_id=declarant_id)
        if row is None:
            return None
        uid, siret, nom, prenom, role, email, verified, verified_at, telephone, fonction, unit, updated_at, label, category = row
        return Person(
            uid=uid,
            siret=str(siret),
            nom=nom,
            prenom=prenom,
            role=str(role),
            email=email,
            email_verified=bool(verified),
            email_verified_at=int(verified_at.timestamp()) if verified_at else 0,
            telephone=telephone,
            fonction=fonction,
            service_interne=unit,
            updated_at=int(updated_at.timestamp()),
            organization_label=label,
            categorie_juridique=category,
        )

    def held(self, text: str | None, declarant_id: int) -> Person | None:
        """The profile the store answered, else the database's, then kept."""
        if text is not None:
            return Person(**orjson.loads(text))
        person = self.find(declarant_id)
        if person is not None:
            self.store.put(KIND, str(declarant_id), orjson.dumps(person).decode(), LIFETIME)
        return person

    def forget(self, declarant_id: int) -> None:
        """The profile changed: the next answer reads the database."""
        self.store.delete(KIND, str(declarant_id))
