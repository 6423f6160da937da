"""Parsers of bytes from strangers: a module each, with its ``TARGET``, or with several ``TARGETS`` by name."""

from __future__ import annotations

import importlib
import pkgutil

from tests.fuzz.target import Target


def names() -> list[str]:
    """All targets: ``MODULE``, or ``MODULE-NAME`` where a module has several."""
    found = []
    for module in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        several = getattr(importlib.import_module(f"{__name__}.{module}"), "TARGETS", None)
        found += [module] if several is None else [f"{module}-{name}" for name in several]
    return found


def target_of(name: str) -> Target:
    module, _, part = name.partition("-")
    held = importlib.import_module(f"{__name__}.{module}")
    found = held.TARGETS[part] if part else held.TARGET
    assert isinstance(found, Target)
    return found
