"""Random lives of identities, through the real acts, on both databases: no orphan company, no right without a living holder,
no status and no role by another path than the table.
"""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, select

from idp.audit.models import AuditEvent
from idp.database import Connections, db
from idp.declarants import activation, cooptation, echeances, transitions
from idp.declarants.equipe import gestion
from idp.declarants.equipe import invitation as invitations
from idp.declarants.equipe.invitation import Invited
from idp.declarants.equipe.models import ActivationKey, Candidature, Invitation
from idp.declarants.identite import Identite
from idp.declarants.inscription import inscrire
from idp.declarants.models import Declarant
from idp.declarants.statuts import TABLE, Act, By, Role, Statut
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siret
from idp.errors import MagError
from idp.habilitations import attribution, decision, depart
from idp.habilitations.catalogue import parse, refresh, shipped
from idp.habilitations.confies.models import DroitConfie
from idp.habilitations.depart import Destin, Settlement
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.habilitations.models import DroitDirect, Exclusion, Operation, PortefeuilleMembre
from idp.keys import Seals
from idp.notifications.models import Letter, Mail
from tests.conftest import SECRETS

HEAD, BRANCH = Siret("73282932000074"), Siret("73282932000082")
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
ISSUER = "https://mag.test"
PICK = st.integers(0, 50)
SEALS = Seals(SECRETS)
TABLES = (DroitConfie, DroitDirect, Exclusion, PortefeuilleMembre, ActivationKey, Candidature, Invitation, Mail, Letter, Operation)


class Lives(RuleBasedStateMachine):
    """Acts picked at random, by people picked at random; a refusal changes nothing."""

    catalogue: Any = None

    def __init__(self) -> None:
        super().__init__()
        for kind in TABLES:
            db.session.execute(delete(kind))
        db.session.execute(delete(Declarant))
        db.session.commit()
        self.now, self.names = START, itertools.count()
        self.known: dict[int, tuple[Statut, Role]] = {}
        self.by_operator: set[int] = set()
        """Suspended by an operator: security comes before the last administrator."""

    def act(self, do: Callable[[], Any]) -> None:
        """As a view does: all, or nothing."""
        try:
            do()
            db.session.commit()
        except MagError:
            db.session.rollback()

    def pick(self, n: int, *statuts: Statut) -> Declarant | None:
        query = select(Declarant).order_by(Declarant.id)
        found = list(db.session.scalars(query.where(Declarant.statut.in_(statuts)) if statuts else query))
        return found[n % len(found)] if found else None

    def gesture(self, by: Declarant | None = None) -> Gesture:
        return Gesture(by.id if by else None, self.catalogue, self.now)

    def identity(self, siret: Siret) -> Identite:
        return Identite(siret, f"Nom{next(self.names)}", "Une")

    # ------------------------------------------------------------------------------------------------------------- births

    @rule(siret=st.sampled_from([HEAD, BRANCH]), role=st.sampled_from(list(Role)[1:]))
    def somebody_signs_up(self, siret: Siret, role: Role) -> None:
        """Fact 30: the first one is PRIMO, later ones are candidates."""
        act = Act.INSCRIRE_CANDIDAT if Declarant.is_administered(siret) else Act.INSCRIRE_PREMIER

        def do() -> None:
            found = inscrire(self.identity(siret), self.now, role=role, act=act, by=By.SOI, email="x@exemple.fr")
            found.expires_at = self.now + cooptation.DELAY
            if act is Act.INSCRIRE_CANDIDAT:
                cooptation.open_candidacy(found, self.now, issuer=ISSUER)

        self.act(do)

    @rule(n=PICK, siret=st.sampled_from([HEAD, BRANCH]), role=st.sampled_from(list(Role)))
    def somebody_is_invited(self, n: int, siret: Siret, role: Role) -> None:
        by = self.pick(n, Statut.ACTIF)
        if by is not None and by.may_administer(siret):
            invited = Invited(siret, f"Nom{next(self.names)}", "Une", "x@exemple.fr", role)
            self.act(lambda: invitations.inviter(by, invited, self.now, issuer=ISSUER))

    @rule(n=PICK)
    def an_invitation_is_accepted(self, n: int) -> None:
        found = list(db.session.scalars(select(Invitation).order_by(Invitation.id)))
        if not found:
            return
        one = found[n % len(found)]

        def do() -> None:
            person = invitations.accepter(one, self.now, issuer=ISSUER, rights=False)
            depart.remettre(self.gesture(), one, person)

        self.act(do)

    # ---------------------------------------------------------------------------------------------------------- decisions

    @rule(n=PICK, by=st.sampled_from(list(By)), act=st.sampled_from([Act.VALIDER, Act.ECARTER]))
    def controls_decide(self, n: int, by: By, act: Act) -> None:
        found = self.pick(n)
        if found is not None:
            self.act(lambda: transitions.apply(found, act, by, self.now))

    @rule(n=PICK, m=PICK, agree=st.booleans())
    def a_candidacy_is_decided(self, n: int, m: int, agree: bool) -> None:  # Hypothesis gives it
        candidate, by = self.pick(n, Statut.CANDIDAT), self.pick(m, Statut.ACTIF)
        asked = Candidature.of(candidate.id) if candidate else None
        if asked is not None and by is not None and by.may_administer(asked.siret):
            answer = cooptation.coopter if agree else cooptation.refuser
            self.act(lambda: answer(asked, by, self.now, issuer=ISSUER))

    @rule(n=PICK, right=st.booleans())
    def a_key_is_typed(self, n: int, right: bool) -> None:  # Hypothesis gives it
        found = self.pick(n, Statut.CANDIDAT, Statut.PRIMO, Statut.ACTIF)
        if found is not None:
            key = "ABCDEFGHJKMNPQRS"
            ActivationKey.make(found.id, activation.digests(SEALS, found.id, key)[0], self.now)
            self.act(lambda: activation.activate(found, key if right else "X", self.now, seals=SEALS, issuer=ISSUER))

    # --------------------------------------------------------------------------------------------------------------- lives

    @rule(n=PICK, m=PICK, role=st.sampled_from(list(Role)))
    def a_role_changes(self, n: int, m: int, role: Role) -> None:
        by, person = self.pick(n), self.pick(m)
        if by is not None and person is not None:
            self.act(lambda: gestion.changer_role(by, person, role, self.now, issuer=ISSUER))

    @rule(n=PICK, m=PICK, lift=st.booleans())
    def a_colleague_is_suspended_or_reinstated(self, n: int, m: int, lift: bool) -> None:  # Hypothesis gives it
        by, person = self.pick(n), self.pick(m)
        if by is not None and person is not None:
            do = gestion.reactiver if lift else gestion.suspendre
            self.act(lambda: do(by, person, self.now, issuer=ISSUER))

    @rule(n=PICK, by=st.sampled_from([By.OPERATEUR, By.TEMPS]))
    def somebody_is_suspended_from_above(self, n: int, by: By) -> None:
        person = self.pick(n, Statut.ACTIF)
        if person is not None:
            self.act(lambda: transitions.apply(person, Act.SUSPENDRE, by, self.now))
            if by is By.OPERATEUR:
                self.by_operator.add(person.id)

    @rule(n=PICK, cible=st.sampled_from([int(HEAD), int(BRANCH), 732829320]))
    def a_right_is_given(self, n: int, cible: int) -> None:
        person = self.pick(n)
        if person is not None:
            self.act(lambda: attribution.attribuer(self.gesture(), person.id, cible, "dsn", {Droit.DECLARER}))

    @rule(n=PICK, m=PICK, to=PICK, destin=st.sampled_from(list(Destin)))
    def somebody_is_struck_off(self, n: int, m: int, to: int, destin: Destin) -> None:
        by, leaver = self.pick(n), self.pick(m)
        if by is None or leaver is None or by.id == leaver.id:
            return

        def do() -> None:
            receiver = {Destin.COLLEGUE: self.pick(to), Destin.ABANDON: None}.get(destin, by)
            sent = None
            if destin is Destin.NOUVEAU:
                invited = Invited(leaver.siret, f"Nom{next(self.names)}", "Une", "x@exemple.fr")
                sent = invitations.inviter(by, invited, self.now, issuer=ISSUER, keeper_id=by.id)
            settlement = Settlement(destin, receiver, sent.id if sent else None)
            depart.partir(self.gesture(by), leaver, settlement, administrator=by)

        self.act(do)

    @rule(n=PICK)
    def somebody_closes_their_account(self, n: int) -> None:
        person = self.pick(n)
        if person is not None:
            self.act(lambda: depart.partir(self.gesture(), person, Settlement(Destin.ABANDON), act=Act.FERMER, by=By.SOI))

    @rule(days=st.sampled_from([1, 3, 8, 16]))
    @precondition(lambda self: self.now < START + timedelta(days=300))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.act(lambda: [step(self.now, issuer=ISSUER) for step in (echeances.expire, echeances.expire_primo, echeances.warn)])

    # ---------------------------------------------------------------------------------------------------------- invariants

    @invariant()
    def no_orphan_company(self) -> None:
        """Whoever is alive has an administrator, unless an operator suspended one of theirs."""
        for person in db.session.scalars(select(Declarant).where(Declarant.statut == Statut.ACTIF)):
            if not Declarant.administrators(person.siret):
                theirs = select(Declarant.id).where(Declarant.statut == Statut.SUSPENDU, Declarant.id.in_(self.by_operator))
                assert db.session.scalar(theirs) is not None, f"{person.id} of {person.siret} has nobody"

    @invariant()
    def no_right_without_a_living_holder(self) -> None:
        alive = select(Declarant.id).where(Declarant.statut.in_([Statut.ACTIF, Statut.SUSPENDU]))
        for kind in (DroitDirect, Exclusion, PortefeuilleMembre):
            assert list(db.session.scalars(select(kind.declarant_id).where(kind.declarant_id.not_in(alive)))) == []

    @invariant()
    def every_change_is_a_line_of_the_table(self) -> None:
        lines = {(line.before, line.after) for line in TABLE}
        roles = {(line.before, line.after) for line in TABLE if line.act is Act.CHANGER_ROLE}
        there = {one.id: (one.statut, one.role) for one in db.session.scalars(select(Declarant))}
        for number, (statut, role) in there.items():
            before = self.known.get(number)
            if before is None:
                assert (None, statut) in lines
            elif before != (statut, role):
                assert (before[0], statut) in lines
                assert before[1] is role or (before[0], statut) in roles
        for number in self.known.keys() - there.keys():
            assert (self.known[number][0], None) in lines, "erased from a status that is not"
            assert AuditEvent.happened("DeclarantErased", number)
        self.known = there


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_random_lives_keep_the_promises_of_the_table(request: pytest.FixtureRequest, database: str) -> None:
    url = request.getfixturevalue(f"{database}_url")
    app = Flask("lives")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    connections = Connections(url)
    with app.app_context():
        refresh(parse(shipped()), START)
        company = Entreprise(siren=HEAD.siren, etat="A", statut_diffusion="O", denomination="LES ATELIERS DU PONT", nic_siege=int(HEAD.nic))
        db.session.add(company)
        for siret in (HEAD, BRANCH):
            db.session.add(Etablissement(siret=siret, actif=True, siege=siret == HEAD, statut_diffusion="O", voie="1 RUE", commune="LYON"))
        db.session.commit()
        Lives.catalogue = decision.read_catalogue(connections)
        chosen = settings(max_examples=6, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        run_state_machine_as_test(Lives, settings=chosen)
        db.session.remove()
        db.engine.dispose()
    connections.drop()
