"""Whether a change is of low rank, as that of a LoRA fine-tune folded into its weights, and its factors.

A randomised range finder with one power iteration (Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.1), over
tiles of rows, so that memory is that of the factors. A small block of the change decides first whether it is worth it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.weights.delta.container import Factors, factor_type
from openshelf.analysis.weights.delta.expectation import Expectation
from openshelf.analysis.weights.delta.pieces import CutModel, Piece

MAX_FOUND = 64
"""The highest rank that is looked for."""
_OVERSAMPLED = 16
_SIDE = 256
"""Rows and columns of the block that is looked at first."""
_GAP = 1.3
"""How far a singular value must stand above the next to count as the last of the change."""
_TILE = 1 << 20
"""Elements in memory at a time."""
_SMALLEST = 64
_LARGEST = 1e30
"""Squared norm of a change whose products still fit float32."""
Matrix = np.ndarray[Any, np.dtype[np.float32]]


def find(new: CutModel, piece: Piece, expected: Expectation, max_error: float | None) -> Factors | None:
    """Factors A, B of the change, as they will be stored; None where it is of no low rank.

    They go up to the gap in its spectrum, or have as many ranks as ``max_error`` asks for.
    """
    rows, columns = piece.shape[0], prod(piece.shape[1:])
    if min(rows, columns) < _SMALLEST:
        return None

    def tiles() -> Iterator[tuple[int, Matrix]]:
        step = max(1, _TILE // columns)
        for top in range(0, rows, step):
            yield top, _change(new, piece, expected, top, min(top + step, rows), columns)

    with np.errstate(all="ignore"):
        try:
            if not _worth_it(new, piece, expected, rows, columns, max_error):
                return None
            found = _decompose(tiles, rows, columns)
        except np.linalg.LinAlgError:
            return None
    if found is None:
        return None
    left, values, right, total = found
    rank = _rank(values, total, max_error)
    if not rank:
        return None
    root = np.sqrt(values[:rank])
    _, held = factor_type(piece.dtype)
    first, second = (
        one.astype(held).astype(np.float32) for one in (left[:, :rank] * root, right[:rank] * root[:, None])
    )
    return first, second


def _change(new: CutModel, piece: Piece, expected: Expectation, top: int, bottom: int, columns: int) -> Matrix:
    held = dtypes.numpy_dtype(piece.dtype)
    assert held is not None  # only floating-point types come here
    start, end = (row * columns * piece.width for row in (top, bottom))
    before = expected.take(start, end)
    assert before is not None  # asked only where there is a base
    after = new.read(piece, start, end).view(held).astype(np.float32)
    return (after - before.view(held).astype(np.float32)).reshape(bottom - top, columns)


def _worth_it(
    new: CutModel, piece: Piece, expected: Expectation, rows: int, columns: int, max_error: float | None
) -> bool:
    count = min(rows, _SIDE)
    top = (rows - count) // 2
    block = _change(new, piece, expected, top, top + count, columns)[:, :: max(1, columns // _SIDE)][:, :_SIDE]
    if not np.isfinite(block).all() or not block.any():
        return False
    values = np.linalg.svd(block, compute_uv=False)
    return bool(_rank(values, float(np.square(values, dtype=np.float64).sum()), max_error))


def _decompose(
    tiles: Callable[[], Iterator[tuple[int, Matrix]]], rows: int, columns: int
) -> tuple[Matrix, Matrix, Matrix, float] | None:
    """U, singular values, V of the leading part, and the squared norm of the whole; None where it is not finite."""
    width = min(MAX_FOUND + _OVERSAMPLED, rows, columns)
    seeds = np.random.default_rng(0).standard_normal((columns, width), np.float32)
    total = 0.0
    sketch = np.empty((rows, width), np.float32)
    for top, tile in tiles():
        total += float(np.square(tile, dtype=np.float64).sum())
        sketch[top : top + len(tile)] = tile @ seeds
    if not total < _LARGEST:
        return None
    seeds = _orthonormal(_across(tiles, _orthonormal(sketch), columns).T)
    for top, tile in tiles():
        sketch[top : top + len(tile)] = tile @ seeds
    basis = _orthonormal(sketch)
    core = _across(tiles, basis, columns)
    squares, inner = _eigen(core @ core.T)
    values = np.sqrt(squares).astype(np.float32)
    left = (basis @ inner).astype(np.float32)
    return left, values, ((inner.T @ core) * _inverse(values)[:, None]).astype(np.float32), total


def _orthonormal(columns: Matrix) -> Matrix:
    """Columns of the same span, by the eigenvectors of their products: far cheaper than QR where there are few."""
    squares, turned = _eigen(columns.T @ columns)
    found: Matrix = (columns @ (turned * _inverse(np.sqrt(squares)))).astype(np.float32)
    return found


def _eigen(products: Matrix) -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]]:
    """Eigenvalues, the largest first, and their vectors as columns."""
    squares, vectors = np.linalg.eigh(products.astype(np.float64))
    return np.maximum(squares[::-1], 0), vectors[:, ::-1]


def _inverse(values: Any) -> Any:
    """1 / values; 0 for those that are nothing beside the first."""
    return np.where(values > values[0] * 1e-5, 1 / np.maximum(values, 1e-300), 0) if values[0] > 0 else values * 0


def _across(tiles: Callable[[], Iterator[tuple[int, Matrix]]], basis: Matrix, columns: int) -> Matrix:
    """The transpose of ``basis`` times the change."""
    found = np.zeros((basis.shape[1], columns), np.float32)
    for top, tile in tiles():
        found += basis[top : top + len(tile)].T @ tile
    return found


def _rank(values: Matrix, total: float, max_error: float | None) -> int:
    """How many singular values make the change; 0 where they do not end."""
    seen = values[: MAX_FOUND + 1].astype(np.float64)
    if not np.isfinite(seen).all() or total <= 0:
        return 0
    if max_error is not None:
        left = np.sqrt(np.maximum(0, 1 - np.cumsum(np.square(seen[:MAX_FOUND])) / total))
        enough = np.flatnonzero(left <= max_error)
        if len(enough):
            return int(enough[0]) + 1
    following = np.maximum(seen[1:], seen[0] * 1e-7)
    gaps = seen[:-1] / following
    best = int(np.argmax(gaps)) if len(gaps) else 0
    return best + 1 if len(gaps) and gaps[best] >= _GAP else 0
