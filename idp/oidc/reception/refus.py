"""What an operator may not declare of a transmitter, nor demand of it."""

from idp.errors import RefusedError


class EmetteurRefuseError(RefusedError):
    """The message says why, in French."""

    code = "emetteur_refuse"
    number = "M600501"
    remedy = "Exploitant : la phrase affichée dit quoi corriger."

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, public=sentence)
