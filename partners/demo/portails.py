"""The settings files of the portals: what each sells, who it knows, how it speaks to MAG."""

import csv
import json
import re
from typing import Any
from urllib.parse import urlencode

from partners.demo.lieux import Lieux
from partners.demo.population import DATA, JEDECLARE, PASSWORD, description
from partners.demo.secrets import DemoSecrets, write_private

BOTH, DECLARE = ("declarer", "payer"), ("declarer",)
Sold = tuple[tuple[str, str, tuple[str, ...]], ...]
FACILE: dict[str, str] = {
    "nom": "Déclarez facile", "slogan": "Vos déclarations sociales, sans y passer la soirée.", "theme": "facile",
}
FACILE_SERVICES: Sold = (
    ("dsn", "DSN", BOTH), ("dpae", "Embauche (DPAE)", DECLARE), ("aed", "Attestation employeur", DECLARE), ("ducs", "DUCS", BOTH))
ENTREPRISES: dict[str, str] = {
    "nom": "Portail Entreprises", "slogan": "Le compte social de votre entreprise, en un seul endroit.", "theme": "entreprises",
}
ENTREPRISES_SERVICES: Sold = (("dsn", "DSN", BOTH), ("ducs", "DUCS", BOTH), ("c3s", "C3S", BOTH), ("atmp", "Compte AT/MP", DECLARE))
PARTICLES = {"de", "des", "du", "et", "la", "le", "les", "sur"}
SCOPES = "openid profile siret organization_label roles"


def write(lieux: Lieux, secrets: DemoSecrets) -> None:
    """A file each."""
    noms = directory()
    facile = kit("declarez-facile", lieux, lieux.facile, FACILE_SERVICES) | {"client_secret": secrets.client_secret}
    entreprises = kit("portail-entreprises", lieux, lieux.entreprises, ENTREPRISES_SERVICES) | {"private_key": secrets.private_key}
    for name, what, sold, other, key, parameters in (
        ("facile", FACILE, FACILE_SERVICES, (ENTREPRISES["nom"], lieux.entreprises), secrets.facile_key, facile),
        ("portailpro", ENTREPRISES, ENTREPRISES_SERVICES, (FACILE["nom"], lieux.facile), secrets.entreprises_key, entreprises),
    ):
        services = [{"code": code, "libelle": libelle, "actes": actes} for code, libelle, actes in sold]
        settings: dict[str, Any] = {
            **what, "services": services, "noms": noms, "secret_key": key, "sessions": str(lieux.folder / f"{name}.sqlite3"),
            "autre_nom": other[0], "autre_adresse": f"{other[1]}/auth/mag/start?return_to=/espace", "kit": parameters,
            "lien_de_courrier": mail_link(lieux, parameters["client_id"], parameters["base_url"]),
            "avec_comptes": lieux.jedeclare,
        }
        write_private(lieux.portail(name), json.dumps(settings, ensure_ascii=False, indent=1))
    write_private(lieux.portail(JEDECLARE), json.dumps(with_accounts(lieux, secrets), ensure_ascii=False, indent=1))


def with_accounts(lieux: Lieux, secrets: DemoSecrets) -> dict[str, Any]:
    """The portal that people sign in to by themselves, and link to MAG."""
    kit = {"issuer": lieux.issuer, "base_url": lieux.jedeclare, "client_id": JEDECLARE, "scope": "openid profile siret"}
    return {
        "nom": JEDECLARE,
        "origin": lieux.jedeclare,
        "secret_key": secrets.jedeclare_key,
        "liens": str(lieux.folder / "jedeclare-liens.sqlite3"),
        "comptes": [{**compte, "mot_de_passe": PASSWORD} for compte in comptes()],
        "private_key": secrets.jedeclare_private_key,
        "client_secret": secrets.jedeclare_secret,
        "kit": {**kit, "private_key": secrets.jedeclare_private_key},
    }


def comptes() -> list[dict[str, str]]:
    """Accounts of that portal."""
    return list(description()["comptes"])


def kit(client_id: str, lieux: Lieux, origin: str, sold: Sold) -> dict[str, Any]:
    """Parameters of the kit. Pages ask MAG once a minute, acts each time; a sign-out elsewhere is told by MAG at once."""
    scope = " ".join((SCOPES, *(f"habilitations:{code}" for code, _, _ in sold)))
    return {"issuer": lieux.issuer, "base_url": origin, "client_id": client_id, "scope": scope, "recheck": 60, "signals": True}


def mail_link(lieux: Lieux, partenaire: str, origin: str) -> str:
    """To the space of a portal, by way of MAG; the partner and its client have the same name here."""
    return f"{lieux.issuer}/acces/{partenaire}?{urlencode({'ressource': f'{origin}/espace'})}"


def directory() -> dict[str, str]:
    """The customers as the portals know them: names of companies and of establishments, town included."""
    with (DATA / "StockUniteLegale_utf8.csv").open(encoding="utf-8", newline="") as opened:
        noms = {row["siren"]: spoken(row["denominationUniteLegale"]) for row in csv.DictReader(opened)}
    with (DATA / "StockEtablissement_utf8.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    return noms | {row["siret"]: f"{noms[row['siren']]}, {spoken(row['libelleCommuneEtablissement'])}" for row in rows}


def spoken(capitals: str) -> str:
    """`BOULANGERIE DE L'ERDRE` → `Boulangerie de l'Erdre`."""
    words = (word if word in PARTICLES else word.title() for word in re.split(r"([ -])", capitals.lower()))
    text = "".join(word[0].lower() + word[1:] if word.startswith(("L'", "D'")) else word for word in words)
    return text[:1].upper() + text[1:]
