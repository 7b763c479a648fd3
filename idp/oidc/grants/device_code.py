"""Device code: a device polls until a person has typed its code and answered (RFC 8628 section 3.4)."""

from idp.oidc.decoupled.device import GRANT_TYPE, KIND
from idp.oidc.grants.awaited import AwaitedGrant


class DeviceCodeGrant(AwaitedGrant):
    GRANT_TYPE = GRANT_TYPE
    KIND = KIND
    PARAMETER = "device_code"
