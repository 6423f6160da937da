"""Runs one target on mutations by hypothesis: ``python -m tests.fuzz.mutation_run NAME EXAMPLES FOLDER``.

``FOLDER`` gets what made it fail. Each example may take ``SECONDS_FOR_ONE``, and of memory what its target states and
``_SLACK``, told by the kernel. What hypothesis draws is the seed of ``_BATCH`` inputs: to let it draw every step of the
damage is some twenty times as slow. So a failing input is kept as it is, not made smaller.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections import Counter
from pathlib import Path
from random import Random
from types import FrameType

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.target import Target
from tests.fuzz.targets import target_of

SECONDS_FOR_ONE = 20
_SLACK = 40 << 20
_BATCH = 25
_BATCH_SECONDS = 120


class TooSlow(AssertionError):
    pass


class TooLarge(AssertionError):
    pass


def main() -> int:
    name, examples, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    target = target_of(name)
    seeds = target.seeds()
    for seed in seeds:
        target.run(seed)
    done: Counter[str] = Counter()

    @settings(
        max_examples=-(-examples // _BATCH),
        phases=[Phase.generate],
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**64 - 1))
    def run(number: int) -> None:
        # For compiled code that never comes back, where no signal is heard: the last seed printed is its batch.
        print(f"batch {number}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback_later(_BATCH_SECONDS, exit=True)
        random = Random(number)
        for _ in range(_BATCH):
            data = target.damaged(seeds, random)
            done["inputs"] += 1
            try:
                bounded(target, data)
            except BaseException:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{name}-failed-mutation-{number}").write_bytes(data)
                raise

    try:
        run()
    finally:
        faulthandler.cancel_dump_traceback_later()
        print(f"number_of_executed_units: {done['inputs']}")
        print(f"peak_rss_mb: {_memory()[1] >> 20}", flush=True)
    return 0


def bounded(target: Target, data: bytes) -> None:
    """Runs ``target`` on ``data``. Raises TooSlow, TooLarge, and what it raises."""
    before, peak = _memory()
    signal.signal(signal.SIGALRM, _too_slow)
    signal.setitimer(signal.ITIMER_REAL, SECONDS_FOR_ONE)
    try:
        target.run(data)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    allowed = target.memory + target.per_byte * len(data) + _SLACK
    _, after = _memory()
    if after > peak and after - before > allowed:
        raise TooLarge(f"{len(data)} bytes of input took {after - before:,} bytes of memory; {allowed:,} are allowed")


def _memory() -> tuple[int, int]:
    """Bytes of this process that are in memory, and the most that were (proc(5): VmRSS, VmHWM)."""
    with open("/proc/self/status", "rb") as file:
        held = dict(line.split(b":", 1) for line in file)
    resident, peak = (int(held[name].split()[0]) * 1024 for name in (b"VmRSS", b"VmHWM"))
    return resident, peak


def _too_slow(_: int, frame: FrameType | None) -> None:
    raise TooSlow(f"one input took more than {SECONDS_FOR_ONE} seconds")


if __name__ == "__main__":
    sys.exit(main())
