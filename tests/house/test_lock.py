"""The locks: everything that setup.cfg asks for is pinned with its hash, and nothing tells where it was made."""

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCTION = ("postgresql",)
EVERYTHING = ("postgresql", "demo", "test", "lint")


def asked(extras: tuple[str, ...]) -> set[str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    lines = [setup["options"]["install_requires"], *(setup["options.extras_require"][extra] for extra in extras)]
    return {normal(line) for line in "\n".join(lines).split("\n") if line.strip()}


def normal(requirement: str) -> str:
    """The name of a requirement, as PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement.strip(), maxsplit=1)[0]).lower()


def pinned(lock: str) -> dict[str, str]:
    """Name of each pinned distribution, and the lines that follow it."""
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / lock).read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {normal(entry): entry for entry in entries}


@pytest.mark.parametrize(("lock", "extras"), [("requirements.lock", EVERYTHING), ("requirements-production.lock", PRODUCTION)])
def test_everything_asked_is_pinned_with_its_hash(lock, extras):
    found = pinned(lock)

    assert asked(extras) | {"setuptools"} <= set(found)
    assert [name for name, entry in found.items() if not re.search(r"^\S+==\S+ \\\n\s+--hash=sha256:[0-9a-f]{64}", entry)] == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-production.lock"])
def test_a_lock_tells_neither_a_host_nor_a_path(lock):
    text = (ROOT / lock).read_text("utf-8")

    assert re.findall(r"https?:|--index-url|--find-links|(?<=\s)/\S+", text) == []


def test_both_locks_pin_the_same_versions():
    complete, production = pinned("requirements.lock"), pinned("requirements-production.lock")

    assert {name: entry.split()[0] for name, entry in production.items()} == {name: complete[name].split()[0] for name in production}


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-production.lock"])
def test_a_lock_serves_the_python_of_debian_12(lock):
    """Python 3.11.2: before 3.11.3, redis asks for async-timeout."""
    assert "async-timeout" in pinned(lock)
