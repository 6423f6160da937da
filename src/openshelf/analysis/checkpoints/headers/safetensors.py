"""The header of a safetensors file: which tensors are in it, of which type and shape, and where.

Layout (safetensors format description, version 0.3 and later): 8 bytes little-endian length of the header, the header
as JSON ``{name: {dtype, shape, data_offsets: [begin, end]}}`` with an optional ``__metadata__`` of texts, then the
data; offsets count from the byte after the header. Tensors cover the data without holes or overlaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import msgspec

from openshelf.analysis.checkpoints.headers.safetensors_json import Entry, read_entries
from openshelf.analysis.files.ranges import RangeReader, UnreadableFile

FORMAT_MAX_HEADER = 100_000_000
MAX_HEADER = 16 * 1024 * 1024
"""The largest header read here, in bytes: some 100,000 tensors. The format allows ``FORMAT_MAX_HEADER``."""
MAX_TENSORS = 200_000

BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E5M2FNUZ": 8, "F8_E4M3FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


class TensorInfo(msgspec.Struct, frozen=True, gc=False):
    """One tensor. ``start`` and ``end`` are bytes of the file, not of the data section."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def parameters(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class SafetensorsHeader:
    """What the header says. ``entries`` are in the order of their bytes; ``start`` is the first of these in the file.

    ``problems``: what the format forbids but does not hide the tensors.
    """

    entries: Mapping[str, Entry]
    start: int
    metadata: Mapping[str, str]
    problems: tuple[str, ...] = ()

    @property
    def header_bytes(self) -> int:
        return self.start - 8

    @cached_property
    def tensors(self) -> tuple[TensorInfo, ...]:
        """In the order of their bytes."""
        return tuple(
            TensorInfo(name, entry.dtype[:40], entry.shape, *(self.start + place for place in entry.data_offsets))
            for name, entry in self.entries.items()
        )

    @property
    def parameters(self) -> int:
        return sum(tensor.parameters for tensor in self.tensors)

    def by_dtype(self) -> dict[str, tuple[int, int, int]]:
        """Per dtype the number of tensors, of parameters and of bytes; the largest first."""
        found: dict[str, tuple[int, int, int]] = {}
        for tensor in self.tensors:
            count, parameters, size = found.get(tensor.dtype, (0, 0, 0))
            found[tensor.dtype] = (count + 1, parameters + tensor.parameters, size + tensor.bytes)
        return dict(sorted(found.items(), key=lambda item: -item[1][2]))


def read_safetensors_header(ranges: RangeReader) -> SafetensorsHeader:
    """Reads the header alone. Raises UnreadableFile where it is cut, malformed, or larger than ``MAX_HEADER``."""
    if ranges.size < 8:
        raise UnreadableFile(f"a safetensors file begins with 8 bytes of length; this one has {ranges.size} in all")
    length = int.from_bytes(ranges.read(0, 8), "little")
    if length > FORMAT_MAX_HEADER:
        raise UnreadableFile(f"at byte 0 the header says to have {length:,} bytes; the format allows 100 MB")
    if length > MAX_HEADER:
        raise UnreadableFile(f"its header has {length:,} bytes; this hub reads headers up to {MAX_HEADER:,} bytes")
    start = 8 + length
    if start > ranges.size:
        raise UnreadableFile(f"the header should end at byte {start:,}, but the file ends at byte {ranges.size:,}")
    entries, metadata = read_entries(ranges.read(8, start))
    if len(entries) > MAX_TENSORS:
        raise UnreadableFile(f"it names {len(entries):,} tensors; this hub reads up to {MAX_TENSORS:,}")
    if _is_sound(entries, ranges.size - start):
        return SafetensorsHeader(entries, start, metadata)
    placed = dict(sorted(entries.items(), key=_place))
    return SafetensorsHeader(placed, start, metadata, tuple(_problems(placed, start, ranges.size)))


def _place(item: tuple[str, Entry]) -> tuple[int, int]:
    begin, end = item[1].data_offsets
    if begin > end:
        raise UnreadableFile(f"the tensor {item[0][:200]!r} in the header ends before it begins")
    return begin, end


def _is_sound(entries: Mapping[str, Entry], size: int) -> bool:
    """Whether each tensor begins where the one before it ends, has the bytes that its shape needs, and all have all."""
    place, bits_of = 0, BITS.get
    for entry in entries.values():
        begin, end = entry.data_offsets
        bits = bits_of(entry.dtype)
        if begin != place or bits is None or prod(entry.shape) * bits != (end - begin) * 8:
            return False
        place = end
    return place == size


def _problems(entries: Mapping[str, Entry], start: int, size: int) -> list[str]:
    """What a strict reader would refuse: wrong sizes, holes, overlaps, bytes past the end; at most ten of them."""
    found: list[str] = []
    place = start
    for name, entry in entries.items():
        bits, parameters = BITS.get(entry.dtype), prod(entry.shape)
        begin, end = (start + offset for offset in entry.data_offsets)
        if bits is None:
            found.append(f"{name}: the dtype {entry.dtype[:40]} is not known")
        elif parameters * bits != (end - begin) * 8:
            needed = (parameters * bits + 7) // 8
            found.append(f"{name}: {needed:,} bytes are needed for its shape, {end - begin:,} are given to it")
        if begin != place:
            what = "overlap" if begin < place else "a hole"
            found.append(f"{name}: {what} between bytes {place:,} and {begin:,}")
        place = max(place, end)
        if len(found) >= 10:
            return found
    if place > size:
        found.append(f"the tensors end at byte {place:,}, the file already at byte {size:,}: it is cut off")
    elif place < size:
        found.append(f"the tensors end at byte {place:,}, and {size - place:,} more bytes follow")
    return found
