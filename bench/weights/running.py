"""Programs to measure, each in a process of its own: their CPU-seconds and the memory that is theirs alone."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance import environments

from bench.figures import NONE, Figure, Rounds

ROOT = Path(__file__).parents[2]
_TORCH = ("mergekit", "torch")
_STEP = 0.01


@dataclass(frozen=True)
class Options:
    """``size`` in bytes of each model that is read, ``sparse_size`` of the one that is only listed."""

    size: int = 1_100_000_000
    sparse_size: int = 140_000_000_000
    rounds: int = 3


@dataclass
class Run:
    """What a program did: its figure, its peak private memory in bytes, and the JSON on its last line.

    ``whole`` are the CPU-seconds of the program from its start to its end, imports and a small first task included.
    """

    figure: Figure
    private: int
    answer: Any
    whole: float


def python_with_torch() -> Path:
    """The interpreter of an environment that has torch (and, for merges, mergekit). Raises CannotInstall."""
    name = next((name for name in _TORCH if (environments.LOCKS / f"{name}.lock").exists()), None)
    if name is None:
        raise environments.CannotInstall("no lock in requirements/clients has torch")
    return environments.python_of(name)


def run(program: str, *arguments: object, python: Path | str = sys.executable, amount: float = 1.0) -> Run:
    """Run Python text. It prints JSON on its last line: [CPU-seconds of the work, wall seconds, anything else].

    The program takes the times itself, so starting up and importing count for nobody.
    """
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"}
    words = [str(python), "-c", program, *map(str, arguments)]
    before = _cpu_of_children()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        watch = _Watch(process.pid)
        watch.start()
        said, complaint = process.communicate()
    if process.returncode:
        raise RuntimeError((complaint.strip().splitlines() or ["no message"])[-1])
    cpu, seconds, answer = json.loads(said.strip().splitlines()[-1])
    return Run(Figure(amount, seconds, cpu), watch.peak, answer, _cpu_of_children() - before)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Watch(threading.Thread):
    """Reads the anonymous resident memory of a process every 10 ms, as long as it lives."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{process}/status")
        self.peak = 0

    def run(self) -> None:
        while True:
            try:
                found = re.search(r"RssAnon:\s+(\d+) kB", self.status.read_text())
            except OSError:
                return
            if not found:
                return
            self.peak = max(self.peak, int(found[1]) * 1024)
            time.sleep(_STEP)


def megabytes(sizes: Sequence[int]) -> str:
    """The largest of some sizes in bytes, for a table."""
    return f"{max(sizes) / 1e6:,.0f} MB" if sizes else NONE


def rates(rounds: Rounds) -> str:
    """Amount for each CPU-second, median and spread."""
    return (
        rounds.spread(lambda figure: figure.amount / figure.cpu, ".2f")
        if rounds.figures
        else f"failed: {rounds.failure}"
    )
