"""Small right files of every format, made by code: what tests of readers and fuzzers begin with.

A module has ``MAKERS``: label to a function that gives file names with their bytes; the first file is the one to open.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping

Made = dict[str, bytes]
Maker = Callable[[], Made]


def every() -> Mapping[str, Maker]:
    """All makers of all modules, by ``MODULE-LABEL``."""
    found: dict[str, Maker] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda one: one.name):
        makers = importlib.import_module(f"{__name__}.{module.name}").MAKERS
        found |= {f"{module.name}-{label}": maker for label, maker in makers.items()}
    return found
