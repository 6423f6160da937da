"""Names of element types, one for each type in whatever format it stands, and how NumPy holds them.

The names are NumPy's where NumPy or ml_dtypes has the type (``float32``, ``bfloat16``, ``float8_e4m3fn``, ``int4``);
block types of GGUF keep the names of ggml (``Q4_0``). ``string`` and ``object`` have no fixed width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import prod

import ml_dtypes
import numpy as np

from openshelf.analysis.checkpoints.headers.gguf import TYPES as _GGML

_BITS: Mapping[str, int] = {
    "bool": 8, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "int64": 64, "uint64": 64,
    "float16": 16, "float32": 32, "float64": 64, "bfloat16": 16, "complex64": 64, "complex128": 128, "float128": 128,
    "float8_e5m2": 8, "float8_e4m3fn": 8, "float8_e4m3": 8, "float8_e8m0fnu": 8, "float8_e5m2fnuz": 8,
    "float8_e4m3fnuz": 8, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2, "float4_e2m1fn": 4, "float6_e2m3fn": 6,
    "float6_e3m2fn": 6,
}  # fmt: skip
# What ggml calls by another name and NumPy has too.
_PLAIN_GGML = {
    "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
}  # fmt: skip
FLOATS = frozenset(name for name in _BITS if name.startswith(("float", "bfloat")))


@dataclass(frozen=True, slots=True)
class BlockType:
    """Elements that are stored together: ``elements`` of them in ``nbytes`` bytes."""

    elements: int
    nbytes: int


BLOCK_TYPES: Mapping[str, BlockType] = {
    name: BlockType(elements, nbytes) for name, elements, nbytes in _GGML.values() if name not in _PLAIN_GGML
}


def of_ggml(name: str) -> str:
    """The name here of a type of ggml."""
    return _PLAIN_GGML.get(name, name)


def bits(dtype: str) -> int | None:
    """Bits of one element; None for block types, texts, objects and unknown types."""
    return _BITS.get(dtype)


def stored_bytes(dtype: str, shape: tuple[int, ...]) -> int | None:
    """Bytes of a contiguous tensor; None where dtype and shape do not tell."""
    count = prod(shape)
    if dtype in BLOCK_TYPES:
        block = BLOCK_TYPES[dtype]
        return None if count % block.elements else count // block.elements * block.nbytes
    width = _BITS.get(dtype)
    return None if width is None else (count * width + 7) // 8


@cache
def numpy_dtype(dtype: str) -> np.dtype | None:
    """How NumPy holds one element, little-endian; None where it holds none such.

    Types of less than a byte are held unpacked, one in a byte.
    """
    if dtype not in _BITS:
        return None
    if dtype == "float128":
        return np.dtype("longdouble")
    extra = getattr(ml_dtypes, dtype, None)
    return np.dtype(extra) if extra is not None else np.dtype(dtype).newbyteorder("<")


def is_packed(dtype: str) -> bool:
    """Whether several elements share a byte."""
    return (_BITS.get(dtype) or 8) < 8
