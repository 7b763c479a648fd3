"""A partner that manages the people of a company, and what it sends."""

from datetime import UTC, datetime

from idp.database import db
from idp.declarants.models import Declarant
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siret
from partners.models import Partenaire
from partners.scim import accords
from partners.scim.models import Delegation

SIRET, BRANCH, ELSEWHERE = "73282932000074", "73282932000082", "44306184100047"
CORE, EXTENSION = "urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:mag:1.0:Declarant"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def un_logiciel(partner, name="paie", **metadata):
    """A payroll software that an operator allowed to manage people."""
    return partner(
        name, **{"client_name": "Paie", "grant_types": ["authorization_code", "client_credentials"], "scope": "openid scim", **metadata}
    )


class Api:
    """What a client does to `/scim/v2` with one token of its own."""

    def __init__(self, client):
        self.client = client
        self.token = client.token("client_credentials", scope="scim").json["access_token"]

    def __call__(self, method, path, body=None, **headers):
        headers = {"Authorization": f"Bearer {self.token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        options = {"json": body, "content_type": "application/scim+json"} if body is not None else {}
        return self.client.call(f"/scim/v2/{path}", method, headers=headers, **options)

    def list(self, **query):
        return self.client.call("/scim/v2/Users", "GET", query_string=query, headers={"Authorization": f"Bearer {self.token}"})

    def names(self, **query):
        return [one["name"]["givenName"] for one in self.list(**query).json["Resources"]]

    def patch(self, identifier, *operations, **headers):
        return self("PATCH", f"Users/{identifier}", {"schemas": [PATCH], "Operations": list(operations)}, **headers)

    def of(self, prenom):
        return next(one for one in self.list().json["Resources"] if one["name"]["givenName"] == prenom)


def user(prenom="Jean", nom="Petit", siret=SIRET, **changes):
    """A valid person to create."""
    return {
        "schemas": [CORE, EXTENSION],
        "userName": "ignore",
        "name": {"familyName": nom, "givenName": prenom},
        "emails": [{"value": f"{prenom.lower().replace(' ', '.')}@exemple.fr", "type": "work"}],
        EXTENSION: {"siret": siret},
        **changes,
    }


def known_company(app, *, siege=SIRET, others=(BRANCH,)):
    """As the national directory tells it."""
    with app.app_context():
        found = Siret(siege)
        named = {"denomination": "LES ATELIERS DU PONT", "etat": "A", "statut_diffusion": "O"}
        db.session.merge(Entreprise(siren=found.siren, nic_siege=int(found.nic), **named))
        for one in (siege, *others):
            db.session.merge(Etablissement(siret=Siret(one), actif=True, siege=one == siege, statut_diffusion="O"))
        db.session.commit()


def entrust(doors, code, giver_id):
    """As an administrator does it on the page."""
    with doors.flask.app_context():
        giver = db.session.get(Declarant, giver_id)
        assert giver is not None
        assert accords.confier(doors.mag.registry.every(), giver, code, datetime.now(UTC), issuer=doors.mag.settings.issuer)
        db.session.commit()


def take_back(doors, code, by_id):
    with doors.flask.app_context():
        partenaire, by = Partenaire.with_code(code), db.session.get(Declarant, by_id)
        row = db.session.scalar(db.select(Delegation).filter_by(partenaire_id=partenaire.id, closed_at=None))
        assert accords.retirer(by, row, datetime.now(UTC), issuer=doors.mag.settings.issuer)
        db.session.commit()
