"""Two runs of elements set against each other, a tile at a time: the arithmetic of a diff.

A tile is small enough for its buffers to stay near a core, and large enough that calls do not count: each costs a few
microseconds, and with several threads, where each lets go of the interpreter and takes it back, many more. Values are
widened to float32 (float64 where a side is float64), multiplied and summed in that type within a tile, and added in
float64 across tiles. A tile whose sums are not finite, or so small that squares may have vanished, is done again in the
next wider type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Array
from openshelf.analysis.weights.rounding import sticky

TILE = 1 << 18
"""Elements. With a quarter of it a diff took a sixth more CPU time, and two threads gained nothing."""

_FLOAT16, _FLOAT32, _FLOAT64 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
_BITS: dict[int, np.dtype[Any]] = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}
# Below it squares of the type may have been rounded to zero in a sum that matters.
_SMALLEST = {_FLOAT32: 1e-30, _FLOAT64: 1e-280}

_ALIKE = 16.0
"""Where squares differ by less, the product of two vectors follows from them without losing digits."""


@dataclass(slots=True)
class Sums:
    """What adds up over tiles.

    ``squares_*``, ``product`` and ``shift`` are over elements finite on both sides, ``finite`` many.
    """

    elements: int = 0
    changed: int = 0
    unrounded: int = 0
    """Where types differ: elements of the former side that are not the later ones rounded."""
    finite: int = 0
    squares_before: float = 0.0
    squares_after: float = 0.0
    squares_change: float = 0.0
    product: float = 0.0
    shift: float = 0.0
    max_abs: float | int = 0
    flips: int = 0
    nan_before: int = 0
    nan_after: int = 0
    inf_before: int = 0
    inf_after: int = 0
    is_still: bool = False
    """Nothing changed in this piece, and only its elements were counted."""

    def add(self, other: Sums) -> None:
        self.elements += other.elements
        self.changed += other.changed
        self.unrounded += other.unrounded
        self.finite += other.finite
        self.squares_before += other.squares_before
        self.squares_after += other.squares_after
        self.squares_change += other.squares_change
        self.product += other.product
        self.shift += other.shift
        self.max_abs = max(self.max_abs, other.max_abs)
        self.flips += other.flips
        self.nan_before += other.nan_before
        self.nan_after += other.nan_after
        self.inf_before += other.inf_before
        self.inf_after += other.inf_after


@dataclass(slots=True)
class Buffers:
    """The memory of one thread, made once: 4 MB, and twice that when float64 comes."""

    wide: np.dtype[Any] = _FLOAT32
    first: Array = field(init=False)
    second: Array = field(init=False)
    ones: Array = field(init=False)
    bits: Array = field(init=False)
    flags: Array = field(init=False)

    def __post_init__(self) -> None:
        self.first, self.second = np.empty(TILE, self.wide), np.empty(TILE, self.wide)
        self.ones = np.ones(TILE, self.wide)
        self.bits, self.flags = np.empty(TILE * self.wide.itemsize, np.uint8), np.empty(TILE, bool)


def is_float(held: np.dtype[Any]) -> bool:
    """Whether elements are of floating point; those of ml_dtypes tell NumPy nothing of it."""
    return held.kind == "f" or (held.kind == "V" and not held.name.startswith(("int", "uint")))


def bits_of(values: Array) -> Array:
    """The same elements as unsigned integers of their width."""
    found: Array = values.view(_BITS[values.dtype.itemsize])
    return found


def differing_bits(first: Array, second: Array, buffers: Buffers) -> Array:
    """Each element of the one XOR that of the other, in a buffer. Both are of one type, and at most a tile."""
    one, other = bits_of(first), bits_of(second)
    return np.bitwise_xor(one, other, out=buffers.bits[: one.nbytes].view(one.dtype))


def squares(values: Array, buffers: Buffers) -> Sums:
    """The sums of a tile that is the same on both sides."""
    count = len(values)
    held = buffers.first[:count]
    widen(values, held)
    total = float(np.dot(held, held))
    if _is_safe(total, buffers.wide) or (total == 0 and not held.any()):
        return Sums(count, 0, 0, count, total, total, 0.0, total)
    return exact(values, values)


def compare(first: Array, second: Array, differing: Array | None, buffers: Buffers) -> Sums:
    """The sums of a tile of floating point. ``differing`` is what ``differing_bits`` gave, None where types differ.

    Which elements changed is for the caller to say.
    """
    count = len(first)
    before, after = buffers.first[:count], buffers.second[:count]
    widen(first, before)
    widen(second, after)
    if differing is None or differing.itemsize == 1:
        flips = _flips(differing_bits(before, after, buffers), before, after, buffers)
    else:
        flips = _flips(differing, first, second, buffers)
    squares_before, squares_after = float(np.dot(before, before)), float(np.dot(after, after))
    change = np.subtract(after, before, out=after)
    squares_change = float(np.dot(change, change))
    if not all(_is_safe(total, buffers.wide) for total in (squares_before, squares_after, squares_change)):
        return exact(first, second)
    found = Sums(count, 0, 0, count, squares_before, squares_after, squares_change)
    found.flips, found.shift = flips, float(np.dot(change, buffers.ones[:count]))
    found.max_abs = max(float(np.maximum.reduce(change)), -float(np.minimum.reduce(change)))
    if 1 / _ALIKE < squares_after / squares_before < _ALIKE:
        found.product = (squares_before + squares_after - squares_change) / 2
    else:
        widen(second, after)
        found.product = float(np.dot(before, after))
    return found


def exact(first: Array, second: Array) -> Sums:
    """The same in the next wider type, element by element, whatever the values are.

    Squares stay in that type: those of a float64 may not fit in a float64.
    """
    wide = np.dtype(np.longdouble if max(first.dtype.itemsize, second.dtype.itemsize) >= 8 else np.float64)
    before: Any = first.astype(wide)
    after: Any = second.astype(wide)
    found = Sums(len(first))
    found.nan_before, found.nan_after = int(np.isnan(before).sum()), int(np.isnan(after).sum())
    found.inf_before, found.inf_after = int(np.isinf(before).sum()), int(np.isinf(after).sum())
    if found.nan_before or found.nan_after or found.inf_before or found.inf_after:
        both = np.isfinite(before) & np.isfinite(after)
        before, after = before[both], after[both]
    found.finite = len(before)
    if found.finite:
        change = after - before
        found.squares_before, found.squares_after = (before * before).sum(), (after * after).sum()
        found.product = (before * after).sum()
        found.squares_change, found.shift = (change * change).sum(), float(change.sum())
        found.max_abs = float(np.abs(change).max())
        found.flips = int(np.count_nonzero(np.sign(before) * np.sign(after) < 0))
    return found


def compare_integers(first: Array, second: Array, buffers: Buffers) -> Sums:
    """The sums of a tile of integers or booleans, which may be of two types."""
    first, second = _as_integers(first), _as_integers(second)
    flags = np.not_equal(first, second, out=buffers.flags[: len(first)])
    changed = int(np.count_nonzero(flags))
    found = Sums(len(first), changed, changed, len(first))
    if changed:
        larger = first > second
        if first.dtype == second.dtype:
            bits, others = bits_of(first), bits_of(second)
            found.max_abs = int(np.where(larger, bits - others, others - bits).max())
        else:
            found.max_abs = max(abs(int(x) - int(y)) for x, y in zip(first[flags], second[flags], strict=True))
    return found


def count_not_rounded(first: Array, second: Array) -> int:
    """How many elements of ``second`` are not those of ``first`` rounded to its type, to nearest, ties to even.

    Any NaN counts as the rounding of any NaN. float64 may go to the types below float32 in one rounding, or by way of
    float32, as torch and ml_dtypes do; who cast it is not known.
    """
    rounded = first.astype(second.dtype)
    differ = bits_of(rounded) != bits_of(second) if rounded.dtype.itemsize in _BITS else rounded != second
    if is_float(second.dtype) and differ.any():
        differ &= ~(np.isnan(rounded) & np.isnan(second))
    if first.dtype == np.float64 and is_float(second.dtype) and second.dtype.itemsize < 4 and differ.any():
        for narrower in (sticky(first), first.astype(np.float32)):
            differ &= bits_of(narrower.astype(second.dtype)) != bits_of(second)
    return int(np.count_nonzero(differ))


def widen(values: Array, into: Array) -> None:
    """The same values in the type of ``into``."""
    held = values.dtype
    if held == _FLOAT16 and into.dtype == _FLOAT32:
        _widen_half(values, into)
    elif held.itemsize == 1 and is_float(held):
        np.take(_table(held, into.dtype), values.view(np.uint8), out=into, mode="clip")
    else:
        np.copyto(into, values, casting="unsafe")


def _widen_half(values: Array, into: Array) -> None:
    """float16 to float32 by its bits, six times as fast as the conversion of NumPy where the processor has none."""
    bits = into.view(np.int32)
    bits[:] = values.view(np.int16)
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, np.int32(-0x70000001), out=bits)
    np.multiply(into, np.float32(2.0**112), out=into)
    if max(into.max(), -into.min()) >= 65536:
        np.copyto(into, values)


_TABLES: dict[tuple[np.dtype[Any], np.dtype[Any]], Array] = {}


def _table(held: np.dtype[Any], wide: np.dtype[Any]) -> Array:
    """The value of each of the 256 bytes."""
    if (held, wide) not in _TABLES:
        _TABLES[held, wide] = np.arange(256, dtype=np.uint8).view(held).astype(wide)
    return _TABLES[held, wide]


def _is_safe(total: float, wide: np.dtype[Any]) -> bool:
    return _SMALLEST[wide] < total < float("inf")


def _flips(differing: Array, before: Array, after: Array, buffers: Buffers) -> int:
    """Elements non-zero on both sides with opposite signs, by the highest bit of each."""
    flags = np.less(differing.view(np.dtype(f"i{differing.itemsize}")), 0, out=buffers.flags[: len(differing)])
    count = int(np.count_nonzero(flags))
    if not count or not (_has_zeros(before) or _has_zeros(after)):
        return count
    first, second = before[flags], after[flags]
    return int(np.count_nonzero((first != 0) & (second != 0)))


def _has_zeros(values: Array) -> bool:
    """Whether one of the floats is 0.0 (no bits at all, the least unsigned integer) or -0.0 (the least signed one)."""
    bits = bits_of(values)
    least = np.minimum.reduce(bits.view(np.dtype(f"i{bits.itemsize}")))
    return bool(least == -1 << (8 * bits.itemsize - 1) or np.minimum.reduce(bits) == 0)


def _as_integers(values: Array) -> Array:
    if values.dtype.kind in "iu":
        return values
    if values.dtype.kind == "b":
        return values.view(np.uint8)
    return values.astype(np.uint8 if values.dtype.name.startswith("uint") else np.int8)
