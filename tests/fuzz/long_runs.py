"""Targets under atheris or hypothesis, each in a process of its own, and what came of it in figures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_INPUTS = re.compile(r"number_of_executed_units:\s*(\d+)")
_STATE = re.compile(r"#(\d+)\s.*cov: (\d+) ft: (\d+) corp: (\d+)")
_MEMORY = re.compile(r"peak_rss_mb:\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``edges`` are branches of the code that were reached, ``kept`` the inputs that each reached something new; both
    are zero where nobody looked. The kernel counts what this process held into ``peak_mib``."""

    name: str
    inputs: int
    seconds: float
    cpu_seconds: float
    edges: int
    kept: int
    peak_mib: int
    log: Path | None
    """Where it failed: what it said."""

    def __str__(self) -> str:
        reached = f"{self.edges:,} edges, {self.kept:,} inputs kept, " if self.edges else ""
        return (
            f"{self.name}: {self.inputs:,} inputs in {self.seconds:.0f} s ({self.cpu_seconds:.0f} s of CPU), {reached}"
            f"at most {self.peak_mib} MiB, {f'FOUND, see {self.log}' if self.log else 'nothing found'}"
        )


def by_coverage(names: Sequence[str], seconds: int, jobs: int, corpus: Path) -> list[Outcome]:
    """Each target for ``seconds``, ``jobs`` of them at a time; tells of each as it ends."""
    return _all("coverage_guided", names, seconds, jobs, corpus)


def by_mutations(names: Sequence[str], examples: int, jobs: int, corpus: Path) -> list[Outcome]:
    """Each target with that many mutations of its seeds."""
    return _all("mutation_run", names, examples, jobs, corpus)


def _all(program: str, names: Sequence[str], amount: int, jobs: int, corpus: Path) -> list[Outcome]:
    corpus.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda name: _told(_one(program, name, amount, corpus)), names))


def _told(outcome: Outcome) -> Outcome:
    print(outcome, flush=True)
    return outcome


def _one(program: str, name: str, amount: int, corpus: Path) -> Outcome:
    log = corpus / f"{name}.{program}.log"
    began = time.monotonic()
    with log.open("wb") as output:
        command = [sys.executable, "-m", f"tests.fuzz.{program}", name, str(amount), str(corpus)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    said = log.read_text("utf-8", "replace")
    states = _STATE.findall(said)
    at, edges, _, kept = (int(number) for number in states[-1]) if states else (0, 0, 0, 0)
    inputs, memory = (pattern.findall(said) for pattern in (_INPUTS, _MEMORY))
    return Outcome(
        name, int(inputs[-1]) if inputs else at, time.monotonic() - began, used.ru_utime + used.ru_stime, edges, kept,
        int(memory[-1]) if memory else used.ru_maxrss // 1024, log if process.returncode else None,
    )  # fmt: skip
