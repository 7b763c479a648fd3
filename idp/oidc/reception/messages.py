"""Mails to whom another site's word touched: who said what, what MAG did, what to do now. Pure."""

from datetime import datetime

from idp.notifications.messages import Action, Message, in_words, letter

NOT_YOU = (
    "Si vous ne comprenez pas ce signalement, changez votre mot de passe, puis voyez avec ce site ce qui s'est passé. L'assistance de MAG "
    "peut aussi vous dire ce qu'elle a reçu."
)


def _said(place: str, said: str, at: datetime) -> str:
    return f"Le {in_words(at)}, « {place} », avec qui votre identité MAG est partagée, a prévenu MAG qu'il {said}."


def reinforced(issuer: str, name: str, place: str, said: str, at: datetime) -> Message:
    """A second factor is asked for at the next sign-in."""
    return letter(
        issuer,
        "Reconnectez-vous à MAG avec un second facteur",
        name,
        _said(place, said, at),
        "Par précaution, vos sessions MAG sont fermées, et la prochaine connexion demandera un second facteur : le vôtre, ou celui que "
        "vous ajouterez alors. Les sites où vous étiez connecté vous le demanderont à leur tour.",
        Action("Me connecter", f"{issuer}/connexion"),
        NOT_YOU,
    )


def disconnected(issuer: str, name: str, place: str, said: str, at: datetime) -> Message:
    """Every session ended, at MAG and elsewhere."""
    return letter(
        issuer,
        "Vos sessions ont été fermées",
        name,
        _said(place, said, at),
        "Par précaution, toutes vos sessions sont fermées, chez MAG et sur les sites où vous étiez connecté, ainsi que les accès gardés "
        "par des sites et des logiciels. Vous pouvez vous reconnecter.",
        Action("Me connecter", f"{issuer}/connexion"),
        NOT_YOU,
    )


def suspended(issuer: str, name: str, place: str, said: str, at: datetime) -> Message:
    """The account opens nothing any more."""
    return letter(
        issuer,
        "Votre compte est suspendu",
        name,
        _said(place, said, at),
        "Par précaution, votre compte MAG est suspendu : il ne permet plus de se connecter, et vos sessions sont fermées partout. Vos "
        "droits vous attendent.",
        "Pour le rétablir, adressez-vous à l'assistance : elle vérifiera qui vous êtes et ce qui s'est passé.",
        Action("Lire l'aide", f"{issuer}/aide"),
    )
