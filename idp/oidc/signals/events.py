"""What MAG tells of: the events of RISC and CAEP, under their addresses, and what each one says. Pure.

Implements CAEP 1.0 sections 2 and 3.1 to 3.3, RISC 1.0 section 2.1 to 2.5, Shared Signals Framework 1.0 section 8.1.4 and 8.1.5.
Left out on purpose: `reason_user` (MAG writes to the person itself), device and assurance events (MAG has no device of theirs).
ours: `urn:mag:secevent:…` for what neither names: accounts linked and unlinked, and suspicious behaviours told under an agreement
(CAEP's `risk-level-change` says a level, which MAG does not have; RISC's `account-credential-change-required` asks for an act).
"""

from collections.abc import Mapping
from typing import Any

CAEP, RISC, SSF = (f"https://schemas.openid.net/secevent/{name}/event-type/" for name in ("caep", "risc", "ssf"))
REVOKED, CLAIMS, CREDENTIAL = "session-revoked", "token-claims-change", "credential-change"
PURGED, DISABLED, ENABLED, IDENTIFIER = "account-purged", "account-disabled", "account-enabled", "identifier-changed"
VERIFICATION, UPDATED = "verification", "stream-updated"
LINKED, UNLINKED, SUSPICION = "rattachement-ouvert", "rattachement-clos", "comportement-suspect"
OWN = "urn:mag:secevent:"
ADDRESSES = {
    **{kind: CAEP + kind for kind in (REVOKED, CLAIMS, CREDENTIAL)},
    **{kind: RISC + kind for kind in (PURGED, DISABLED, ENABLED, IDENTIFIER)},
    **{kind: SSF + kind for kind in (VERIFICATION, UPDATED)},
    **{kind: OWN + kind for kind in (LINKED, UNLINKED, SUSPICION)},
}
KINDS = {address: kind for kind, address in ADDRESSES.items()}
SUPPORTED = tuple(ADDRESSES[kind] for kind in ADDRESSES if kind not in (VERIFICATION, UPDATED))
"""What a stream may ask for; events of the stream itself come unasked."""
OF_LIVE = frozenset({REVOKED, CLAIMS, CREDENTIAL})
"""Told only to who holds something living of the person: for the others, there is nothing to withdraw."""
OF_LINK = frozenset({LINKED, UNLINKED})
"""Told to the partner whose account it is, and to nobody else, whether the person ever signed in there or not."""

WORDS = {
    REVOKED: "Session terminée",
    CLAIMS: "Droits modifiés",
    CREDENTIAL: "Moyen de connexion modifié",
    PURGED: "Compte supprimé",
    DISABLED: "Compte suspendu",
    ENABLED: "Compte rétabli",
    IDENTIFIER: "Adresse modifiée",
    VERIFICATION: "Essai",
    UPDATED: "État du flux",
    LINKED: "Comptes associés",
    UNLINKED: "Comptes déliés",
    SUSPICION: "Comportement suspect",
}


def subject(kind: str, issuer: str, sub: str, stream_id: str, details: Mapping[str, str]) -> dict[str, Any]:
    """`sub_id` (RFC 9493): the person as this partner knows them, their session, their former address, a token, or the stream."""
    if kind in (VERIFICATION, UPDATED):
        return {"format": "opaque", "id": stream_id}
    if kind == SUSPICION:
        return {"format": "opaque", "id": details["vecteur"]}
    if kind == IDENTIFIER:
        return {"format": "email", "email": details["former"]}
    person = {"format": "iss_sub", "iss": issuer, "sub": sub}
    if kind == REVOKED and "sid" in details:
        return {"format": "complex", "user": person, "session": {"format": "opaque", "id": details["sid"]}}
    return person


def content(kind: str, at: int, details: Mapping[str, str], version: str) -> dict[str, Any]:
    """What the event says beside its subject. `at` in epoch seconds; `version`, that of the person's rights."""
    if kind == VERIFICATION:
        return {"state": details["state"]} if "state" in details else {}
    if kind == UPDATED:
        return {name: details[name] for name in ("status", "reason") if name in details}
    if kind == IDENTIFIER:
        return {"new-value": details["new"]}
    if kind in (PURGED, ENABLED, DISABLED):
        return {}
    said: dict[str, Any] = {"event_timestamp": at}
    if kind in OF_LINK:
        said |= {name: details[name] for name in ("lien", "compte", "par")}
    if kind == SUSPICION:
        said |= {name: details[name] for name in ("id", "convention", "motif", "description") if name in details}
    if kind == CLAIMS:
        said["claims"] = {"hab": {"e": version}}
    if kind == CREDENTIAL:
        said |= {"credential_type": details["credential_type"], "change_type": details["change_type"]}
    return said
