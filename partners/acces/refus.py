"""Why a link of `/acces` leads nowhere: what the page says, and what to do next."""

from idp.errors import RefusedError


class LienInconnuError(RefusedError):
    """No such partner, or a signature that is not ours."""

    code = "lien_inconnu"
    number = "M600101"
    remedy = "Copiez le lien en entier depuis le courrier reçu ; sinon, demandez-en un autre au site qui l'a envoyé."
    status = 404
    title = "Lien inconnu"
    public = (
        "Ce lien n'est pas de MAG, ou il a été coupé. Copiez-le en entier depuis le message reçu ; sinon, demandez-en un autre au site "
        "qui vous l'a envoyé."
    )


class RessourceIllisibleError(RefusedError):
    """No resource, or one that could be read in two ways."""

    code = "ressource_illisible"
    number = "M600102"
    remedy = "Partenaire : donnez dans « ressource » une adresse complète, en https, sans « .. », sans « # » ni barre oblique codée."
    title = "Lien incomplet"
    public = "Ce lien ne dit pas clairement où aller. Copiez-le en entier depuis le message reçu, ou prévenez le site qui vous l'a envoyé."


class RessourceEtrangereError(RefusedError):
    """An address that the partner did not register."""

    code = "ressource_etrangere"
    number = "M600103"
    remedy = "Personne : n'allez pas plus loin. Partenaire : faites inscrire cette adresse dans « link_prefixes »."
    status = 403
    title = "Adresse refusée"

    def __init__(self, reason: str, nom: str) -> None:
        public = (
            f"Ce lien se présente au nom de « {nom} », mais il mène à une adresse que ce partenaire n'a pas déclarée. MAG ne vous y "
            "conduit pas. Si vous l'avez reçu par courrier, méfiez-vous : il peut s'agir d'un hameçonnage."
        )
        super().__init__(reason, public=public)


class LienFiniError(RefusedError):
    """Too old, or withdrawn by the partner."""

    code = "lien_fini"
    number = "M600104"
    remedy = "Demandez un nouveau lien au site qui l'a envoyé, ou allez-y directement."
    status = 410
    title = "Lien expiré"

    def __init__(self, reason: str, nom: str) -> None:
        super().__init__(
            reason,
            public=f"Ce lien n'est plus valable : « {nom} » lui avait fixé une échéance, ou l'a retiré. Demandez-lui un nouveau lien.",
        )


class LienUtiliseError(RefusedError):
    """It leads one person once, and did."""

    code = "lien_utilise"
    number = "M600105"
    remedy = "Demandez un nouveau lien au site qui l'a envoyé : celui-ci ne servait qu'une fois."
    status = 410
    title = "Lien déjà utilisé"

    def __init__(self, reason: str, nom: str) -> None:
        super().__init__(reason, public=f"Ce lien ne servait qu'une fois, et il a déjà servi. Demandez-en un autre à « {nom} ».")
