"""The values that a merge works on: tensors as they are stored, or a stored tensor with an adapter folded in.

Values are handed out in runs of elements in C order, in the type of the buffer they are read into: float32, or float64
for tensors of float64.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

import numpy as np
from blake3 import blake3

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Tensor
from openshelf.analysis.weights.tiles import widen

Array = np.ndarray[Any, np.dtype[Any]]
PIECE = 1 << 19
"""Elements looked at together where nothing is computed."""

_BEGINNING = 1 << 12

MERGED_TYPES = ("float16", "bfloat16", "float32", "float64")
# The bits of the exponent: all of them set means NaN or infinity.
_EXPONENTS = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000, "float64": 0x7FF0000000000000}
_BITS: dict[int, np.dtype[Any]] = {2: np.dtype(np.uint16), 4: np.dtype(np.uint32), 8: np.dtype(np.uint64)}


Read = Callable[[int, int, Array], Array]
"""``read(start, stop, buffer)``: elements in the type of ``buffer``, in it or a view of the file, to read only."""


class Operand(Protocol):
    """One tensor of one side."""

    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def elements(self) -> int: ...

    def run(self, begin: int, end: int) -> Read:
        """What reads the elements ``[begin, end)``, a part at a time."""
        ...

    def digest(self) -> bytes:
        """The same for the same values, whatever file they are in."""
        ...

    def non_finite(self) -> int:
        """How many values are NaN or infinite; 0 for what is not of floating point."""
        ...


@dataclass(slots=True)
class Stored:
    """A tensor of a checkpoint."""

    checkpoint: Checkpoint
    tensor: Tensor
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def dtype(self) -> str:
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensor.shape

    @property
    def elements(self) -> int:
        return self.tensor.elements

    def values(self, start: int, stop: int) -> Array:
        """The elements as they are stored."""
        if self.checkpoint.can_stream(self.tensor):
            return self.checkpoint.elements(self.tensor, start, stop)
        with self._lock:
            return self.checkpoint.elements(self.tensor, start, stop)

    def pieces(self) -> Iterator[tuple[int, Array]]:
        """All elements in order, each run with the place of its first."""
        for start in range(0, self.elements, PIECE):
            yield start, self.values(start, min(start + PIECE, self.elements))

    def run(self, begin: int, end: int) -> Read:
        values = self.values(begin, end)

        def read(start: int, stop: int, buffer: Array) -> Array:
            part = values[start - begin : stop - begin]
            if part.dtype == buffer.dtype:
                return part
            into = buffer[: stop - start]
            widen(part, into)
            return into

        return read

    def digest(self) -> bytes:
        found = blake3(f"{self.dtype} {self.shape}".encode())
        for _, values in self.pieces():
            found.update(_bytes_of(values).data)
        return bytes(found.digest())

    def non_finite(self) -> int:
        if self.dtype not in _EXPONENTS:
            return 0
        return sum(count_non_finite(values, self.dtype) for _, values in self.pieces())

    def _begins_as(self, other: Stored) -> bool:
        """Whether the first elements are the same: where all values were trained, that settles it."""
        ours, theirs = (side.values(0, min(_BEGINNING, side.elements)) for side in (self, other))
        return np.array_equal(_bytes_of(ours), _bytes_of(theirs))

    def same_as(self, other: Stored) -> bool:
        """Whether type, shape and every byte are the same."""
        if self.dtype != other.dtype or self.shape != other.shape:
            return False
        if not self._begins_as(other):
            return False
        for (_, ours), (_, theirs) in zip(self.pieces(), other.pieces(), strict=True):
            if not np.array_equal(_bytes_of(ours), _bytes_of(theirs)):
                return False
        return True


@dataclass(slots=True)
class Folded:
    """A stored tensor plus ``scale`` times ``left @ right``: a LoRA adapter of it (float32, rows x rank x columns)."""

    under: Stored
    left: Array
    right: Array
    scale: float

    @property
    def dtype(self) -> str:
        return self.under.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.under.shape

    @property
    def elements(self) -> int:
        return prod(self.under.shape)

    def run(self, begin: int, end: int) -> Read:
        under = self.under.run(begin, end)

        def read(start: int, stop: int, buffer: Array) -> Array:
            into = buffer[: stop - start]
            np.add(under(start, stop, buffer), self._change(start, stop, buffer.dtype), out=into)
            return into

        return read

    def _change(self, start: int, stop: int, held: np.dtype[Any]) -> Array:
        columns = self.right.shape[1]
        first, last = start // columns, -(-stop // columns)
        rows: Array = self.left[first:last].astype(held, copy=False) @ self.right.astype(held, copy=False)
        change = rows.reshape(-1)[start - first * columns : stop - first * columns]
        change *= held.type(self.scale)
        return change

    def digest(self) -> bytes:
        found = blake3(self.under.digest())
        for part in (self.left, self.right, np.float64(self.scale)):
            found.update(np.asarray(part).tobytes())
        return bytes(found.digest())

    def non_finite(self) -> int:
        return int((~np.isfinite(self.left)).sum() + (~np.isfinite(self.right)).sum())


def wide(dtype: str) -> np.dtype[Any]:
    """The type that arithmetic on ``dtype`` is done in."""
    return np.dtype(np.float64 if dtype == "float64" else np.float32)


def count_non_finite(values: Array, dtype: str) -> int:
    """How many elements are NaN or infinite, told by their bits."""
    bits: Array = values.view(_BITS[values.dtype.itemsize])
    mask = _EXPONENTS[dtype]
    sign = 1 << (8 * bits.itemsize - 1)
    signed = bits.view(np.dtype(f"i{bits.itemsize}"))
    # Of positive values the largest signed integer tells, of negative ones the largest unsigned.
    if not len(bits) or (np.maximum.reduce(signed) < mask and np.maximum.reduce(bits) < sign | mask):
        return 0
    return int(np.count_nonzero(np.bitwise_and(bits, bits.dtype.type(mask)) == mask))


def is_merged(dtype: str) -> bool:
    """Whether values of the type are ever computed with; all others are taken from one side."""
    return dtype in MERGED_TYPES


def is_quantised(dtype: str) -> bool:
    """Whether the type holds codes, or so few bits that scales stand elsewhere."""
    return dtype in dtypes.BLOCK_TYPES or dtype.startswith(
        ("float8_", "float6_", "float4_", "int4", "uint4", "int2", "uint2")
    )


def _bytes_of(values: Array) -> Array:
    return np.ascontiguousarray(values).view(np.uint8)
