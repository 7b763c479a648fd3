"""What MAG refuses, typed. `http.py` alone translates these at the edge.

MagError
├── SettingError                a setting is missing or unsafe: the process does not start
├── StoreUnavailableError       the database or Redis does not answer: 503, Retry-After
├── UnexpectedError             a mistake of ours: 500, an incident number
└── RefusedError                a rule of the domain said no: 4xx, a sentence that says what to do
    ├── NotFoundError           404
    │   ├── UnknownPageError    no page at this address
    │   └── DeadLinkError       the link of a mail that was used, or is too old
    ├── InvalidRequestError     400
    │   ├── MethodError, TooLargeError, FileError, AddressError
    ├── ForbiddenError          403
    └── OverloadedError         503, Retry-After

Each has a number of its own, which a person reads out to the assistance; `docs/erreurs.md` lists them (`mag erreurs`). A
number is never given to another error: M00 whatever page, M10 companies, M20 people, M30 rights, M40 sign-in, M50 protocol,
M60 partners, M90 what only operators meet.
"""

from collections.abc import Iterator


class MagError(Exception):
    """Base of every refusal. `str(error)` is for the journal and never leaves the server; `public` is what anyone may read."""

    code = "erreur"
    number = ""
    """`M` and six digits: each class has its own."""
    status = 500
    title = "Service indisponible"
    """Heading of the page."""
    remedy = ""
    """What to do, for the table of numbers: in French."""
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
    number = "M900001"
    remedy = "Exploitant : corrigez le réglage que le message nomme, puis relancez."


class StoreUnavailableError(MagError):
    """The database or Redis does not answer."""

    code = "indisponible"
    number = "M000503"
    remedy = "Réessayez dans une minute. Exploitant : la base de données ou Redis ne répond pas."
    status = 503
    public = "Le service est momentanément indisponible. Réessayez dans quelques instants."
    retry_after = 5


class UnexpectedError(MagError):
    """What nobody foresaw; the journal has the rest."""

    code = "imprevu"
    number = "M000500"
    title = "Une erreur est survenue"
    remedy = "Réessayez ; si cela persiste, donnez le code et le numéro d'incident à l'assistance."
    public = "L'incident a été enregistré. Réessayez ; si cela persiste, communiquez les numéros ci-dessous à l'assistance."


class RefusedError(MagError):
    """A rule of the domain said no."""

    code = "refus"
    number = "M000409"
    remedy = "Lisez la phrase affichée : elle dit ce qui manque."
    status = 400
    title = "Demande refusée"
    public = "Cette demande n'est pas possible."


class NotFoundError(RefusedError):
    code = "introuvable"
    number = "M000410"
    remedy = "Vérifiez l'adresse, ou revenez au site d'où vous venez."
    status = 404
    title = "Page introuvable"
    public = "Cette page n'existe pas ou n'est pas accessible."


class DeadLinkError(NotFoundError):
    """The link of a mail: used, too old, replaced, or of nothing. Each room says what to do."""

    code = "lien_perime"
    number = "M000411"
    remedy = "Cherchez le message le plus récent, ou recommencez la demande."
    title = "Ce lien n'est plus valable"
    public = "Ce lien n'est plus valable : il a déjà servi, ou il est trop ancien."


class UnknownPageError(NotFoundError):
    """Nothing at this address."""

    code = "page_inconnue"
    number = "M000404"
    remedy = "Vérifiez l'adresse, ou revenez au site d'où vous venez."
    public = "Cette page n'existe pas. Vérifiez l'adresse ou revenez au site d'où vous venez."


class InvalidRequestError(RefusedError):
    code = "demande_invalide"
    number = "M000400"
    remedy = "Revenez à la page précédente et recommencez."
    status = 400
    title = "Demande non valide"
    public = "Cette demande n'est pas valide. Revenez à la page précédente et recommencez."


class AddressError(InvalidRequestError):
    """An address that could be read in two ways."""

    code = "adresse_interdite"
    number = "M000402"
    remedy = "Partenaire : l'adresse doit être en UTF-8 encodé, sans caractère NUL."
    public = "Cette adresse contient un caractère interdit."


class MethodError(InvalidRequestError):
    """RFC 9110 section 15.5.6."""

    code = "methode"
    number = "M000405"
    remedy = "Revenez à la page précédente."
    status = 405
    title = "Action impossible"
    public = "Cette adresse ne s'utilise pas de cette façon. Revenez à la page précédente."


class TooLargeError(InvalidRequestError):
    """RFC 9110 section 15.5.14."""

    code = "trop_volumineux"
    number = "M000413"
    remedy = "Envoyez moins : 64 Kio au plus."
    status = 413
    title = "Demande trop volumineuse"
    public = "Ce que vous avez envoyé est trop volumineux."


class FileError(InvalidRequestError):
    """RFC 9110 section 15.5.16."""

    code = "fichier_refuse"
    number = "M000415"
    remedy = "Partenaire : les formulaires sont en application/x-www-form-urlencoded."
    status = 415
    title = "Format refusé"
    public = "Ce qui a été envoyé n'a pas le format d'un formulaire, ou contient un fichier."


class ForbiddenError(RefusedError):
    code = "interdit"
    number = "M000403"
    remedy = "Rechargez la page et recommencez, cookies autorisés."
    status = 403
    public = "Cette action n'est pas autorisée."


class OverloadedError(RefusedError):
    """More work is asked than may be queued: refused before it costs anything."""

    code = "surcharge"
    number = "M000529"
    remedy = "Réessayez dans quelques secondes. Exploitant : voyez la file des connexions (MAG_HASH_QUEUE)."
    status = 503
    title = "Service indisponible"
    public = "Trop de connexions en ce moment. Réessayez dans quelques secondes."
    retry_after = 5


def every_error(of: type[MagError] = MagError) -> Iterator[type[MagError]]:
    """Every class of refusal that is loaded, by number."""
    found: set[type[MagError]] = set()
    left = [of]
    while left:
        kinds = left.pop().__subclasses__()
        left += kinds
        found.update(kinds)
    yield from sorted(found, key=lambda kind: kind.number)


def table() -> str:
    """The numbers, in Markdown: what `docs/erreurs.md` holds."""
    lines = ["| code | statut | ce que lit la personne | que faire |", "|---|---|---|---|"]
    for kind in (kind for kind in every_error() if kind.number):
        own = "public" in vars(kind)
        lines.append(
            f"| `{kind.number}` | {kind.status} | {kind.public if own else '*(une phrase propre à chaque cas)*'} | {kind.remedy} |"
        )
    return "\n".join(lines)
