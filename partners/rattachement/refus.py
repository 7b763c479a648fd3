"""Why two accounts are not linked, or why one does not lead to the other: what the page says, and what to do next."""

from idp.errors import RefusedError


class DemandeRefuseeError(RefusedError):
    """What the partner signed is not acceptable; the journal says why."""

    code = "rattachement_demande"
    number = "M600701"
    remedy = (
        "Revenez au site d'où vous venez et recommencez. Partenaire : la trace dit quelle règle n'est pas tenue (docs/interoperabilite.md)."
    )
    title = "Demande refusée"
    public = (
        "Le site d'où vous venez a envoyé une demande que MAG ne peut pas accepter : elle est trop ancienne, elle ne vient pas de lui, ou "
        "elle n'est pas faite comme convenu. Revenez sur ce site et recommencez."
    )


class DemandeDejaServieError(RefusedError):
    """Its `jti` came before."""

    code = "rattachement_rejeu"
    number = "M600702"
    remedy = "Revenez au site d'où vous venez et recommencez depuis sa page."
    status = 409
    title = "Demande déjà utilisée"
    public = "Cette demande a déjà servi : elle n'est valable qu'une fois. Revenez au site d'où vous venez et recommencez depuis sa page."


class PartenaireSansAccordError(RefusedError):
    """No such partner, or none with which accounts are linked: unknown, revoked, or without an agreement."""

    code = "rattachement_partenaire"
    number = "M600703"
    remedy = "Personne : connectez-vous avec votre SIRET. Exploitant : voyez l'accord du partenaire (linking_return_uris, linking_max_acr)."
    status = 403
    title = "Partenaire non autorisé"
    public = (
        "Ce site n'a pas, ou n'a plus, d'accord avec MAG pour relier des comptes. Vous pouvez toujours vous connecter avec votre SIRET, "
        "votre nom, votre prénom et votre mot de passe."
    )


class RetourInconnuError(RefusedError):
    """An address that the partner did not register."""

    code = "rattachement_retour"
    number = "M600704"
    remedy = "Partenaire : faites inscrire l'adresse de retour dans « linking_return_uris »."
    title = "Adresse de retour inconnue"
    public = "Le site d'où vous venez veut vous ramener à une adresse qu'il n'a pas déclarée. MAG ne continue pas. Prévenez son assistance."


class PropositionFinieError(RefusedError):
    """Too late, of another browser, of another person, or answered already."""

    code = "rattachement_fini"
    number = "M600705"
    remedy = "Recommencez depuis « Mon compte », « Mes portails », ou depuis le site du partenaire."
    status = 409
    title = "Association à recommencer"
    public = (
        "Cette association n'est plus en cours dans ce navigateur : elle a expiré, ou vous y avez déjà répondu. Recommencez depuis « Mes "
        "portails », ou depuis le site du partenaire."
    )


class DejaRattacheError(RefusedError):
    """One of the accounts is linked already."""

    code = "rattachement_existant"
    number = "M600706"
    remedy = "Déliez d'abord l'association en place, depuis « Mes portails »."
    status = 409
    title = "Compte déjà associé"
    public = (
        "L'un de ces deux comptes est déjà associé. Pour en changer, ouvrez « Mes portails » avec l'identité concernée, déliez "
        "l'association en place, puis recommencez."
    )


class PreuveAncienneError(RefusedError):
    """The partner did not just ask who it is, and cannot be asked."""

    code = "rattachement_preuve"
    number = "M600707"
    remedy = "Reconnectez-vous sur le site du partenaire, puis recommencez. Partenaire : « auth_time » doit dater de cinq minutes au plus."
    title = "Connexion trop ancienne"

    def __init__(self, reason: str, nom: str) -> None:
        super().__init__(
            reason,
            public=f"Pour associer deux comptes, il faut venir de se connecter à chacun. Reconnectez-vous à « {nom} », puis recommencez "
            "depuis sa page.",
        )


class AutreCompteError(RefusedError):
    """The partner's provider answered about another account."""

    code = "rattachement_autre_compte"
    number = "M600708"
    remedy = "Connectez-vous au partenaire avec le compte d'où vous êtes parti, puis recommencez."
    status = 409
    title = "Un autre compte a répondu"

    def __init__(self, reason: str, nom: str) -> None:
        super().__init__(
            reason,
            public=f"Vous êtes parti d'un compte de « {nom} », et c'est un autre qui vient de se connecter. Rien n'est associé : "
            "recommencez avec le bon compte.",
        )


class NonRattacheError(RefusedError):
    """Nobody of MAG holds this account of the partner's."""

    code = "navigation_non_rattache"
    number = "M600709"
    remedy = "Associez d'abord les deux comptes : « Mes portails », dans « Mon compte »."
    status = 403
    title = "Comptes non associés"

    def __init__(self, reason: str, nom: str) -> None:
        super().__init__(
            reason,
            public=f"Votre compte de « {nom} » n'est associé à aucune identité de MAG, ou il ne l'est plus. Connectez-vous à MAG, puis "
            "associez-les depuis « Mes portails » : ensuite, vous passerez de l'un à l'autre sans mot de passe.",
        )


class IdentiteFermeeError(RefusedError):
    """The identity may no longer enter, or not this way."""

    code = "navigation_identite"
    number = "M600710"
    remedy = "Adressez-vous à un administrateur de votre établissement ou à l'assistance."
    status = 403
    title = "Identité non disponible"
    public = (
        "L'identité de MAG associée à ce compte ne peut pas être ouverte ainsi. Connectez-vous avec votre mot de passe ; si cela ne suffit "
        "pas, adressez-vous à un administrateur de votre établissement ou à l'assistance."
    )


class ConnexionAncienneError(RefusedError):
    """The partner vouches for a sign-in that is too old."""

    code = "navigation_ancienne"
    number = "M600711"
    remedy = "Reconnectez-vous sur le site du partenaire. Partenaire : « auth_time » doit dater de moins de huit heures."
    title = "Connexion trop ancienne"
    public = "Le site d'où vous venez vous a reconnu il y a trop longtemps. Reconnectez-vous sur ce site, ou connectez-vous à MAG."


class DestinationInconnueError(RefusedError):
    """`vers` is no page of MAG's."""

    code = "navigation_destination"
    number = "M600712"
    remedy = "Partenaire : « vers » est le chemin d'une page de MAG, tel que /charte/dsn."
    title = "Page inconnue"
    public = "Le site d'où vous venez veut vous mener à une page que MAG n'a pas. Revenez sur ce site, ou ouvrez l'accueil de MAG."


class TropDeNavigationsError(RefusedError):
    """Too many attempts from one address."""

    code = "navigation_trop"
    number = "M600713"
    remedy = "Attendez une minute, puis recommencez."
    status = 429
    title = "Trop de tentatives"
    public = "Trop de demandes viennent de votre réseau en ce moment. Attendez une minute, puis recommencez."
    retry_after = 60


class ConditionsAttenduesError(RefusedError):
    """Newer conditions of use wait for the person, whom nothing at the token endpoint can ask."""

    code = "navigation_conditions"
    number = "M600714"
    remedy = "Partenaire : conduisez la personne à MAG par son navigateur, elle y acceptera les conditions d'utilisation."
    status = 403
    title = "Conditions à accepter"
    public = "De nouvelles conditions d'utilisation vous attendent à MAG. Connectez-vous, lisez-les, puis revenez à ce site."


class NonConsentiError(RefusedError):
    """The person did not agree that the partner learns so much, or withdrew it."""

    code = "navigation_accord"
    number = "M600715"
    remedy = "Partenaire : demandez moins de portées, ou conduisez la personne à MAG par une connexion OpenID Connect."
    status = 403
    title = "Accord manquant"
    public = "Vous n'avez pas donné votre accord pour que ce site apprenne autant de vous. Connectez-vous à MAG pour en décider."


class NiveauInsuffisantError(RefusedError):
    """A rule of MAG's asks for two factors, which the partner's word does not bring."""

    code = "navigation_niveau"
    number = "M600716"
    remedy = "Partenaire : conduisez la personne à MAG par une connexion OpenID Connect, elle y donnera un second facteur."
    status = 403
    title = "Second facteur demandé"
    public = "Ce que ce site demande est protégé par un second facteur. Connectez-vous à MAG pour le donner."
