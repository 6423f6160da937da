"""The header of a GGUF file, versions 1 to 3 in either byte order: its metadata and the list of its tensors.

Layout (ggml, docs/gguf.md): ``GGUF``, u32 version, u64 tensors, u64 metadata pairs, the pairs, then for each tensor
its name, dimensions (fastest first), type and offset. In version 1 counts, lengths and dimensions are u32. In the
other byte order the version is the first number that stands the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from openshelf.analysis.checkpoints.containers.byte_cursor import ByteCursor, Malformed, check_shape
from openshelf.analysis.checkpoints.headers.gguf_values import GgufList, shown, skipped_or_kept
from openshelf.analysis.checkpoints.headers.safetensors import TensorInfo
from openshelf.analysis.files.ranges import RangeReader

MAX_PAIRS = 10_000
MAX_TENSORS = 100_000
_MAX_DIMENSIONS = 8
# Type number: name, values in a block, bytes of a block (ggml.h and ggml-common.h; gguf 0.19, GGML_QUANT_SIZES). The
# interleaved types 31 to 38 were in use in 2024. Blocks of Q8_1 are as gguf has them; no model is stored in it.
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 31: ("Q4_0_4_4", 32, 18), 32: ("Q4_0_4_8", 32, 18),
    33: ("Q4_0_8_8", 32, 18), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 36: ("IQ4_NL_4_4", 32, 18),
    37: ("IQ4_NL_4_8", 32, 18), 38: ("IQ4_NL_8_8", 32, 18), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufPair:
    """One pair of metadata, and its bytes in the file. ``value`` is a text, a number or a GgufList."""

    name: str
    value: Any
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Shapes are slowest dimension first. ``faults`` are bytes of the file, and what is wrong there."""

    version: int
    pairs: tuple[GgufPair, ...]
    tensors: tuple[TensorInfo, ...]
    header_bytes: int
    is_big_endian: bool = False
    alignment: int = 32
    faults: tuple[tuple[int, str], ...] = ()

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Pairs of name and value as text, long arrays cut."""
        return tuple((pair.name, shown(pair.value)) for pair in self.pairs)

    @property
    def values(self) -> Mapping[str, Any]:
        return {pair.name: pair.value for pair in self.pairs}

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(f"at byte {place:,}: {reason}" for place, reason in self.faults[:10])


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    shape: tuple[int, ...]
    number: int
    offset: int
    place: int


def read_gguf_header(ranges: RangeReader) -> GgufHeader:
    """Reads the header alone. Raises UnreadableFile where it is cut, malformed or too large."""
    cursor = ByteCursor(ranges)
    if cursor.take(4) != b"GGUF":
        raise Malformed(0, "the word GGUF should stand here")
    version = _version(cursor)
    place = cursor.place
    count, pairs = cursor.number(cursor.lengths), cursor.number(cursor.lengths)
    if count > MAX_TENSORS or pairs > MAX_PAIRS:
        raise Malformed(place, f"it says to have {count:,} tensors and {pairs:,} pairs of metadata: too many")
    metadata = tuple(_pair(cursor) for _ in range(pairs))
    entries = [_entry(cursor) for _ in range(count)]
    alignment = _alignment(metadata)
    start = -(-cursor.place // alignment) * alignment
    tensors = [_tensor(entry, start) for entry in entries]
    faults = tuple(_faults(metadata, entries, tensors, alignment, ranges.size))
    return GgufHeader(version, metadata, tuple(tensors), cursor.place, cursor.order == ">", alignment, faults)


def _version(cursor: ByteCursor) -> int:
    written = cursor.take(4)
    version = int.from_bytes(written, "little")
    if version & 0xFFFF == 0:
        cursor.order, version = ">", int.from_bytes(written, "big")
    if version not in (1, 2, 3):
        raise Malformed(4, f"it is of version {version}; versions 1 to 3 are read here")
    cursor.lengths = "I" if version == 1 else "Q"
    return version


def _pair(cursor: ByteCursor) -> GgufPair:
    start = cursor.place
    name = cursor.text(strict=True)
    return GgufPair(name, skipped_or_kept(cursor, cursor.number("I")), start, cursor.place)


def _entry(cursor: ByteCursor) -> _Entry:
    place = cursor.place
    name, dimensions = cursor.text(strict=True), cursor.number("I")
    if dimensions > _MAX_DIMENSIONS:
        raise Malformed(place, f"the tensor {name[:200]!r} says to have {dimensions:,} dimensions")
    shape = cursor.numbers(cursor.lengths, dimensions)[::-1]
    check_shape(shape, place)
    return _Entry(name, shape, cursor.number("I"), cursor.number("Q"), place)


def _alignment(metadata: Sequence[GgufPair]) -> int:
    for pair in metadata:
        if pair.name == "general.alignment":
            if type(pair.value) is int and 0 < pair.value <= 1 << 20 and not pair.value & (pair.value - 1):
                return pair.value
            raise Malformed(pair.start, f"general.alignment is {pair.value!r:.100}, which is no small power of two")
    return 32


def _tensor(entry: _Entry, start: int) -> TensorInfo:
    dtype, values, block = TYPES.get(entry.number, (f"type {entry.number}", 1, 0))
    begin = start + entry.offset
    return TensorInfo(entry.name, dtype, entry.shape, begin, begin + prod(entry.shape) // values * block)


def _faults(
    metadata: Sequence[GgufPair], entries: Sequence[_Entry], tensors: Sequence[TensorInfo], alignment: int, size: int
) -> Iterator[tuple[int, str]]:
    yield from ((place, f"the key {name[:200]!r} stands twice") for name, place in _repeated(metadata))
    yield from ((place, f"the tensor {name[:200]!r} stands twice") for name, place in _repeated(entries))
    for entry, tensor in zip(entries, tensors, strict=True):
        name = f"the tensor {entry.name[:200]!r}"
        row = entry.shape[-1] if entry.shape else 1
        if entry.number not in TYPES:
            yield entry.place, f"{name} is of the type {entry.number}, which is not known"
        elif row % TYPES[entry.number][1]:
            yield entry.place, f"{name} has rows of {row:,}, which is not a whole number of blocks of {tensor.dtype}"
        elif entry.offset % alignment:
            yield entry.place, f"{name} begins at {entry.offset:,} of the data, not at a multiple of {alignment}"
        elif tensor.end > size:
            yield (
                entry.place,
                f"{name} is to end at byte {tensor.end:,}; it is cut off, as the file ends at byte {size:,}",
            )
    held = sorted((one for one in tensors if one.bytes), key=lambda one: one.start)
    for before, after in pairwise(held):
        if after.start < before.end:
            yield after.start, f"the tensors {before.name[:200]!r} and {after.name[:200]!r} overlap"


def _repeated(found: Sequence[GgufPair] | Sequence[_Entry]) -> Iterator[tuple[str, int]]:
    seen: set[str] = set()
    for one in found:
        if one.name in seen:
            yield one.name, one.start if isinstance(one, GgufPair) else one.place
        seen.add(one.name)


__all__ = ["TYPES", "GgufHeader", "GgufList", "GgufPair", "read_gguf_header"]
