"""Sparse arrays written out in full: rows by number, and compressed sparse rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Array, Tensor
from openshelf.analysis.checkpoints.dtypes import numpy_dtype
from openshelf.analysis.checkpoints.errors import UnreadableValues
from openshelf.analysis.checkpoints.files import OpenFile

MOST_DENSE = 1 << 30
"""Bytes of a sparse tensor that is written out in full."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An array that lies in one piece at the byte ``start``."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    nbytes: int

    def values(self, file: OpenFile) -> Array:
        stored = file.view(self.start, self.start + self.nbytes)
        return np.frombuffer(stored, numpy_dtype(self.dtype)).reshape(self.shape)


def zeros(tensor: Tensor) -> Array:
    """An array of zeros for a tensor. Raises UnreadableValues where that would take more than ``MOST_DENSE`` bytes."""
    held = numpy_dtype(tensor.dtype)
    if held is None or tensor.elements * held.itemsize > MOST_DENSE:
        raise UnreadableValues(tensor.file, f"the sparse tensor {tensor.name[:200]!r} is too large to be written out")
    return np.zeros(tensor.shape, held)


def dense_rows(file: OpenFile, tensor: Tensor, values: Piece, indices: Sequence[Piece]) -> Array:
    """Rows ``values``, of which ``indices[0]`` says the numbers; all others are zero. Raises UnreadableValues."""
    rows = _whole_numbers(file, tensor, indices[0])
    if not tensor.shape or values.shape != (rows.size, *tensor.shape[1:]) or not _within(rows, tensor.shape[0]):
        raise _wrong(tensor)
    found = zeros(tensor)
    found[rows] = values.values(file)
    return found


def dense_csr(file: OpenFile, tensor: Tensor, values: Piece, indices: Sequence[Piece]) -> Array:
    """Compressed sparse rows: ``indices`` are where each row begins among the values, and the columns of these."""
    starts, columns = (_whole_numbers(file, tensor, one) for one in indices)
    held = values.values(file).reshape(-1)
    if len(tensor.shape) != 2 or starts.size != tensor.shape[0] + 1 or columns.size != held.size:
        raise _wrong(tensor)
    counts = np.diff(starts)
    if starts[0] != 0 or starts[-1] != held.size or (counts < 0).any() or not _within(columns, tensor.shape[1]):
        raise _wrong(tensor)
    found = zeros(tensor)
    found[np.repeat(np.arange(tensor.shape[0]), counts), columns] = held
    return found


def _whole_numbers(file: OpenFile, tensor: Tensor, piece: Piece) -> Array:
    found = piece.values(file).reshape(-1)
    if found.dtype.kind not in "iu":
        raise _wrong(tensor)
    return found.astype(np.int64)


def _within(numbers: Array, side: int) -> bool:
    return not numbers.size or bool(numbers.min() >= 0 and numbers.max() < side)


def _wrong(tensor: Tensor) -> UnreadableValues:
    return UnreadableValues(tensor.file, f"the indices of the sparse tensor {tensor.name[:200]!r} do not fit its shape")
