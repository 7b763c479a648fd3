"""Hashes of other systems: their published vectors, what is refused, and that none is kept as it came."""

import pytest

from idp.authentication.legacy_hashes import LegacyHashRefusedError, compute, read
from idp.authentication.passwords import Decoys, Passwords, is_imported, parameters_of
from idp.config import Secret, Settings
from idp.seals import Seals

MADE = Settings(issuer="https://mag.test", secrets=(Secret("essai", bytes(range(32))),), argon2_memory_kib=7168, argon2_time=5)
PASSWORDS = Passwords(MADE, Seals(MADE.secrets))
TYPED = "Motdep12 é"
VECTORS = [
    pytest.param("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", id="bcrypt-openwall"),
    pytest.param("", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", id="bcrypt-openwall-empty"),
    pytest.param(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        id="bcrypt-openwall-72-bytes",
    ),
    pytest.param(TYPED, "$2y$05$CCCCCCCCCCCCCCCCCCCCC.CDbBFaxNum84g/deqKh38GOzezuxGou", id="bcrypt-of-php"),
    pytest.param("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", id="sha256-crypt-specification"),
    pytest.param("Hello world!", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA", id="sha256-crypt-rounds"),
    pytest.param(
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        id="sha512-crypt-specification",
    ),
    pytest.param(
        "motdepasse Été",
        "$6$rounds=1400$anotherlongsalts$YHN13bNhascszt21/m9/ChKcsrZ4SUmoQEhSjQdkGj.kQc7IKVhNwtyX5X3G.agF79D4xvY.1mqdhD5YinB0M/",
        id="sha512-crypt-of-glibc",
    ),
    pytest.param(TYPED, "$pbkdf2-sha256$1500$ak1pjfG.d64VonQuBSAEAA$ovlJQnMLMSVRjVC.Ayut3.l2O7/96GEVkXNvR6cCv6c", id="passlib-sha256"),
    pytest.param(
        TYPED,
        "$pbkdf2-sha512$1500$EcK4l5KSUup9T8m5t3bunQ$d5hZFSRzNlP6KPKzDukSrXOpBBT5/SxtF6WH4BhhRniAPE.8yk77YbA8YRjjgGdLVCiwChc1iFxAlE0gqXyBEQ",
        id="passlib-sha512",
    ),
    pytest.param(TYPED, "$pbkdf2$1500$5XyvdS7F2BvjXAthDAGgVA$1D47FuHX5n.K9iI2qdtnVjPMD8Q", id="passlib-sha1"),
    pytest.param(TYPED, "pbkdf2_sha256$1500$CAlQWrMWhhGf$Jwna2KLFgfPtum6wKYi+jRa5o3M8rA9xXgG6naIo4jE=", id="django-sha256"),
    pytest.param(TYPED, "pbkdf2_sha1$1500$hv7aGU4UpvkL$H3PnZunsUE9IzHjRELpvFMU8HUc=", id="django-sha1"),
]


@pytest.mark.parametrize(("password", "encoded"), VECTORS)
def test_what_another_system_kept_is_computed_again(password, encoded):
    legacy = read(encoded)

    assert compute(legacy.recipe, password) == legacy.outcome
    assert compute(legacy.recipe, f"{password[:20]}x") != legacy.outcome


@pytest.mark.parametrize(("password", "encoded"), VECTORS)
def test_an_imported_hash_is_wrapped_and_opens_to_its_password_alone(password, encoded):
    legacy = read(encoded)
    stored = PASSWORDS.wrap(legacy)

    assert encoded not in stored.hash
    assert legacy.outcome.decode("latin-1") not in stored.hash
    assert len(stored.hash) <= 255
    assert is_imported(stored.hash)
    assert PASSWORDS.needs_rehash(stored)
    assert PASSWORDS.verify(stored, password)
    assert not PASSWORDS.verify(stored, "un autre mot de passe")
    assert not PASSWORDS.verify(stored, legacy.outcome.decode("latin-1")[:128]), "the hash is not the password"


def test_an_accent_of_an_old_system_is_read_as_it_wrote_it():
    encoded = read("$2y$05$CCCCCCCCCCCCCCCCCCCCC.CDbBFaxNum84g/deqKh38GOzezuxGou", "latin-1").recipe
    outcome = compute("$2y$05$CCCCCCCCCCCCCCCCCCCCC.", "Motdep12 \u00c3\u00a9".encode("latin-1").decode())

    assert compute(encoded, "Motdep12 \u00c3\u00a9") == outcome, "two characters of Latin-1 are the two bytes of é in UTF-8"
    assert compute(encoded, "mot€") != compute(encoded, "mot?")


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param("", id="nothing"),
        pytest.param("motdepasse", id="a-password"),
        pytest.param("5f4dcc3b5aa765d61d8327deb882cf99", id="md5"),
        pytest.param("$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1", id="md5-crypt"),
        pytest.param("$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", id="bcrypt-with-the-sign-bug"),
        pytest.param("$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", id="bcrypt-too-dear"),
        pytest.param("pbkdf2_sha256$999999999$salt$Jwna2KLFgfPtum6wKYi+jRa5o3M8rA9xXgG6naIo4jE=", id="pbkdf2-too-dear"),
        pytest.param("pbkdf2_sha256$1$salt$Jwna2KLFgfPtum6wKYi+jRa5o3M8rA9xXgG6naIo4jE=", id="pbkdf2-too-cheap"),
        pytest.param("pbkdf2_sha256$1500$salt$Jwna", id="pbkdf2-cut-short"),
        pytest.param("pbkdf2_sha256$1500$sa|lt$Jwna2KLFgfPtum6wKYi+jRa5o3M8rA9xXgG6naIo4jE=", id="salt-with-our-mark"),
        pytest.param("$6$rounds=999999999$saltstring$" + "x" * 86, id="sha-crypt-too-dear"),
        pytest.param("$6$saltstring$xxxx", id="sha-crypt-cut-short"),
        pytest.param("$argon2id$v=19$m=65536,t=3,p=4$c2Vs$aGFzaA", id="argon2"),
        pytest.param("$pbkdf2-sha256$1500$" + "a" * 500 + "$x", id="endless-salt"),
    ],
)
def test_what_is_no_password_hash_or_costs_too_much_is_refused(encoded):
    with pytest.raises(LegacyHashRefusedError) as refused:
        read(encoded)

    assert refused.value.public.endswith(".")


@pytest.mark.parametrize(("password", "encoded"), VECTORS)
def test_C34_the_decoy_of_an_imported_hash_costs_as_much(password, encoded):
    stored = PASSWORDS.wrap(read(encoded))
    decoy = Decoys(PASSWORDS, lambda: [stored.hash]).of(b"somebody")

    assert parameters_of(decoy.hash) == parameters_of(stored.hash)
    assert decoy.hash.startswith(read(encoded).recipe)
    assert not PASSWORDS.verify(decoy, password)
