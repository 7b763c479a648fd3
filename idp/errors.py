"""What MAG refuses, typed. `http.py` alone translates these at the edge.

MagError
├── SettingError                a setting is missing or unsafe: the process does not start
├── StoreUnavailableError       the database or Redis does not answer: 503, Retry-After
└── RefusedError                a rule of the domain said no: 4xx, a sentence that says what to do
    ├── NotFoundError           404
    ├── InvalidRequestError     400
    ├── ForbiddenError          403
    └── OverloadedError         503, Retry-After
"""


class MagError(Exception):
    """Base of every refusal. `str(error)` is for the journal and never leaves the server; `public` is what anyone may read."""

    code = "erreur"
    status = 500
    public = "Une erreur est survenue. Réessayez dans quelques instants."
    retry_after: int | None = None
    """Seconds, sent as `Retry-After` when not None."""

    def __init__(self, reason: str = "", *, public: str | None = None) -> None:
        super().__init__(reason or self.code)
        if public is not None:
            self.public = public


class SettingError(MagError):
    """A setting is missing or unsafe; the message names it."""

    code = "reglage"


class StoreUnavailableError(MagError):
    """The database or Redis does not answer."""

    code = "indisponible"
    status = 503
    public = "Le service est momentanément indisponible. Réessayez dans quelques instants."
    retry_after = 5


class RefusedError(MagError):
    """A rule of the domain said no."""

    code = "refus"
    status = 400
    public = "Cette demande n'est pas possible."


class NotFoundError(RefusedError):
    code = "introuvable"
    status = 404
    public = "Cette page n'existe pas ou n'est pas accessible."


class InvalidRequestError(RefusedError):
    code = "demande_invalide"
    status = 400
    public = "Cette demande n'est pas valide."


class ForbiddenError(RefusedError):
    code = "interdit"
    status = 403
    public = "Cette action n'est pas autorisée."


class OverloadedError(RefusedError):
    """More work is asked than may be queued: refused before it costs anything."""

    code = "surcharge"
    status = 503
    public = "Trop de connexions en ce moment. Réessayez dans quelques secondes."
    retry_after = 5
