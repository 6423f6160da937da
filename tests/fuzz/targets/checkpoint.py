"""Files of weights of every format that is read in this process: listed, and the values of small tensors decoded."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.unit.checkpoints.hostile import take
from tests.unit.checkpoints.makers import every

# HDF5 is read by a process of its own, whose coverage a fuzzer cannot see.
_ELSEWHERE = ("keras",)


def run(data: bytes) -> None:
    take({"file": data})


def _seeds() -> list[bytes]:
    made = [maker() for label, maker in every().items() if not label.startswith(_ELSEWHERE)]
    return [content for files in made for content in files.values() if len(content) <= 32_768]


TARGET = Target(run, _seeds, memory=24 * 1024 * 1024, per_byte=200)
