"""The bytes of a tensor in another type, a part at a time, whatever its size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import structs

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import BIG_ENDIAN, RAW, Array, Checkpoint, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableValues
from openshelf.analysis.weights.rounding import sticky

STEP = 1 << 20
"""Elements at a time."""
_EXACT_IN: dict[str, frozenset[str]] = {
    "float16": frozenset(("float32", "float64")),
    "bfloat16": frozenset(("float32", "float64")),
    "float32": frozenset(("float64",)),
    "float8_e4m3fn": frozenset(("float16", "bfloat16", "float32", "float64")),
    "float8_e5m2": frozenset(("float16", "bfloat16", "float32", "float64")),
    "float4_e2m1fn": frozenset(("float16", "bfloat16", "float32", "float64")),
}


def keeps_values(before: str, after: str) -> bool:
    """Whether every value of one type has its like in the other. Block types are float32 by definition."""
    if before in dtypes.BLOCK_TYPES:
        return after in (before, "float32", "float64")
    return before == after or after in _EXACT_IN.get(before, ())


def parts(checkpoint: Checkpoint, tensor: Tensor, dtype: str) -> Iterator[bytes | memoryview]:
    """The bytes of ``tensor`` as ``dtype``, in order. Raises UnreadableValues where ``dtype`` cannot hold a value."""
    if dtype == tensor.dtype and tensor.is_plain:
        for start in range(0, tensor.nbytes, STEP * 4):
            yield checkpoint.raw(tensor, start, min(start + STEP * 4, tensor.nbytes))
        return
    if dtype == tensor.dtype and (dtype in dtypes.BLOCK_TYPES or dtypes.is_packed(dtype)):
        raise UnreadableValues(
            tensor.file, f"{tensor.name!r} is {dtype}, stored as {tensor.encoding}, and cannot be copied"
        )
    for values in _elements(checkpoint, tensor):
        yield _as(values, tensor, dtype)


def _elements(checkpoint: Checkpoint, tensor: Tensor) -> Iterator[Array]:
    """Flat runs of elements. What must be decoded is decoded in pieces too, where it lies in one piece of the file."""
    unit = _unit(tensor)
    if checkpoint.can_stream(tensor):
        for start in range(0, tensor.elements, STEP):
            yield checkpoint.elements(tensor, start, min(start + STEP, tensor.elements))
    elif tensor.offset is not None and unit is not None:
        elements, nbytes = unit
        step = STEP // elements
        for start in range(0, tensor.nbytes // nbytes, step):
            count = min(step, tensor.nbytes // nbytes - start)
            place = tensor.offset + start * nbytes
            piece = structs.replace(tensor, shape=(count * elements,), offset=place, nbytes=count * nbytes)
            yield checkpoint.array(piece).reshape(-1)
    else:
        whole = np.ascontiguousarray(checkpoint.array(tensor)).reshape(-1)
        for start in range(0, len(whole), STEP):
            yield whole[start : start + STEP]


def _unit(tensor: Tensor) -> tuple[int, int] | None:
    """Elements and bytes of the smallest part that can be decoded by itself; None where there is none."""
    if tensor.strides is not None or tensor.encoding not in (RAW, BIG_ENDIAN):
        return None
    block = dtypes.BLOCK_TYPES.get(tensor.dtype)
    if block is not None:
        return block.elements, block.nbytes
    bits = dtypes.bits(tensor.dtype)
    return (1, bits // 8) if bits and bits % 8 == 0 else None


def _as(values: Array, tensor: Tensor, dtype: str) -> bytes | memoryview:
    if dtype in dtypes.BLOCK_TYPES:
        return _quantised(values, tensor, dtype)
    held = dtypes.numpy_dtype(dtype)
    if held is None or dtypes.is_packed(dtype):
        raise UnreadableValues(tensor.file, f"{tensor.name!r} cannot be written as {dtype}")
    with np.errstate(all="ignore"):
        narrower = sticky(values) if held.itemsize < 4 and dtype in dtypes.FLOATS else values
        found = np.ascontiguousarray(narrower.astype(held, copy=False))
    if held.itemsize < values.dtype.itemsize and dtype in dtypes.FLOATS:
        _check_range(values, found, tensor, dtype)
    return found.view(np.uint8).data if found.size else b""


def _check_range(values: Array, found: Array, tensor: Tensor, dtype: str) -> None:
    """Rounding was allowed; a finite number that becomes infinite or NaN is a fault."""
    with np.errstate(all="ignore"):
        lost = np.isfinite(values) & ~np.isfinite(found)
        if lost.any():
            first = float(values[int(np.argmax(lost))])
            raise UnreadableValues(
                tensor.file, f"{tensor.name!r} has values that {dtype} cannot hold, as {first:g}; choose a wider type"
            )


def _quantised(values: Array, tensor: Tensor, dtype: str) -> bytes:
    from gguf import GGMLQuantizationType, quants

    numbers: Any = np.ascontiguousarray(values.astype(np.float32, copy=False)).reshape(1, -1)
    if not np.isfinite(numbers).all():
        raise UnreadableValues(tensor.file, f"{tensor.name!r} has values that are not finite; {dtype} has none such")
    with np.errstate(all="ignore"):
        found: bytes = quants.quantize(numbers, GGMLQuantizationType[dtype]).tobytes()
    return found
