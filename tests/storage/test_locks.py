"""The contract of locks: one holder, between threads and processes, and none after a death."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from openshelf.errors import Unavailable
from openshelf.storage.locks import Locks
from tests.storage.backends import LOCKS

_HOLDER = """
import sys, time
from pathlib import Path
from openshelf.storage.locks import DiskLocks
with DiskLocks(Path(sys.argv[1])).hold("a"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=sorted(LOCKS))
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Locks:
    return LOCKS[request.param](tmp_path)


def test_threads_take_turns(locks: Locks) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locks.hold("a"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_names_are_independent(locks: Locks) -> None:
    with locks.hold("a"), locks.hold("b/c", timeout=0.1):
        pass


def test_waiting_ends(locks: Locks) -> None:
    with locks.hold("a"), pytest.raises(Unavailable, match="working on a"), locks.hold("a", timeout=0.05):
        pass
    with locks.hold("a", timeout=0.05):
        pass


def test_trying(locks: Locks) -> None:
    with locks.try_hold("a") as first, locks.try_hold("a") as second:
        assert (first, second) == (True, False)
    with locks.try_hold("a") as again:
        assert again


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    locks = LOCKS["disk"](tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path / "locks")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with locks.try_hold("a") as held:
        assert not held
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with locks.hold("a", timeout=5):
        pass
