"""What is published comes from the sources: built again with the same esbuild, it is the same to the byte (W13)."""

from pathlib import Path

import pytest

from widget.publication import SOURCES, built
from widget.releases import FOLDER, releases

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def esbuild(installed) -> Path:
    """The one that widget/package-lock.json pins."""
    return installed(SOURCES) / ".bin" / "esbuild"


def test_w13_the_sources_give_the_committed_bytes(esbuild):
    latest = releases()[0]

    assert built(esbuild) == {name: (FOLDER / latest.version / name).read_bytes() for name in latest.files}
