"""What differs between two models, in numbers that a person can judge: the result of ``openshelf.diff``.

Nothing here computes; see ``comparing``. Shares are fractions from 0 to 1. Norms, distances and shifts are in the unit
of the weights themselves, and are taken over elements that are finite on both sides. A figure that is not defined
(a cosine with a zero vector, a relative distance from a zero base) is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any

SCHEMA = 1
"""Rises when a field of the JSON changes its meaning or goes; new fields alone do not raise it."""


class Status(StrEnum):
    EQUAL = "equal"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    NOT_COMPARED = "not compared"
    """On both sides, but its values cannot be set against each other; ``note`` says why."""


class Settled(StrEnum):
    """How it was found out whether a tensor is the same."""

    IDENTITY = "identity"
    """The same bytes of the same file, or a hash that was known before: nothing was read."""
    BYTES = "bytes"
    VALUES = "values"


@dataclass(frozen=True, slots=True)
class ValueChange:
    """How the values moved, over ``elements`` compared ones.

    ``changed`` counts elements whose bits differ (so 0.0 and -0.0 differ, and a NaN equals the same NaN); where the
    type changed, those that are not the former value rounded to nearest, ties to even. ``relative_l2`` is
    |after - before| / |before|, None where |before| is 0: then ``l2``, the numerator, says it alone. ``sign_flips`` is
    the share of elements that are non-zero on both sides with opposite signs. ``mean_shift`` is the mean of
    after - before. Integers and booleans have ``changed`` and ``max_abs`` only.
    """

    elements: int
    changed: int
    changed_share: float
    max_abs: float | int | None
    relative_l2: float | None = None
    l2: float | None = None
    norm_before: float | None = None
    norm_after: float | None = None
    cosine: float | None = None
    sign_flips: float | None = None
    mean_shift: float | None = None
    nan_before: int = 0
    nan_after: int = 0
    inf_before: int = 0
    inf_after: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One row that moved: ``l2`` is the length of its change, ``relative_l2`` that over its former length.

    ``token`` is what a tokenizer of the model calls it, None where none says.
    """

    index: int
    l2: float
    relative_l2: float | None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class RowChange:
    """A table of rows, such as the embedding of a vocabulary: ``common`` rows were compared, the rest stand apart."""

    common: int
    changed: int
    added: int
    removed: int
    most_changed: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class LowRank:
    """Evidence of a change of low rank, never an exact rank: rounding alone gives every change full rank.

    From a randomised range finder with one power iteration (Halko, Martinsson, Tropp 2011, algorithm 4.4).
    ``energy`` maps k to the share of the squared length of the change in its k leading directions; ``gap`` is the
    largest ratio of two neighbouring singular values, after direction ``gap_after``. ``singular_values`` are the
    leading ones, estimated. All of it is over ``rows`` rows: of a tall matrix a sample of strips.
    """

    energy: Mapping[int, float]
    gap: float
    gap_after: int
    rows: int
    singular_values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """One tensor. ``name`` is that of the later model, or the former name where it was removed.

    ``block`` is the layer it belongs to, ``kind`` its place there. ``is_cast`` says that nothing but rounding to
    another type happened.
    """

    name: str
    status: Status
    role: str
    block: str
    kind: str
    former_name: str | None = None
    dtype_before: str | None = None
    dtype_after: str | None = None
    shape_before: tuple[int, ...] | None = None
    shape_after: tuple[int, ...] | None = None
    is_reshaped: bool = False
    is_cast: bool = False
    settled_by: Settled | None = None
    values: ValueChange | None = None
    rows: RowChange | None = None
    low_rank: LowRank | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Renamed:
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Structure:
    """What changed apart from values. Names are of tensors; ``tied`` and ``untied`` are groups of them.

    ``reshaped`` ones have as many elements as before, ``resized`` ones have not. ``cast`` ones were rounded to another
    type and nothing else, ``retyped`` ones changed their type and more.
    """

    format_before: str
    format_after: str
    files_before: int
    files_after: int
    parameters_before: int
    parameters_after: int
    architecture_before: str | None
    architecture_after: str | None
    is_resharded: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[Renamed, ...]
    reshaped: tuple[str, ...]
    resized: tuple[str, ...]
    cast: tuple[str, ...]
    retyped: tuple[str, ...]
    tied: tuple[tuple[str, ...], ...]
    untied: tuple[tuple[str, ...], ...]

    @property
    def format_changed(self) -> bool:
        return self.format_before != self.format_after


@dataclass(frozen=True, slots=True)
class Totals:
    """Over the tensors compared. ``relative_l2`` is pooled: all changes over all former values, as one long vector."""

    tensors: int
    equal: int
    changed: int
    added: int
    removed: int
    not_compared: int
    elements: int
    changed_elements: int
    changed_share: float
    relative_l2: float | None
    nan_after: int
    inf_after: int


@dataclass(frozen=True, slots=True)
class BlockSummary:
    """One layer. ``relative_l2`` is pooled over its tensors of floating point."""

    block: str
    series: str
    number: int | None
    tensors: int
    changed_tensors: int
    added: int
    removed: int
    elements: int
    changed_share: float
    relative_l2: float | None


@dataclass(frozen=True, slots=True)
class ModelDifference:
    """How ``after`` differs from ``before``. ``is_equal`` says that every tensor compared is there on both sides with
    the same name, type, shape and bits; format and files may differ. ``left_out`` counts tensors of optimiser state,
    which are not compared unless asked for.
    """

    before: str
    after: str
    is_equal: bool
    headline: str
    structure: Structure
    totals: Totals
    blocks: tuple[BlockSummary, ...]
    tensors: tuple[TensorDifference, ...]
    left_out: int = 0
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Mappings, lists, texts and numbers alone. Raises nothing; what is not finite becomes None."""
        return {"schema": SCHEMA, **_plain(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, StrEnum):
        return value.value
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value
