"""`/Users`: search, read, create, replace, change, delete. One instance serves one request.

Implements RFC 7644 sections 3.3 to 3.6, 3.9, 3.10, 3.12 and 3.14; RFC 9865 section 2. ours: `id` is the subject that the client's sign-ins
give; creating invites; `active` suspends and reinstates, deleting ends the account. Imported at the first request that needs it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

import orjson
from pydantic import ValidationError
from scim2_models import Context, Meta, PatchOp, ResponseParameters, SCIMException, SearchRequest

from idp.database import db
from idp.declarants.equipe.invitation import Invited
from idp.declarants.equipe.models import Invitation
from idp.declarants.models import Declarant as Personne
from idp.declarants.statuts import Statut
from idp.entreprises.siret import Siret
from idp.errors import RefusedError
from idp.oidc.client import Client
from idp.oidc.wire import NO_STORE, Answer
from idp.seals import UnsealError, b64, unb64
from partners.scim.annuaire.models import INVITED, Annuaire, Fiche
from partners.scim.gestes import Entourage, Gestes
from partners.scim.models import CompteScim
from partners.scim.refus import MEDIA, ScimError, not_found, of_rule
from partners.scim.regles import Preconditions, check_given, check_sizes, external, plain, settle, told_by
from partners.scim.schema import ANSWER, LONGEST_PAGE, PAGE, POLICY, Adresse, Declarant, Nom, Utilisateur, composed, listed

FAR = 2**31
"""A rank beyond which nobody is looked for."""
CURSOR = "scim-curseur"
IDENTIFIER = re.compile(r"[\x21-\x7e]{1,255}")


class Utilisateurs:
    """People as one client reads and changes them, in one request."""

    def __init__(self, mag: Entourage, client: Client, at: str, now: datetime) -> None:
        """`at`: the address of `/scim/v2`."""
        self.mag, self.client, self.at, self.now = mag, client, at, now
        self.gestes = Gestes(mag, client, now)

    @cached_property
    def annuaire(self) -> Annuaire:
        return Annuaire(self.client.partenaire, self.client.client_id, self.now)

    def answer(self, act: Callable[[], Answer]) -> Answer:
        """What is refused by the library or by a rule, in the words of SCIM. Raises ScimError."""
        try:
            return act()
        except (ValidationError, SCIMException) as error:
            raise told_by(error) from error
        except RefusedError as error:
            raise of_rule(error) from error

    # --------------------------------------------------------------------------------------------------------------- reading

    def search(self, asked: Mapping[str, Any]) -> Answer:
        """Sections 3.4.2 and 3.4.3."""
        check_sizes(asked)
        request = SearchRequest[Utilisateur].model_validate(dict(asked), scim_policy=POLICY)
        where = self.annuaire.where(request.filter.ast if request.filter is not None else None, self.find)
        count = PAGE if request.count is None else min(request.count, LONGEST_PAGE)
        total = self.annuaire.count(where)
        if request.cursor is not None:
            return self._after(request, where, count, total)
        first = min(request.start_index or 1, FAR)
        order = self.annuaire.order(plain(request.sort_by), descending=request.sort_order == "descending") if request.sort_by else None
        found = self.annuaire.page(where, limit=count, offset=first - 1, order=order) if count else []
        return self._sent(listed(self._told(found, request), total, first))

    def _after(self, request: Any, where: Any, count: int, total: int) -> Answer:
        """RFC 9865 section 2: one more is read, to know whether the page is the last."""
        if request.sort_by or request.start_index is not None:
            raise ScimError(400, "a cursor goes without sortBy and startIndex", "invalidCursor")
        found = self.annuaire.page(where, limit=count + 1, after=self._read_cursor(request.cursor))
        following = {"nextCursor": self._cursor(found[count - 1])} if count and len(found) > count else {}
        return self._sent(listed(self._told(found[:count], request), total, None, **following))

    def _cursor(self, last: Fiche) -> str:
        return b64(self.mag.keyring.seal(CURSOR, f"{last.sorte}.{last.numero}".encode(), self.client.client_id))

    def _read_cursor(self, cursor: str) -> tuple[int, int] | None:
        """Empty: the beginning. ours: sealed, so that it says nothing and serves nobody else."""
        if not cursor:
            return None
        try:
            opened = self.mag.keyring.open(CURSOR, unb64(cursor), self.client.client_id)
        except (UnsealError, ValueError) as error:
            raise ScimError(400, "this cursor is not one that was given", "invalidCursor") from error
        sorte, _, numero = opened.decode().partition(".")
        return int(sorte), int(numero)

    def read(self, identifier: str, asked: Mapping[str, Any], given: Preconditions) -> Answer:
        """Section 3.4.1."""
        found, wanted = self._named(identifier), self._wanted(asked)
        user = self._user(found)
        if given.unchanged(user.meta.version):
            return Answer(304, b"", MEDIA, (*NO_STORE, ("ETag", user.meta.version)))
        return self._one(user, wanted)

    # --------------------------------------------------------------------------------------------------------------- writing

    def create(self, given: Mapping[str, Any], asked: Mapping[str, Any]) -> Answer:
        """Section 3.3: an invitation leaves; who they are is fixed from now on."""
        check_given(given)
        wanted = self._wanted(asked)
        user = Utilisateur.model_validate(dict(given), scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=POLICY)
        external_id = external(user)
        email = next((one.value for one in user.emails if one.primary), user.emails[0].value)
        nom, prenom = user.name.family_name, user.name.given_name
        invited = Invited(Siret.parse(user.Declarant.siret), nom, prenom, email)
        invitation = self.gestes.inviter(invited)
        uid = str(invitation.uid)
        CompteScim.name(self.client.client_id, uid, self._sub(uid), external_id, self.now)
        made = self._user(self._of(uid))
        return self._one(made, wanted, 201, (("Location", made.meta.location),))

    def replace(self, identifier: str, given: Mapping[str, Any], asked: Mapping[str, Any], preconditions: Preconditions) -> Answer:
        """Section 3.5.1. ours: what spells the same identity, or the same address, is the same; `active` left out stays as it is."""
        check_given(given)
        found, wanted = self._named(identifier), self._wanted(asked)
        before = self._held(found, preconditions)
        after = Utilisateur.model_validate(dict(given), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST, scim_policy=POLICY)
        settle(after, before)
        after.replace(before)
        if after.active is None:
            after.active = before.active
        return self._changed(found, before, after, wanted)

    def patch(self, identifier: str, given: Mapping[str, Any], asked: Mapping[str, Any], preconditions: Preconditions) -> Answer:
        """Section 3.5.2."""
        check_given(given)
        found, wanted = self._named(identifier), self._wanted(asked)
        before = self._held(found, preconditions)
        operations = PatchOp[Utilisateur].model_validate(dict(given), scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY)
        after = before.model_copy(deep=True)
        operations.patch(after, POLICY)
        if after.active is None:
            raise ScimError(400, "active: true or false is expected", "mutability")
        return self._changed(found, before, after, wanted)

    def _changed(self, found: Fiche, before: Any, after: Any, wanted: Any) -> Answer:
        """The one act that a change asks for, and the client's own identifier. An invited person becomes active alone."""
        external_id = external(after)
        if after.active != before.active and found.statut != INVITED:
            person = self._person(found)
            (self.gestes.reactiver if after.active else self.gestes.suspendre)(person)
        if external_id != before.external_id:
            CompteScim.name(self.client.client_id, found.uid, str(before.id), external_id, self.now)
        return self._one(self._user(self._of(found.uid)), wanted)

    def delete(self, identifier: str, preconditions: Preconditions) -> Answer:
        """Section 3.6."""
        found = self._named(identifier)
        self._held(found, preconditions)
        if found.statut == INVITED:
            invitation = db.session.get(Invitation, found.numero)
            if invitation is None:
                raise not_found()
            self.gestes.annuler(invitation)
        else:
            self.gestes.radier(self._person(found))
        return Answer(204, b"", MEDIA)

    # -------------------------------------------------------------------------------------------------------------- who it is

    def _sub(self, uid: str) -> str:
        return self.mag.subjects.of(self.client, uid)

    def find(self, identifier: str) -> str | None:
        """The person whose `id` this is; one learnt from a sign-in is looked for among those entrusted and not named yet."""
        if not IDENTIFIER.fullmatch(identifier):
            return None
        uid = CompteScim.uid_of(self.client.client_id, identifier)
        return uid if uid is not None else self._learnt.get(identifier)

    @cached_property
    def _learnt(self) -> dict[str, str]:
        """Those whom SCIM did not name yet, by subject. Computed once: kept whatever becomes of the request, which changed nothing yet."""
        subjects = {uid: self._sub(uid) for uid in self.annuaire.unnamed()}
        CompteScim.remember(self.client.client_id, subjects)
        db.session.commit()
        return {sub: uid for uid, sub in subjects.items()}

    def _named(self, identifier: str) -> Fiche:
        """Of a company that did not entrust its people to this partner: nobody. Raises ScimError."""
        uid = self.find(identifier)
        if uid is None:
            raise not_found()
        return self._of(uid)

    def _of(self, uid: str) -> Fiche:
        found = self.annuaire.one(uid)
        if found is None:
            raise not_found()
        return found

    def _person(self, found: Fiche) -> Personne:
        person = db.session.get(Personne, found.numero)
        if person is None or person.statut not in (Statut.ACTIF, Statut.SUSPENDU):
            raise not_found()
        return person

    def _held(self, found: Fiche, given: Preconditions) -> Any:
        """The resource as it is, which the caller holds too if it says so. Raises ScimError."""
        user = self._user(found)
        if not given.hold(user.meta.version):
            raise ScimError(412, "the resource is no longer of this version")
        return user

    # ------------------------------------------------------------------------------------------------------- representations

    def _user(self, found: Fiche) -> Any:
        """Section 3.14: `version` is weak, made from all that the client may read."""
        sub = self._sub(found.uid)
        meta = Meta(resource_type="User", created=found.created, last_modified=found.modified, location=f"{self.at}/Users/{sub}")
        user = composed(
            Declarant(siret=f"{found.siret:014}", statut=found.statut, role=found.role),
            id=sub,
            meta=meta,
            external_id=found.external_id,
            user_name=found.user_name,
            name=Nom(formatted=f"{found.prenom} {found.nom}", family_name=found.nom, given_name=found.prenom),
            emails=[Adresse(value=found.email, type="work", primary=True)] if found.email else None,
            active=found.statut == Statut.ACTIF,
        )
        digest = sha256(orjson.dumps(user.model_dump(scim_ctx=ANSWER), option=orjson.OPT_SORT_KEYS)).hexdigest()
        meta.version = f'W/"{digest[:20]}"'
        return user

    def _told(self, found: list[Fiche], request: Any) -> list[dict[str, Any]]:
        """A page, whose subjects lead back to the people from now on."""
        users = [(one, self._user(one)) for one in found]
        CompteScim.remember(self.client.client_id, {one.uid: user.id for one, user in users if one.sub != user.id})
        return [user.model_dump(scim_ctx=ANSWER, response_parameters=request) for _, user in users]

    @staticmethod
    def _wanted(asked: Mapping[str, Any]) -> Any:
        """Section 3.9. Raises ScimError."""
        check_sizes(asked)
        names = {name: asked[name] for name in ("attributes", "excludedAttributes") if name in asked}
        return ResponseParameters[Utilisateur].model_validate(names) if names else None

    def _one(self, user: Any, wanted: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        told = user.model_dump(scim_ctx=ANSWER, response_parameters=wanted)
        return self._sent(told, status, (("ETag", user.meta.version), *headers))

    @staticmethod
    def _sent(told: dict[str, Any], status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        return Answer(status, orjson.dumps(told), MEDIA, (*NO_STORE, *headers))
