"""Whether a token still counts: what it hangs on, and its person, in one round trip.

Shared by whatever reads access tokens: userinfo, introspection, the claim endpoint of rights.
"""

from idp.authentication.session import guard_of_declarant, guard_of_session
from idp.ephemeral import Ephemeral
from idp.oidc.claims import Person
from idp.oidc.families import Families, guard_of_family
from idp.oidc.people import KIND, People
from idp.oidc.tokens import AccessToken, Handle


def guards_of(handle: Handle) -> list[str]:
    """Whatever ends the token when it ends."""
    session = [guard_of_session(handle.sid)] if handle.sid else []
    return [guard_of_declarant(handle.declarant_id, handle.version), guard_of_family(handle.family_id), *session]


class Alive:
    """Asks the store, for one process."""

    def __init__(self, store: Ephemeral, families: Families, people: People) -> None:
        self.store, self.families, self.people = store, families, people

    def stands(self, handle: Handle, made_at: int) -> tuple[bool, str | None]:
        """Whether what hangs on a handle still counts, and the profile held, in one round trip.

        Of what was made before the store was born, or in that very second, the store forgot whether it ended: the family tells.
        """
        born, ended, held = self.store.read(guards_of(handle), KIND, str(handle.declarant_id))
        return not ended and (made_at > int(born) or self.families.is_open(handle.family_id)), held

    def person_of(self, token: AccessToken) -> Person | None:
        """The person of a token that still counts, else None; a second read when the profile is not held."""
        stands, held = self.stands(token.handle, token.claims["iat"])
        return self.people.held(held, token.handle.declarant_id) if stands else None
