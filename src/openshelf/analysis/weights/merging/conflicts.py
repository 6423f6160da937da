"""What stands in the way of a merge (hard), and what a person should look at (soft)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    SHAPE = "shape"
    DTYPE = "dtype"
    DELETION = "deletion"
    ADDITION = "addition"
    INTEGER = "integer"
    ARCHITECTURE = "architecture"
    NON_FINITE = "non-finite"
    NO_BASE = "no common ancestor"
    VOCABULARY = "vocabulary"
    TOKENIZER = "tokenizer"
    QUANTISED = "quantised"
    STATISTICS = "statistics"
    ADAPTER = "adapter"
    DIRECTION = "opposed directions"
    FILE = "file"
    SIDES = "sides"


@dataclass(frozen=True, slots=True)
class Conflict:
    """``where`` is the name of a tensor or a file. ``numbers`` are what was measured."""

    kind: Kind
    where: str
    text: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


class MergeError(ValueError):
    """A merge that cannot be done as it was asked for: a wrong recipe, a full disk, an output that is there already."""


class MergeRefused(MergeError):
    """Hard conflicts; nothing was written. ``conflicts`` is the full list."""

    def __init__(self, conflicts: Sequence[Conflict], soft: Sequence[Conflict] = ()) -> None:
        self.conflicts = tuple(conflicts)
        self.soft = tuple(soft)
        listed = "".join(f"\n  {found.kind}: {found}" for found in self.conflicts)
        count = len(self.conflicts)
        super().__init__(f"{count} {'conflict stops' if count == 1 else 'conflicts stop'} this merge:{listed}")
