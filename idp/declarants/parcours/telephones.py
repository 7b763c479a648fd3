"""Phone numbers as people write them, and as MAG keeps them: internationally, `+33 1 23 45 67 89` (fact 12).

A number without `+` is read as those of the place of the establishment are: overseas departments have codes of their own.
"""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from idp.errors import RefusedError

LONGEST = 40
"""Characters typed."""
OVERSEAS = {
    "971": "GP",
    "972": "MQ",
    "973": "GF",
    "974": "RE",
    "975": "PM",
    "976": "YT",
    "977": "BL",
    "978": "MF",
    "987": "PF",
    "988": "NC",
}
"""First digits of a postal code, and the region whose numbers are written without `+` there."""
MOBILES = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.PERSONAL_NUMBER)


class InvalidPhoneError(RefusedError):
    """Not a number that can be called."""

    code = "telephone_invalide"
    number = "M200401"
    remedy = "Corrigez le numéro de téléphone."
    status = 422
    public = "Ce numéro n'est pas valable. Écrivez ses 10 chiffres (01 23 45 67 89), ou commencez par + et l'indicatif du pays."


def region_of(code_postal: str | None) -> str:
    """Where a number without `+` is dialled from."""
    return OVERSEAS.get((code_postal or "")[:3], "FR")


def read(unverified_text: str, region: str = "FR", *, mobile: bool = False) -> str:
    """The number, written internationally. Raises InvalidPhoneError; with `mobile`, for a landline too."""
    try:
        number = phonenumbers.parse(unverified_text[:LONGEST], region)
    except NumberParseException as error:
        raise InvalidPhoneError(str(error.error_type)) from None
    if len(unverified_text) > LONGEST or not phonenumbers.is_valid_number(number) or number.extension:
        raise InvalidPhoneError("not valid")
    if mobile and phonenumbers.number_type(number) not in MOBILES:
        raise InvalidPhoneError("a landline", public="Ce numéro n'est pas celui d'un portable. Sans portable, laissez ce champ vide.")
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
