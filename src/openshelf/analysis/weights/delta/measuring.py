"""How far a low-rank change misses the new tensor, by really applying it."""

from __future__ import annotations

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.weights.delta.expectation import Expectation
from openshelf.analysis.weights.delta.pieces import CutModel, Piece
from openshelf.analysis.weights.delta.segments import SEGMENT, Bytes


def error_of(new: CutModel, piece: Piece, before: Expectation, result: Expectation) -> tuple[float, float] | None:
    """``|result - new| / |new - before|`` in Euclidean norms, and the largest error of an element, in float64.

    None where a number is not finite, so that no bound could be stated.
    """
    missed = changed = largest = 0.0
    for start in range(0, piece.nbytes, SEGMENT):
        end = min(start + SEGMENT, piece.nbytes)
        wanted = _values(new.read(piece, start, end), piece.dtype)
        had, got = (_values(_some(one.take(start, end)), piece.dtype) for one in (before, result))
        off = got - wanted
        missed += float(np.square(off).sum())
        changed += float(np.square(wanted - had).sum())
        largest = max(largest, float(np.abs(off).max(initial=0)))
        if not np.isfinite(missed + changed + largest):
            return None
    return ((missed / changed) ** 0.5 if changed else 0.0), largest


def _some(content: Bytes | None) -> Bytes:
    assert content is not None  # there is a base where there are factors
    return content


def _values(content: Bytes, dtype: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    held = dtypes.numpy_dtype(dtype)
    assert held is not None  # only floating-point types come here
    with np.errstate(all="ignore"):
        return content.view(held).astype(np.float64)
