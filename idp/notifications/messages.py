"""The mails of MAG, in French: pure texts. Links are built from the issuer alone (C49); whoever writes a mail gives it."""

import re
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
MONTHS = ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre")
SIGNATURE = """
—
MAG, l'identité numérique des entreprises
{issuer}
Ce message est automatique : inutile d'y répondre. MAG ne demande jamais votre mot de passe par courrier électronique."""


@dataclass(frozen=True, slots=True)
class Message:
    """One mail, without its recipient."""

    subject: str
    body: str
    html: str = ""
    """The same, laid out; empty: text alone."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a mail asks to open: a button, and its address written out in the text."""

    label: str
    address: str


def in_words(at: datetime) -> str:
    """`21 novembre 2026 à 14 h 05`, in Paris; no line ends within the hour."""
    local = at.astimezone(PARIS)
    return f"{day_in_words(at)} à {local.hour}\u00a0h\u00a0{local.minute:02d}"


def day_in_words(at: datetime) -> str:
    """`21 novembre 2026`, in Paris."""
    local = at.astimezone(PARIS)
    day = "1er" if local.day == 1 else str(local.day)
    return f"{day} {MONTHS[local.month - 1]} {local.year}"


def insecable(text: str) -> str:
    """French typography: no line begins with a punctuation mark that a space precedes, nor inside an hour."""
    return re.sub(r" (?=[:;?!»])|(?<=«) |(?<=\d) (?=h \d\d)|(?<=\d h) (?=\d\d)", "\u00a0", text)


def letter(issuer: str, subject: str, name: str, *parts: str | Action) -> Message:
    """A mail to somebody: paragraphs and actions, as text and as HTML. Each room writes its own in its `messages.py`."""
    hello = f"Bonjour {name}," if name else "Bonjour,"
    texts = (part if isinstance(part, str) else f"{part.label} :\n{part.address}" for part in parts)
    text = "\n\n".join((hello, *texts))
    return Message(subject, f"{text}\n{SIGNATURE.format(issuer=issuer)}\n", _page(issuer, subject, hello, parts))


def _page(issuer: str, subject: str, hello: str, parts: tuple[str | Action, ...]) -> str:
    """The mail laid out in tables and attributes, as mail readers know them; nothing is fetched from anywhere."""
    shown = "".join(_paragraph(part) if isinstance(part, str) else _button(part) for part in (hello, *parts))
    small = "".join(
        f'<p style="margin:0 0 4px">{escape(line)}</p>' for line in SIGNATURE.format(issuer=issuer).split("\n") if len(line) > 1
    )
    return LAYOUT.format(subject=escape(insecable(subject)), shown=shown, small=small)


def _paragraph(text: str) -> str:
    return f'<p style="margin:0 0 16px;overflow-wrap:anywhere">{escape(insecable(text)).replace(chr(10), "<br>")}</p>'


def _button(action: Action) -> str:
    address, label = escape(action.address, quote=True), escape(action.label)
    return (
        f'<p style="margin:0 0 8px"><a href="{address}" style="display:inline-block;padding:12px 22px;border-radius:10px;'
        f'background:#0d5c5f;color:#ffffff;font-weight:600;text-decoration:none">{label}</a></p>'
        f'<p style="margin:0 0 16px;font-size:13px;color:#4a5d5a;word-break:break-all">{address}</p>'
    )


LAYOUT = """<!doctype html>
<html lang="fr"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light">
<title>{subject}</title></head>
<body style="margin:0;background:#f3f6f5;color:#13211f;font:16px/1.55 'Segoe UI',Roboto,Arial,sans-serif">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td style="padding:24px 12px">
<!--[if mso]><table role="presentation" width="600" align="center"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"
 style="max-width:600px;margin:0 auto;background:#ffffff;border:1px solid #d3dedb">
<tr><td style="padding:18px 28px;background:#0d4f52;color:#ffffff;font-size:18px;font-weight:700">MAG
<span style="font-size:13px;font-weight:400;color:#d5e7e5">&nbsp; L'identité numérique des entreprises</span></td></tr>
<tr><td style="padding:28px 28px 12px"><h1 style="margin:0 0 16px;font-size:22px;line-height:1.25">{subject}</h1>{shown}</td></tr>
<tr><td style="padding:16px 28px;border-top:1px solid #d3dedb;font-size:13px;color:#4a5d5a">{small}</td></tr>
</table><!--[if mso]></td></tr></table><![endif]--></td></tr></table></body></html>
"""


def brake(issuer: str, token: str, name: str) -> Message:
    """Sign-in to an account is braked, or asks for a proof of work: the link that lets its owner in, once, for an hour."""
    return letter(
        issuer,
        "Des tentatives de connexion à votre compte sont ralenties",
        name,
        "Trop de tentatives de connexion échouent en ce moment. Par prudence, celles qui visent votre compte MAG depuis un "
        "appareil inconnu sont ralenties ou soumises à une vérification.",
        "Si c'est vous qui essayez de vous connecter, ouvrez ce lien dans le navigateur que vous voulez utiliser, puis connectez-vous.",
        Action("Continuer dans ce navigateur", f"{issuer}/connexion/appareil/{token}"),
        "Ce lien est valable une heure et ne sert qu'une fois. Il ne connecte personne : votre mot de passe reste nécessaire.",
        "Si ce n'est pas vous, vous n'avez rien à faire : personne n'est entré dans votre compte, et les appareils que vous "
        "utilisez déjà ne sont pas ralentis.",
    )


def backchannel(issuer: str, name: str, client_name: str, message: str, until: datetime) -> Message:
    """A partner asks somebody who is not at its site to agree. The link opens nothing by itself: the person signs in there."""
    shown = [f"Le message qui doit aussi s'afficher de son côté : « {message} »."] if message else []
    return letter(
        issuer,
        f"{client_name} attend votre accord",
        name,
        f"« {client_name} » demande votre accord pour agir avec votre identité MAG.",
        *shown,
        f"Pour lire la demande et y répondre, avant le {in_words(until)}, ouvrez votre espace MAG.",
        Action("Lire la demande", f"{issuer}/demandes"),
        "Si vous n'avez rien demandé à ce site, refusez, ou laissez la demande s'éteindre d'elle-même : rien ne se passe "
        "sans votre accord.",
    )
