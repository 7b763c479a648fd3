"""How `mag serve` asks the system to share the processor between the threads of a worker."""

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.commands import _in_turn
from tests import services
from tests.conftest import Backend

if sys.platform != "linux":
    pytest.skip("other systems have no such policies", allow_module_level=True)
SERVE = (sys.executable, "-c", "from wsgi import command_line; command_line()", "serve", "--workers", "1", "--port")
ROOT = str(Path(__file__).parent.parent.parent)
POLICIES = {"as it comes": (("chrt", "--other", "0"), os.SCHED_BATCH), "as an operator chose": (("chrt", "--idle", "0"), os.SCHED_IDLE)}
"""Begun under the ordinary one, but for the second."""


def policies_under(process: int) -> Iterator[int]:
    """Of each thread of a process and of those that it started."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        yield os.sched_getscheduler(int(thread.name))
        for child in (thread / "children").read_text().split():
            yield from policies_under(int(child))


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("before", "policy"), POLICIES.values(), ids=POLICIES)
def test_a_thread_that_wakes_waits_for_the_one_that_runs(backend: Backend, tmp_path: Path, before: tuple[str, ...], policy: int):
    port = services.free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAG_")}
    environment = {**inherited, "PYTHONPATH": ROOT, **backend.environ(), "MAG_ISSUER": f"http://127.0.0.1:{port}"}
    server = services.Server([*before, *SERVE, str(port)], port, environment=environment, folder=tmp_path)
    try:
        found = list(policies_under(server.process.pid))
    finally:
        server.stop()

    assert len(found) > 2, "the first process, its worker and their threads"
    assert set(found) == {policy}


@pytest.mark.parametrize("call", ["sched_getscheduler", "sched_setscheduler"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOSYS], ids=errno.errorcode.get)
def test_a_system_that_refuses_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, call: str, number: int):
    asked = []

    def refuse(*_: object) -> None:
        asked.append(call)
        raise OSError(number, "refused")

    monkeypatch.setattr(os, "sched_getscheduler", lambda _: os.SCHED_OTHER)
    monkeypatch.setattr(os, call, refuse)
    _in_turn()

    assert asked == [call]
