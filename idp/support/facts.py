"""The facts of the journal in French, for operators: one sentence a kind. Kinds that are not here show their own name."""

WORDS = {
    "DeclarantInscribed": "Inscription",
    "DeclarantChanged": "Changement de statut ou de rôle",
    "DeclarantErased": "Effacement de l'identité",
    "CardContested": "Fiche de l'établissement dite fausse",
    "ControlsRun": "Contrôles passés",
    "ControlsSettled": "Vérification réglée par un opérateur",
    "RepresentantAsked": "Accord d'un représentant légal demandé",
    "RepresentantAnswered": "Réponse d'un représentant légal",
    "InscriptionConfirmed": "Inscription confirmée par le lien du courrier",
    "ConnexionOpened": "Connexion",
    "ConnexionRefused": "Connexion refusée",
    "ConnexionBraked": "Connexion freinée",
    "DeviceAdmitted": "Appareil admis par le lien du courrier",
    "SessionClosed": "Session fermée",
    "SessionsClosed": "Toutes les sessions fermées",
    "BrakeLifted": "Frein levé",
    "PasswordChanged": "Mot de passe changé",
    "PasswordRecovered": "Mot de passe retrouvé",
    "RecoveryAsked": "Recours demandé",
    "RecoveryAgreed": "Recours : accord",
    "RecoveryRefused": "Recours refusé ou arrêté",
    "RecoveryFailed": "Recours : échec",
    "RecoveryLinkSent": "Recours : lien envoyé",
    "FactorAdded": "Second facteur ajouté",
    "FactorRemoved": "Second facteur retiré",
    "FactorLossAsked": "Second facteur déclaré perdu",
    "FactorLossAgreed": "Second facteur perdu : accord",
    "FactorLossClosed": "Second facteur perdu : demande terminée",
    "RecoveryCodeUsed": "Code de secours utilisé",
    "HabilitationOpened": "Droits donnés",
    "HabilitationClosed": "Droits retirés",
    "ConsentGiven": "Accord donné à un portail",
    "ConsentRefused": "Accord refusé à un portail",
    "ConsentWithdrawn": "Accord retiré à un portail",
    "TokenRevoked": "Jetons rendus par un portail",
    "SignalReceived": "Signal reçu d'un partenaire",
    "PersonConsulted": "Dossier lu par un opérateur",
}


def told(kind: str) -> str:
    return WORDS.get(kind, kind)


OURS = {"temps": "MAG, à l'échéance", "commande": "un exploitant", "controles": "les contrôles", "cle": "la clé postée"}


def by(actor: str | None, kind: str) -> str:
    """Who did it; without an actor, the person themselves, but for what MAG does alone."""
    if actor is None:
        return "les contrôles" if kind == "ControlsRun" else "la personne"
    room, _, name = actor.partition(":")
    return {"representant": "le représentant légal", "operateur": f"opérateur {name}", "declarant": f"déclarant n° {name}"}.get(
        room
    ) or OURS.get(actor, actor)
