"""Hostile files, made by generators, and what must be said of each.

A module has the hostile files of one kind; ``every()`` gives all of them. What a fuzzer finds comes here as a generator
of the same fault, so that it is tried on every run of the tests.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Attack:
    """``content`` is given to the parser that ``reader`` names (see tests/fuzz/test_attacks.py), which must refuse it
    with a message that has ``said`` in it; a reader whose name begins with ``taken`` must take it, without harm.

    ``file`` is what it is called where it has a name, ``beside`` are other files of the same folder.
    """

    name: str
    reader: str
    content: bytes
    said: str
    beside: Mapping[str, bytes] = field(default_factory=dict)
    file: str = "file"


def every() -> Iterator[Attack]:
    """All attacks of all modules."""
    for module in pkgutil.iter_modules(__path__):
        yield from importlib.import_module(f"{__name__}.{module.name}").attacks()
