"""Where in a model a tensor stands, by its name: which layer, and which place in the layer."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SEPARATORS = re.compile(r"[./]")
_NUMBERED = re.compile(r"(?P<stem>.*?\D)_?(?P<number>\d+)\Z")
_NUMBER = re.compile(r"\d{1,9}\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """``block`` is the layer (``model.layers.3``), ``series`` what the layers are numbered in (``model.layers``),
    ``kind`` the rest (``self_attn.q_proj.weight``) with its numbers replaced by ``*``."""

    block: str
    series: str
    number: int | None
    kind: str


def place_of(name: str) -> Place:
    """The layer is named by the first part of ``name`` that is a number, else by a first part that ends in one."""
    parts = _SEPARATORS.split(name)
    for index, part in enumerate(parts[:-1]):
        if index and _NUMBER.match(part):
            series = ".".join(parts[:index])
            return Place(f"{series}.{part}", series, int(part), _kind(parts[index + 1 :]))
    for index, part in enumerate(parts[:-1]):
        found = _NUMBERED.match(part)
        if found and _NUMBER.match(found["number"]):
            series = ".".join([*parts[:index], found["stem"].rstrip("_")])
            return Place(".".join(parts[: index + 1]), series, int(found["number"]), _kind(parts[index + 1 :]))
    block = ".".join(parts[:-1]) or name
    return Place(block, block, None, parts[-1] if parts[:-1] else "")


def _kind(parts: list[str]) -> str:
    return ".".join("*" if _NUMBER.match(part) else part for part in parts)
