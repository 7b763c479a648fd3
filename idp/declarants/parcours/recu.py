"""The receipt of an inscription (fact 23): what was inscribed, as a signed statement (JWS, RFC 7515) and as a paper to print.

`typ` is `inscription-receipt+jwt` and there is no audience: nothing that reads tokens takes it for one.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from idp.declarants.models import Declarant
from idp.declarants.parcours.models import ConditionsAcceptees
from idp.declarants.profils import Profil, Secteur
from idp.entreprises.models import Carte
from idp.entreprises.siret import Siret
from idp.keys import Keyring
from idp.notifications.messages import in_words
from idp.notifications.paper import Code, Facts, Heading, Paper, Paragraph
from idp.qr import MOST
from idp.seals import digest, random_token

TYP = "inscription-receipt+jwt"
STATUTS = {
    "actif": "administrateur et déclarant",
    "primo": "en cours de vérification par un opérateur",
    "candidat": "candidat administrateur, en attente d'une décision",
}
TITLE = "Compte rendu d'inscription"


def claims(
    issuer: str,
    declarant: Declarant,
    card: Carte,
    accepted: ConditionsAcceptees,
    profile: tuple[Profil, Secteur],
    services: Sequence[Mapping[str, Any]],
    now: datetime,
) -> dict[str, Any]:
    """What is signed; instants are epoch seconds. Services have `code`, `libelle` and `opens_at`, None until the person is active."""
    return {
        "iss": issuer,
        "iat": int(now.timestamp()),
        "jti": random_token(16),
        "siret": str(declarant.siret),
        "entreprise": card.nom,
        "adresse": list(card.adresse),
        "nom": declarant.nom,
        "prenom": declarant.prenom,
        "email": declarant.email,
        "telephone": declarant.telephone,
        "mobile": declarant.mobile,
        "statut": declarant.statut,
        "role": declarant.role,
        "expires_at": int(declarant.expires_at.timestamp()) if declarant.expires_at else None,
        "profil": profile[0],
        "secteur": profile[1],
        "conditions": {"version": accepted.version, "sha256": accepted.sha256, "accepted_at": int(accepted.accepted_at.timestamp())},
        "services": [dict(service) for service in services],
    }


def sign(keyring: Keyring, what: Mapping[str, Any]) -> str:
    """Compact JWS, by MAG's key of that day. Raises NoKeyError."""
    return keyring.published().signer("ES256").sign(what, TYP)


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def facts(what: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The receipt in words."""
    siret, agreed = Siret(what["siret"]), what["conditions"]
    rows = [
        ("Personne", f"{what['prenom']} {what['nom']}"),
        ("Entreprise", what["entreprise"]),
        ("SIRET", siret.grouped),
        ("Adresse électronique", what["email"]),
        ("Téléphone", what["telephone"]),
        ("Portable", what["mobile"] or ""),
        ("Profil", f"{Profil(what['profil']).titre} ({Secteur(what['secteur']).titre.lower()})"),
        ("Situation", STATUTS[what["statut"]]),
        ("Inscription confirmée le", in_words(instant(what["iat"]))),
        ("Conditions d'utilisation", f"version {agreed['version']}, acceptées le {in_words(instant(agreed['accepted_at']))}"),
    ]
    return [(name, value) for name, value in rows if value]


def openings(what: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each service chosen, and when it opens."""
    iat = what["iat"]

    def opens(at: int | None) -> str:
        if at is None:
            return "à l'activation du compte"
        return "ouvert" if at <= iat else f"ouvre le {in_words(instant(at))}"

    return [(service["libelle"], opens(service["opens_at"])) for service in what["services"]]


def _code(address: str, jws: str) -> Code:
    """The signed receipt itself after `#`, which no server is sent; the page alone when it is too long for a phone to read."""
    whole = f"{address}#{jws}"
    if len(whole) > MOST:
        return Code(address, f"Quiconque reçoit le compte rendu signé peut le vérifier sur {address}.")
    return Code(
        whole,
        f"Quiconque reçoit ce document peut le vérifier sur {address}. Ce code contient le compte rendu signé : un téléphone qui le lit "
        "ouvre la page, déjà remplie.",
    )


def paper(what: Mapping[str, Any], jws: str) -> Paper:
    """The same, to print."""
    chosen = (Heading("Services choisis"), Facts(tuple(openings(what)))) if what["services"] else ()
    return Paper(
        TITLE,
        blocks=(
            Paragraph("Ce document atteste l'inscription suivante à MAG, l'identité numérique des entreprises. Conservez-le."),
            Facts(tuple(facts(what))),
            *chosen,
            Heading("Preuve"),
            Paragraph(
                f"MAG ({what['iss']}) a signé ce compte rendu, numéro {what['jti']}. Le compte rendu signé se télécharge à la fin de "
                "l'inscription et figure dans le courrier électronique de confirmation."
            ),
            _code(f"{what['iss']}/verifier", jws),
            Paragraph(f"Empreinte SHA-256 du compte rendu signé : {digest(jws)}"),
            Paragraph(f"Empreinte SHA-256 des conditions acceptées : {what['conditions']['sha256']}"),
        ),
    )
