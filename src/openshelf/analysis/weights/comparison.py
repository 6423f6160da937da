"""One pair of tensors under comparison: what is read, in which pieces, and what has been found so far."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Array
from openshelf.analysis.weights import tiles
from openshelf.analysis.weights.sides import JOB_BYTES, Side, same_bytes
from openshelf.analysis.weights.tiles import TILE, Buffers, Sums

_MAX_ROWS = 4_000_000
_TABLES = re.compile(r"embed|wte|lm_head|shared\.weight|token|vocab|(^|\.)output\.weight\Z", re.I)


class Way(StrEnum):
    """How a pair is compared."""

    VALUES = "values"
    BYTES = "bytes"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Job:
    """Elements ``[start, stop)`` of both sides; ``only_norms`` where they are known to be the same."""

    start: int
    stop: int
    only_norms: bool = False


@dataclass(slots=True)
class Comparison:
    """``elements`` are compared, those that both sides have. ``columns`` is the width of a table of rows, else 0."""

    before: Side
    after: Side
    way: Way
    elements: int
    columns: int = 0
    note: str = ""
    is_same: bool = False
    was_read: bool = False
    sums: Sums = field(default_factory=Sums)
    same_jobs: list[Job] = field(default_factory=list)
    row_squares: Array | None = None
    row_changed: Array | None = None

    def jobs(self) -> Iterator[Job]:
        """Pieces of about 8 MB, or the whole where a side cannot be read in pieces."""
        step = self._step()
        for start in range(0, self.elements, step):
            yield Job(start, min(start + step, self.elements))

    def _step(self) -> int:
        if not (self.before.streams and self.after.streams):
            return max(self.elements, 1)
        wider = max(-(-side.tensor.nbytes // max(side.elements, 1)) for side in (self.before, self.after))
        unit = np.lcm.reduce([max(self.columns, 1), self.before.step, self.after.step, self.after.parts])
        return max(int(JOB_BYTES // max(wider, 1) // unit), 1) * int(unit)

    def track_rows(self) -> None:
        """Keep a figure for every row."""
        rows = self.elements // self.columns
        self.row_squares, self.row_changed = np.zeros(rows, np.float64), np.zeros(rows, bool)


def columns_of(one: Side, other: Side) -> int:
    """The width of the rows to follow; 0 where a tensor is no table, or one too wide or too long to follow."""
    a, b = one.tensor, other.tensor
    if len(a.shape) != 2 or a.shape[1:] != b.shape[1:] or one.parts > 1:
        return 0
    is_table = a.shape[0] != b.shape[0] or _TABLES.search(b.name)
    return a.shape[1] if is_table and 0 < a.shape[1] <= TILE and max(a.shape[0], b.shape[0]) <= _MAX_ROWS else 0


_held = threading.local()
_one_whole = threading.Lock()


def _buffers(wide: np.dtype[Any]) -> Buffers:
    """Those of this thread."""
    known: dict[np.dtype[Any], Buffers] = _held.__dict__.setdefault("buffers", {})
    if wide not in known:
        known[wide] = Buffers(wide)
    return known[wide]


def run(comparison: Comparison, job: Job) -> Sums:
    """Compare one piece, on any thread. Raises UnreadableValues."""
    before, after = comparison.before, comparison.after
    if before.streams and after.streams:
        return _run(comparison, job)
    with _one_whole:
        return _run(comparison, job)


def _run(comparison: Comparison, job: Job) -> Sums:
    before, after = comparison.before, comparison.after
    try:
        with np.errstate(all="ignore"):
            if comparison.way is Way.BYTES:
                return Sums(comparison.elements, 0 if same_bytes(before, after) else comparison.elements)
            if job.only_norms:
                return _norms(before.read(job.start, job.stop))
            return _values(comparison, job, before.read(job.start, job.stop), after.read(job.start, job.stop))
    finally:
        for side in (before, after):
            side.release(job.start, job.stop)


def _norms(values: Array) -> Sums:
    found, buffers = Sums(), _buffers(_wide(values, values))
    for start in range(0, len(values), TILE):
        found.add(tiles.squares(values[start : start + TILE], buffers))
    return found


def _values(comparison: Comparison, job: Job, first: Array, second: Array) -> Sums:
    """Sums of a piece; only the count of elements where all of it is the same, for the norms may never be asked for."""
    floats = tiles.is_float(first.dtype) or tiles.is_float(second.dtype)
    is_cast = first.dtype != second.dtype
    buffers, found = _buffers(_wide(first, second)), Sums()
    step = max(TILE // comparison.columns, 1) * comparison.columns if comparison.columns else TILE
    still: list[slice] = []
    for start in range(0, len(first), step):
        piece = slice(start, start + step)
        one, other = first[piece], second[piece]
        if not floats:
            sums = tiles.compare_integers(one, other, buffers)
        elif is_cast:
            sums = tiles.compare(one, other, None, buffers)
            sums.changed, sums.unrounded = tiles.count_not_rounded(one, other), tiles.count_not_rounded(other, one)
        else:
            differing = tiles.differing_bits(one, other, buffers)
            changed = int(np.count_nonzero(differing))
            if not changed:
                still.append(piece)
                continue
            sums = tiles.compare(one, other, differing, buffers)
            sums.changed = sums.unrounded = changed
        found.add(sums)
        if comparison.row_squares is not None and sums.changed:
            _follow_rows(comparison, job.start + start, one, other, buffers)
    if not found.elements:
        return Sums(len(first), is_still=True)
    for piece in still:
        found.add(tiles.squares(first[piece], buffers))
    return found


def _follow_rows(comparison: Comparison, start: int, one: Array, other: Array, buffers: Buffers) -> None:
    columns = comparison.columns
    rows = slice(start // columns, (start + len(one)) // columns)
    change = buffers.second[: len(one)]
    tiles.widen(one, buffers.first[: len(one)])
    tiles.widen(other, change)
    np.subtract(change, buffers.first[: len(one)], out=change)
    table = change.reshape(-1, columns)
    assert comparison.row_squares is not None
    assert comparison.row_changed is not None
    comparison.row_squares[rows] = np.einsum("ij,ij->i", table, table)
    comparison.row_changed[rows] = (table != 0).any(1)


def _wide(first: Array, second: Array) -> np.dtype[Any]:
    narrow = all(tiles.is_float(side.dtype) and side.dtype.itemsize <= 4 for side in (first, second))
    return np.dtype(np.float32 if narrow else np.float64)
