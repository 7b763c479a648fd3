"""The mails to partners about their service providers, in French: pure texts."""

from datetime import datetime

from idp.notifications.messages import Message, day_in_words, letter


def about_to_end(issuer: str, nom: str, entity_id: str, end: datetime, now: datetime) -> Message:
    """A certificate, or metadata, that end soon, or ended."""
    over = end <= now
    subject = f"SAML : un certificat de « {nom} » {'est échu' if over else 'arrive à échéance'}"
    when = f"depuis le {day_in_words(end)}" if over else f"le {day_in_words(end)}"
    return letter(
        issuer,
        subject,
        "",
        f"Les métadonnées SAML de votre site « {nom} » ({entity_id}), telles que MAG les connaît, "
        f"{'ne sont plus valables' if over else 'cesseront de l’être'} {when} : un de leurs certificats, ou leur validUntil, prend fin.",
        "Publiez dès maintenant le nouveau certificat à côté de l'ancien, puis faites relire vos métadonnées par l'exploitant de MAG, ou "
        "laissez MAG les relire si elles sont signées et publiées. Les deux certificats peuvent y figurer ensemble le temps du changement.",
        f"Les métadonnées de MAG sont à l'adresse {issuer}/saml/metadata.",
    )
