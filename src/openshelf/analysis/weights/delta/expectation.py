"""What the base lets one expect of a piece: its bytes, its rows elsewhere, cast, or moved by a low-rank change.

Every number here comes out the same on every machine: products and sums of float32 are taken one rank after the other,
element by element, with no matrix library that would be free to order them, and are rounded once to the type of the
tensor. So a delta may rest on what is expected, bit for bit.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.weights.delta.container import Factors
from openshelf.analysis.weights.delta.pieces import CutModel, Piece
from openshelf.analysis.weights.delta.rows import Moves, row_bytes
from openshelf.analysis.weights.delta.segments import Bytes

LOW_RANK_TYPES = frozenset(("float32", "float16", "bfloat16"))
CAST_TYPES = LOW_RANK_TYPES | {"float64"}
MAX_COLUMNS = 1 << 20
"""Of a tensor that a low-rank change is applied to; some rows of it are held at a time."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What to expect of a piece of ``nbytes`` bytes of ``dtype``, ``width`` each, given ``piece`` of ``base``."""

    base: CutModel
    piece: Piece | None
    nbytes: int
    dtype: str
    width: int
    shape: tuple[int, ...] = ()
    factors: Factors | None = None
    moves: Moves = ()

    def take(self, start: int, end: int) -> Bytes | None:
        """Bytes ``[start, end)``; None where nothing can be expected. Zeros beyond the end of the base's piece."""
        if self.piece is None:
            return None
        if self.factors is not None:
            return self._moved(self.factors, start, end)
        if self.is_cast:
            return self._cast(start, end)
        if self.moves:
            return self._shifted(start, end)
        found = self.base.read(self.piece, start, end)
        if len(found) == end - start:
            return found
        padded = np.zeros(end - start, np.uint8)
        padded[: len(found)] = found
        return padded

    def around(self, start: int, end: int) -> bytes:
        """The bytes of the base from ``start`` to ``end``, as far as it has them."""
        return b"" if self.piece is None else self.base.read(self.piece, max(0, start), end).tobytes()

    @property
    def is_cast(self) -> bool:
        """Whether the base's piece is the same numbers in another type."""
        if self.piece is None or self.piece.dtype == self.dtype or not {self.piece.dtype, self.dtype} <= CAST_TYPES:
            return False
        widths = ((self.piece.dtype, self.piece.width), (self.dtype, self.width))
        return (
            all(dtypes.bits(dtype) == width * 8 for dtype, width in widths)
            and self.piece.nbytes * self.width == self.nbytes * self.piece.width
        )

    @property
    def can_move(self) -> bool:
        """Whether a low-rank change can be applied."""
        return (
            self.piece is not None
            and self.dtype in LOW_RANK_TYPES
            and dtypes.bits(self.dtype) == self.width * 8 == self.piece.width * 8
            and (self.piece.dtype, self.piece.nbytes) == (self.dtype, self.nbytes)
            and len(self.shape) >= 2
            and prod(self.shape) * self.width == self.nbytes
            and 0 < prod(self.shape[1:]) <= MAX_COLUMNS
        )

    def _cast(self, start: int, end: int) -> Bytes:
        assert self.piece is not None  # is_cast has said so
        width = self.piece.width
        held = self.base.read(self.piece, start // self.width * width, end // self.width * width)
        with np.errstate(all="ignore"):
            values = held.view(_numpy(self.piece.dtype)).astype(_numpy(self.dtype))
        return _bits_of_finite(values, self.width)

    def _shifted(self, start: int, end: int) -> Bytes:
        """Rows of the base from where they were; zeros where it has none."""
        assert self.piece is not None  # there are rows of a base
        row = row_bytes(self.nbytes, self.shape)
        found = np.zeros(end - start, np.uint8)
        number = bisect_right(self.moves, start // row, key=lambda move: move[0])
        place = start
        while place < end:
            first, other = self.moves[number - 1] if number else (0, 0)
            stop = min(end, self.moves[number][0] * row) if number < len(self.moves) else end
            there = (other - first) * row
            held = self.base.read(self.piece, there + place, there + stop)
            found[place - start : place - start + len(held)] = held
            place, number = stop, number + 1
        return found

    def _moved(self, factors: Factors, start: int, end: int) -> Bytes:
        columns = prod(self.shape[1:])
        first, last = start // self.width, end // self.width
        top, bottom = first // columns, -(-last // columns)
        assert self.piece is not None  # can_move has said so
        held = self.base.read(self.piece, top * columns * self.width, bottom * columns * self.width)
        with np.errstate(all="ignore"):
            total = product(factors[0][top:bottom], factors[1])
            total += held.view(_numpy(self.dtype)).astype(np.float32).reshape(total.shape)
            values = total.reshape(-1)[first - top * columns : last - top * columns].astype(_numpy(self.dtype))
        return _bits_of_finite(values, self.width)


def product(left: np.ndarray[Any, np.dtype[np.float32]], right: np.ndarray[Any, np.dtype[np.float32]]) -> Any:
    """``left @ right`` in float32, summed in order of rank."""
    total = np.zeros((left.shape[0], right.shape[1]), np.float32)
    one = np.empty_like(total)
    for rank in range(left.shape[1]):
        np.multiply(left[:, rank : rank + 1], right[rank], out=one)
        total += one
    return total


def _bits_of_finite(values: Any, width: int) -> Bytes:
    """The bytes of numbers; zeros for those that are not finite, whose bits differ from machine to machine."""
    bits = values.view(f"<u{width}")
    bits[~np.isfinite(values)] = 0
    found: Bytes = bits.view(np.uint8)
    return found


def _numpy(dtype: str) -> np.dtype[Any]:
    found = dtypes.numpy_dtype(dtype)
    assert found is not None  # only floating-point types come here
    return found
