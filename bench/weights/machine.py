"""The machine that the figures were taken on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """Processor, memory, system and versions, in a sentence."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    gib = int(memory[1]) / 2**20 if memory else 0
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {gib:.0f} GiB of memory, Linux "
        f"{platform.release()}, Python {platform.python_version()}, numpy {version('numpy')}."
    )
