"""Writing GGUF, version 3: metadata, the list of tensors, then the data, each tensor on a multiple of 32 bytes.

Source: ggml, docs/gguf.md. Of the block types those are written that the quantiser in Python of gguf 0.19 makes;
K-quants and i-quants are made by ``llama-quantize`` of llama.cpp alone.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.headers.gguf import TYPES
from openshelf.analysis.checkpoints.writers.single import SingleFileWriter
from openshelf.analysis.checkpoints.writers.unfinished import NotWritable, PlannedTensor

QUANTISED = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4")
"""Block types that can be made of numbers here; each was tried with gguf 0.19."""
NOT_QUANTISED = tuple(name for name in dtypes.BLOCK_TYPES if name not in QUANTISED)
"""Those that cannot; tensors that are of these already are copied as they are."""
ALIGNMENT = 32
ARCHITECTURE = "general.architecture"
_NUMBERS = {dtypes.of_ggml(name): number for number, (name, _, _) in TYPES.items()}
_MOST_DIMENSIONS = 4
_MOST_NAME = 63
_TEXT, _UINT32, _INT64, _UINT64, _FLOAT64, _BOOL = 8, 4, 11, 10, 12, 7
Value = str | bool | int | float


def is_writable(dtype: str) -> bool:
    """Whether GGUF has this element type."""
    return dtype in _NUMBERS


def pair(name: str, value: Value) -> bytes:
    """One pair of metadata: a text, a truth, a whole number (u32 where it fits, else i64, u64) or a float64."""
    key = _text(name)
    if isinstance(value, bool):
        return key + struct.pack("<I?", _BOOL, value)
    if isinstance(value, str):
        return key + struct.pack("<I", _TEXT) + _text(value)
    if isinstance(value, float):
        return key + struct.pack("<Id", _FLOAT64, value)
    if 0 <= value < 1 << 32:
        return key + struct.pack("<II", _UINT32, value)
    if -(1 << 63) <= value < 1 << 63:
        return key + struct.pack("<Iq", _INT64, value)
    if value < 1 << 64 and value > 0:
        return key + struct.pack("<IQ", _UINT64, value)
    raise NotWritable(f"the metadata {name!r} is too large a number for GGUF: {value}")


class GgufWriter(SingleFileWriter):
    """Writes planned tensors to one GGUF file. ``pairs`` are whole pairs of metadata, by their names."""

    def __init__(self, path: Path, tensors: Sequence[PlannedTensor], pairs: Mapping[str, bytes]) -> None:
        if ARCHITECTURE not in pairs:
            raise NotWritable(f"a GGUF file needs {ARCHITECTURE}")
        places: dict[str, tuple[int, int]] = {}
        listed, end = [], 0
        for tensor in tensors:
            _check(tensor, places)
            listed.append(
                _text(tensor.name)
                + struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *reversed(tensor.shape))
                + struct.pack("<IQ", _NUMBERS[tensor.dtype], end)
            )
            places[tensor.name] = (end, tensor.nbytes)
            end += _aligned(tensor.nbytes)
        start = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(pairs))
        head = b"".join([start, *pairs.values(), *listed])
        head += bytes(_aligned(len(head)) - len(head))
        super().__init__(
            path, len(head) + end, [(0, head)], {name: (len(head) + at, size) for name, (at, size) in places.items()}
        )


def _check(tensor: PlannedTensor, seen: Mapping[str, object]) -> None:
    name = tensor.name
    if name in seen:
        raise NotWritable(f"the name {name!r} stands twice")
    if not is_writable(tensor.dtype):
        raise NotWritable(f"{name!r} is of the type {tensor.dtype}, which GGUF does not have")
    if not 0 < len(name.encode()) <= _MOST_NAME:
        raise NotWritable(
            f"{name[:200]!r} is longer than the {_MOST_NAME} bytes that programs read; map it with --names"
        )
    if len(tensor.shape) > _MOST_DIMENSIONS:
        raise NotWritable(f"{name!r} has {len(tensor.shape)} dimensions; GGUF has up to {_MOST_DIMENSIONS}")
    block = dtypes.BLOCK_TYPES.get(tensor.dtype)
    if block is not None and (not tensor.shape or tensor.shape[-1] % block.elements):
        raise NotWritable(f"{name!r}: rows of {tensor.dtype} have multiples of {block.elements} elements")


def _text(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
