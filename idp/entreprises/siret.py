"""SIRET and SIREN: 14 and 9 ASCII digits whose check key holds, as types.

Implements the key of ISO/IEC 7812-1 annex B (Luhn) and INSEE's exception for La Poste. A value is text, so it prints, sorts and
travels in JSON with its leading zeros; `int()` gives what the database stores. Left out on purpose: whether the number was
ever given to anybody, which `models.Etablissement` knows.
"""

import unicodedata
from typing import ClassVar, Self

from idp.errors import RefusedError

LA_POSTE = "356000000"
LONGEST_INPUT = 200
"""Characters; more than any sentence around a number that somebody pastes."""
SMALLEST_SIREN = 10_000
"""ours: below, a SIRET would be mistaken for a SIREN once both are integers. No company bears such a number."""
DOUBLED = str.maketrans("0123456789", "0246813579")
"""Each digit doubled, then its own digits added."""


class InvalidSirenError(RefusedError):
    """What was typed is not a SIREN."""

    code = "siren_invalide"
    number = "M100002"
    remedy = "Vérifiez les 9 chiffres du SIREN."
    public = "Ce SIREN n'est pas valable. Vérifiez ses 9 chiffres."


class InvalidSiretError(RefusedError):
    """What was typed is not a SIRET."""

    code = "siret_invalide"
    number = "M100001"
    remedy = "Vérifiez les 14 chiffres du SIRET."
    public = "Ce SIRET n'est pas valable. Vérifiez ses 14 chiffres."


def digit_sum(digits: str) -> int:
    """Sum of ASCII digits."""
    return sum(digits.encode()) - 48 * len(digits)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B: every second digit from the right is doubled; the sum is a multiple of 10."""
    return digit_sum(digits[::-2] + digits[-2::-2].translate(DOUBLED)) % 10 == 0


def is_siren(digits: str) -> bool:
    return luhn(digits) and int(digits) >= SMALLEST_SIREN


def is_siret(digits: str) -> bool:
    """La Poste has more establishments than Luhn keys: there, digits that add up to a multiple of 5 will do too."""
    return is_siren(digits[:9]) and (luhn(digits) or (digits.startswith(LA_POSTE) and digit_sum(digits) % 5 == 0))


def typed_digits(unverified_text: str) -> str | None:
    """The ASCII digits among what was typed or pasted, labels and separators dropped; None when it holds digits of another script."""
    text = unicodedata.normalize("NFKC", unverified_text[:LONGEST_INPUT])
    digits = "".join(filter(str.isdigit, text))
    return digits if digits.isascii() else None


class _Number(str):
    """Digits that were checked. Made by `parse` from what people write, by `of` from what the database stores."""

    __slots__ = ()
    NAME: ClassVar[str]
    LENGTH: ClassVar[int]
    ERROR: ClassVar[type[RefusedError]]

    def __new__(cls, digits: str) -> Self:
        """Exactly the digits. Raises InvalidSiretError or InvalidSirenError."""
        if len(digits) != cls.LENGTH or not (digits.isascii() and digits.isdigit()):
            raise cls.ERROR(f"{cls.NAME}: {cls.LENGTH} digits expected")
        if not cls.holds(digits):
            public = f"Ce {cls.NAME} n'est pas valable : sa clé de contrôle est fausse. Vérifiez chaque chiffre."
            raise cls.ERROR(f"{cls.NAME}: wrong key", public=public)
        return str.__new__(cls, digits)

    @classmethod
    def holds(cls, digits: str) -> bool:
        raise NotImplementedError

    @classmethod
    def of(cls, number: int) -> Self:
        """From the integer that the database keeps, checked when it was stored: leading zeros come back. ValueError when too long."""
        digits = f"{number:0{cls.LENGTH}d}"
        if number < 0 or len(digits) != cls.LENGTH:
            raise ValueError(f"not a {cls.NAME}: {number}")
        return str.__new__(cls, digits)

    @classmethod
    def parse(cls, unverified_text: str) -> Self:
        """From what people paste. Raises InvalidSiretError or InvalidSirenError, whose `public` says how many digits there were."""
        digits = typed_digits(unverified_text)
        if digits is None or len(unverified_text) > LONGEST_INPUT:
            public = f"Saisissez seulement les {cls.LENGTH} chiffres du {cls.NAME}."
            raise cls.ERROR(f"{cls.NAME}: not ASCII digits, or too long", public=public)
        if len(digits) != cls.LENGTH:
            raise cls.ERROR(f"{cls.NAME}: {len(digits)} digits", public=cls.miscounted(len(digits)))
        return cls(digits)

    @classmethod
    def miscounted(cls, count: int) -> str:
        """The sentence for a wrong number of digits."""
        if count == 0:
            return f"Saisissez les {cls.LENGTH} chiffres du {cls.NAME}."
        return f"Le {cls.NAME} compte {cls.LENGTH} chiffres ; vous en avez saisi {count}."


class Siren(_Number):
    """A company: 9 digits."""

    __slots__ = ()
    NAME, LENGTH, ERROR = "SIREN", 9, InvalidSirenError

    @classmethod
    def holds(cls, digits: str) -> bool:
        return is_siren(digits)

    @property
    def grouped(self) -> str:
        """As people read it: `732 829 320`."""
        return f"{self[:3]} {self[3:6]} {self[6:]}"

    @property
    def sirets(self) -> range:
        """The integers of all the SIRETs that the company has or may have."""
        first = int(self) * 100_000
        return range(first, first + 100_000)


class Siret(_Number):
    """An establishment: the SIREN of its company, then the five digits of the NIC."""

    __slots__ = ()
    NAME, LENGTH, ERROR = "SIRET", 14, InvalidSiretError

    @classmethod
    def holds(cls, digits: str) -> bool:
        return is_siret(digits)

    @classmethod
    def miscounted(cls, count: int) -> str:
        if count == Siren.LENGTH:
            return "Le SIRET compte 14 chiffres ; vous en avez saisi 9, ceux d'un SIREN. Ajoutez les 5 chiffres de l'établissement."
        return super().miscounted(count)

    @property
    def siren(self) -> Siren:
        return Siren.of(int(self) // 100_000)

    @property
    def nic(self) -> str:
        """The establishment within its company: 5 digits."""
        return str(self[9:])

    @property
    def grouped(self) -> str:
        """As people read it: `732 829 320 00074`."""
        return f"{self.siren.grouped} {self.nic}"
