"""The keys that sign SAML responses: made, published in metadata, put to use a week later, retired.

Of each algorithm one key signs (*active*) and the next one is already published, so that service providers that read metadata
never meet a key that they do not know (SAML metadata section 2.4.1.1). They change when an operator says so, or when the
certificate comes near its end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.audit import journal
from idp.config import Settings
from idp.database import Connections, Kept, Version, Versions, db
from idp.errors import RefusedError
from idp.keys import KeyState
from idp.saml.events import SamlKeyChanged
from idp.saml.models import KEYS, SamlKey
from idp.saml.signature import Signer, fingerprint, make_pair, validity
from idp.seals import Seals

ALGORITHMS = ("RS256", "ES256")
VERSION = "saml_keys"
PUBLISHED_BEFORE_USE = timedelta(days=7)
"""Service providers read metadata once a day at most; those that are asked by hand need a few more."""
RENEWED_BEFORE_END = timedelta(days=60)
PURPOSE = "saml_keys"
DOCUMENT_KEPT = timedelta(minutes=1)
"""Anybody may read metadata, and each signature costs a millisecond: one serves a minute, and no longer than its keys."""


class SamlKeyMissingError(RefusedError):
    """`mag saml cles` was never run."""

    code = "cle_saml_absente"
    number = "M900401"
    remedy = "Exploitant : lancez mag saml cles creer."
    status = 503
    title = "Service indisponible"


class SamlRotationRefusedError(RefusedError):
    """The next key has not been published for a week, or is not there."""

    code = "rotation_saml_refusee"
    number = "M900402"
    remedy = "Exploitant : attendez que la clé suivante soit publiée depuis une semaine, ou ajoutez --urgence."


@dataclass(frozen=True)
class Published:
    """What a process keeps: who signs, and every certificate of the metadata, those that sign first."""

    signers: Mapping[str, Signer]
    certificates: tuple[bytes, ...]

    def signer(self, alg: str) -> Signer:
        """Raises SamlKeyMissingError."""
        if alg not in self.signers:
            raise SamlKeyMissingError(f"no active {alg} key: run `mag saml cles creer`")
        return self.signers[alg]


@dataclass(frozen=True, slots=True)
class Document:
    """Metadata as they were signed: of which keys, when."""

    keys: Published
    at: datetime
    text: bytes

    def serves(self, keys: Published, now: datetime) -> bool:
        return self.keys is keys and timedelta() <= now - self.at < DOCUMENT_KEPT


class SamlKeys:
    """Of one process."""

    def __init__(self, connections: Connections, versions: Versions, seals: Seals) -> None:
        self._connections, self._seals = connections, seals
        self._parsed: dict[str, Signer] = {}
        self.published = Kept(versions, VERSION, self._load)
        self._document: Document | None = None

    def document(self, write: Callable[[Published], bytes], now: datetime) -> bytes:
        """Metadata, written and signed again when they are a minute old or when the keys changed."""
        keys, held = self.published(), self._document
        if held is None or not held.serves(keys, now):
            self._document = held = Document(keys, now, write(keys))
        return held.text

    def _load(self) -> Published:
        rows = self._connections.all(KEYS)
        active = [row for row in rows if row[2] == KeyState.ACTIVE]
        signers = {row[1]: self._signer(row[0], row[1], bytes(row[3]), bytes(row[4])) for row in active}
        waiting = [row for row in rows if row[2] == KeyState.NEXT]
        by_rank = sorted([*active, *waiting], key=lambda row: (row[2] != KeyState.ACTIVE, ALGORITHMS.index(row[1])))
        return Published(signers, tuple(bytes(row[3]) for row in by_rank))

    def _signer(self, kid: str, alg: str, certificate: bytes, sealed: bytes) -> Signer:
        """Parsed once a process."""
        if kid not in self._parsed:
            self._parsed[kid] = Signer.load(alg, self._seals.open(PURPOSE, sealed, kid), certificate)
        return self._parsed[kid]


# ------------------------------------------------------------------------------------------------------------- operations


def initialise(seals: Seals, settings: Settings, now: datetime) -> list[SamlKey]:
    """Make what is missing: an active and a next key for each algorithm. Idempotent."""
    missing = [(alg, state) for alg in ALGORITHMS for state in (KeyState.ACTIVE, KeyState.NEXT) if SamlKey.in_state(alg, state) is None]
    return [_make(seals, settings, alg, state, now) for alg, state in missing]


def _make(seals: Seals, settings: Settings, alg: str, state: KeyState, now: datetime) -> SamlKey:
    private, certificate = make_pair(alg, settings.issuer_host, now)
    kid = fingerprint(certificate)
    made = SamlKey(
        kid=kid,
        alg=alg,
        state=state,
        certificate=certificate,
        private_sealed=seals.seal(PURPOSE, private, kid),
        created_at=now,
        expires_at=validity(certificate)[1],
        activated_at=now if state is KeyState.ACTIVE else None,
    )
    db.session.add(made)
    _changed(made, now)
    return made


def rotate(seals: Seals, settings: Settings, alg: str, now: datetime, *, emergency: bool = False) -> tuple[SamlKey, SamlKey]:
    """The next key signs, the active one is withdrawn, another next one is published: (now active, now next).

    Raises SamlRotationRefusedError.
    """
    old, new = SamlKey.in_state(alg, KeyState.ACTIVE), SamlKey.in_state(alg, KeyState.NEXT)
    if old is None or new is None:
        raise SamlRotationRefusedError(f"no next {alg} key", public=f"Il manque une clé {alg} : lancez d'abord « mag saml cles creer ».")
    if now - new.created_at < PUBLISHED_BEFORE_USE and not emergency:
        public = f"La clé {alg} suivante est publiée depuis moins de sept jours ; --urgence l'utilise malgré tout."
        raise SamlRotationRefusedError(f"the next {alg} key is too young", public=public)
    if not (old.move(KeyState.ACTIVE, KeyState.RETIRED, now) and new.move(KeyState.NEXT, KeyState.ACTIVE, now)):
        raise SamlRotationRefusedError(f"{alg} is being rotated", public=f"La clé {alg} vient d'être changée par un autre processus.")
    _changed(old, now)
    _changed(new, now)
    return new, _make(seals, settings, alg, KeyState.NEXT, now)


def keep_up(seals: Seals, settings: Settings, now: datetime) -> list[SamlKey]:
    """Keys whose certificate is about to end give way, once the next one was published for long enough; those that sign now."""
    found = [SamlKey.in_state(alg, KeyState.ACTIVE) for alg in ALGORITHMS]
    due = [key for key in found if key is not None and key.expires_at - now < RENEWED_BEFORE_END]
    later = [SamlKey.in_state(key.alg, KeyState.NEXT) for key in due]
    ready = [key.alg for key in later if key is not None and now - key.created_at >= PUBLISHED_BEFORE_USE]
    return [rotate(seals, settings, alg, now)[0] for alg in ready]


def _changed(key: SamlKey, now: datetime) -> None:
    Version.bump(VERSION)
    journal.record(SamlKeyChanged(kid=key.kid, state=str(key.state), actor="commande"), now)
