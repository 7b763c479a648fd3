"""What somebody proved at a provider, against the identity that they bear at MAG."""

from datetime import UTC, datetime

import pytest

from idp.declarants.identite import Identite
from idp.entreprises.siret import Siret
from idp.seals import Seals
from partners.amont.confrontation import preuve_of
from partners.amont.models import Fournisseur
from partners.amont.profils import CERTIFICATION_DIRIGEANT
from partners.amont.relying import Arrived
from tests.conftest import SECRETS

SIRET = "73282932000074"
CLAIMS = {"given_name": "Claire", "usual_name": "Lefèvre", "siret": SIRET}


def proved(acr: str, profil: str = "proconnect"):
    fournisseur = Fournisseur(code="pc", nom="ProConnect", issuer="https://pc.test", profil=profil)
    arrived = Arrived(
        fournisseur="pc", purpose="", back="", bound="", subject="s", claims=CLAIMS, acr=acr, amr=(), auth_time=None, at=0, id_token=""
    )
    return preuve_of(Seals(SECRETS), fournisseur, arrived, Identite(Siret.parse(SIRET), "Lefèvre", "Claire"), datetime.now(UTC))


@pytest.mark.parametrize("acr", ["", "eidas0", "eidas0-mfa", "nimporte", "eidas1 "])
def test_below_its_first_level_the_company_is_the_person_s_own_saying(acr):
    assert proved(acr).siret is None


@pytest.mark.parametrize("acr", ["eidas1", "eidas1-mfa", CERTIFICATION_DIRIGEANT])
def test_from_its_first_level_proconnect_ties_the_person_to_the_company(acr):
    assert (proved(acr).siret, proved(acr).dirigeant) == (int(SIRET), acr == CERTIFICATION_DIRIGEANT)
    assert proved(acr, "openid").siret is None
