"""Settings: what prevents MAG from starting names the setting."""

import pytest

from idp.config import Settings
from idp.errors import SettingError
from idp.seals import new_secret


def load(**settings: str) -> Settings:
    return Settings.load({"MAG_ISSUER": "https://mag.test", "MAG_SECRETS": new_secret(), **settings})


@pytest.mark.parametrize(
    "identities",
    [
        pytest.param("73282932000074;Lefèvre;Claire", id="other-separator"),
        pytest.param("73282932000074|Lefèvre", id="no-prenom"),
        pytest.param("73282932000074|Lefèvre|Claire|1", id="one-too-many"),
        pytest.param("73282932000074|Lefèvre|Claire,732829320|Lefèvre|Claire", id="a-siren"),
        pytest.param("7328293200007x|Lefèvre|Claire", id="not-digits"),
        pytest.param("73282932000074|Lefèvre| ", id="blank-prenom"),
    ],
)
def test_a_malformed_test_identity_prevents_the_start(identities):
    with pytest.raises(SettingError, match="MAG_TEST_IDENTITIES"):
        load(MAG_TEST_IDENTITIES=identities)


def test_test_identities_may_be_written_with_spaces():
    assert len(load(MAG_TEST_IDENTITIES="732 829 320 00074|Lefèvre|Claire, 73282932000074|Martin|Jean").test_identities) == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"MAG_SECRETS": ""}, "MAG_SECRETS is missing", id="C75-no-secret"),
        pytest.param({"MAG_SECRETS": "a:c2hvcnQ"}, "32 bytes or more", id="C75-short"),
        pytest.param({"MAG_SECRETS": "changeme"}, "MAG_SECRETS must be", id="C75-a-word"),
        pytest.param({"MAG_SECRETS": "a:" + "A" * 43}, "not random", id="C75-default"),
        pytest.param({"MAG_ISSUER": ""}, "MAG_ISSUER is missing", id="C75-no-issuer"),
        pytest.param({"MAG_ISSUER": "http://mag.exemple.fr"}, "must be https", id="C75-http"),
        pytest.param({"MAG_DEBUG": "1"}, "MAG_DEBUG is not a setting", id="C75-debug"),
    ],
)
def test_what_is_not_safe_prevents_the_start_in_one_line(changes, says):
    with pytest.raises(SettingError, match=says) as refused:
        load(**changes)
    assert "\n" not in str(refused.value)
