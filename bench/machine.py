"""The machine that the figures were taken on, and what else it did meanwhile."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from pathlib import Path

from bench.servers import NAMES
from bench.servers.openshelf import version


class Clock:
    """Began when it was made; knows how much CPU time of the machine went to others."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.busy = _busy_and_stolen()
        self.own = _own()

    def minutes(self) -> float:
        return (time.perf_counter() - self.began) / 60

    def cores_of_others(self) -> float:
        """Mean number of cores that programs outside this run kept busy, the machine's host included."""
        busy, stolen = _busy_and_stolen()
        used = busy - self.busy[0] + stolen - self.busy[1] - (_own() - self.own)
        return max(0.0, used / (time.perf_counter() - self.began))


def describe() -> list[str]:
    """Facts about processor, memory, system and programs, a line each."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", info)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    flags = re.search(r"flags\s*:\s*(.+)", info)
    has_sha = "sha_ni" in (flags[1].split() if flags else ())
    gib = int(memory[1]) / 2**20 if memory else 0
    lines = [
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}, "
        f"{'with' if has_sha else 'without'} SHA instructions), {gib:.0f} GiB of memory, Linux {platform.release()}, "
        f"Python {platform.python_version()}, Openshelf at {version()}.",
    ]
    programs = [(kind.name, kind.version_command) for kind in NAMES.values() if kind.version_command]
    said = [f"{name} {_version(command)}" for name, command in [*programs, ("git", ("git", "--version"))]]
    return [*lines, f"Peers: {', '.join(said)}, MLflow and giftless from `requirements/bench/*.lock`."]


def _version(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "(not installed)"
    match = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
    return match[0] if match else ""


def _busy_and_stolen() -> tuple[float, float]:
    fields = [int(value) for value in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    ticks = os.sysconf("SC_CLK_TCK")
    user, nice, system, _idle, _wait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq) / ticks, steal / ticks


def _own() -> float:
    """CPU time of this process and of its ended children; servers are added when they end."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
