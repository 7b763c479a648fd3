"""CIBA: a client polls, or is told once, until the person it named has answered (CIBA Core sections 10.1 and 10.2)."""

from idp.oidc.decoupled.ciba import GRANT_TYPE, KIND
from idp.oidc.grants.awaited import AwaitedGrant


class CibaGrant(AwaitedGrant):
    GRANT_TYPE = GRANT_TYPE
    KIND = KIND
    PARAMETER = "auth_req_id"
