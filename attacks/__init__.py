"""Hostile files, made by generators, and what must be said of each.

A module has the hostile files of one kind; ``every()`` gives all of them. What a fuzzer finds comes here as a generator
of the same fault, so that it is tried on every run of the tests.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """``content`` is given to the parser that ``reader`` names (see tests/fuzz/test_attacks.py), which must refuse it
    with a message that has ``said`` in it; an empty ``said`` means that it must be taken, and do no harm."""

    name: str
    reader: str
    content: bytes
    said: str


def every() -> Iterator[Attack]:
    """All attacks of all modules."""
    for module in pkgutil.iter_modules(__path__):
        yield from importlib.import_module(f"{__name__}.{module.name}").attacks()
