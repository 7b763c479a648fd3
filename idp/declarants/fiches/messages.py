"""What administrators read when the directory changed their establishment, in French: pure texts."""

from collections.abc import Sequence

from idp.notifications.messages import Action, Message, letter

CLOSED = (
    "Un établissement fermé n'accepte plus d'inscription. Les personnes déjà inscrites gardent leur compte : enregistrez le départ de "
    "celles qui ne doivent plus agir pour lui."
)


def card_changed(issuer: str, name: str, place: str, moved: Sequence[tuple[str, str, str]], *, closed: bool) -> Message:
    """`moved`: what changed, as it was and as it is."""
    return letter(
        issuer,
        "La fiche de votre établissement a changé",
        name,
        f"Le répertoire Sirene de l'Insee a changé la fiche de {place}. MAG l'a reprise telle quelle :",
        "\n".join(f"{what} : {now} (avant : {before})" for what, before, now in moved),
        *((CLOSED,) if closed else ()),
        Action("Lire la fiche", f"{issuer}/compte/etablissement"),
        "Si elle est fausse, corrigez-la au guichet des formalités des entreprises : la correction arrivera dans MAG d'elle-même.",
    )
