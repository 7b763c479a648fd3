"""docs/profils.md says what the profiles are: it is written from them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from idp.oidc.profiles import PROFILES
from partners import profile_table
from partners.commands import partenaires

DOCUMENT = Path(__file__).parents[2] / "docs" / "profils.md"


def test_the_document_is_the_one_the_profiles_write() -> None:
    """After a change: `mag partenaires profils --markdown > docs/profils.md`."""
    assert DOCUMENT.read_text("utf-8") == profile_table.markdown()


def test_the_command_writes_it() -> None:
    assert CliRunner().invoke(partenaires, ["profils", "--markdown"]).output == profile_table.markdown()


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_is_told(name: str) -> None:
    assert PROFILES[name].says in CliRunner().invoke(partenaires, ["profils"]).output
    assert f"| `{name}` |" in profile_table.markdown()
