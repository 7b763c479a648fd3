"""The terms of an agreement, as the database keeps them."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from idp.habilitations.droits import Droit
from idp.habilitations.pagm import Convention, Pagm, Possession, Reaction


def dump(convention: Convention) -> dict[str, Any]:
    """The terms, for the database: everything but the parties and the dates."""
    return {
        "objet": convention.objet,
        "clients": sorted(convention.clients),
        "audiences": sorted(convention.audiences),
        "pagm": [[one.urn, one.service, str(one.droit) if one.droit else ""] for one in convention.pagm],
        "possession": str(convention.possession),
        "duree": convention.duree,
        "usage_unique": convention.usage_unique,
        "jeton_acteur": convention.jeton_acteur,
        "emprunt": convention.emprunt,
        "mandataire": convention.mandataire,
        "suspicion": str(convention.suspicion),
        "signaux": convention.signaux,
    }


def load(code: str, client: str, fournisseur: str, du: date, au: date, termes: Mapping[str, Any], *, cessee: bool) -> Convention:
    """What `dump` wrote."""
    return Convention(
        code=code,
        client=client,
        fournisseur=fournisseur,
        du=du,
        au=au,
        cessee=cessee,
        objet=termes["objet"],
        clients=frozenset(termes["clients"]),
        audiences=frozenset(termes["audiences"]),
        pagm=tuple(Pagm(urn, service, Droit(droit) if droit else None) for urn, service, droit in termes["pagm"]),
        possession=Possession(termes["possession"]),
        duree=termes["duree"],
        usage_unique=termes["usage_unique"],
        jeton_acteur=termes["jeton_acteur"],
        emprunt=termes["emprunt"],
        mandataire=termes["mandataire"],
        suspicion=Reaction(termes["suspicion"]),
        signaux=termes.get("signaux", False),
    )
