"""The header of a safetensors file: which tensors are in it, of which type and shape, and where.

Layout (safetensors format description, version 0.3 and later): 8 bytes little-endian length of the header, the header
as JSON ``{name: {dtype, shape, data_offsets: [begin, end]}}`` with an optional ``__metadata__`` of texts, then the
data; offsets count from the byte after the header. Tensors cover the data without holes or overlaps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from operator import attrgetter
from typing import Any

from openshelf.analysis.files.ranges import RangeReader, UnreadableFile

FORMAT_MAX_HEADER = 100_000_000
MAX_HEADER = 16 * 1024 * 1024
"""The largest header read here, in bytes: some 100,000 tensors. The format allows ``FORMAT_MAX_HEADER``."""
MAX_TENSORS = 200_000
MAX_DIMENSIONS = 32
METADATA = "__metadata__"

BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E5M2FNUZ": 8, "F8_E4M3FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorInfo:
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


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    """Tensors in the order of their bytes. ``problems``: what the format forbids but does not hide the tensors."""

    tensors: tuple[TensorInfo, ...]
    metadata: Mapping[str, str]
    header_bytes: int
    problems: tuple[str, ...] = ()

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


_PLACE = attrgetter("start", "end")


class DuplicateName(UnreadableFile):
    """A name that stands twice in the header: readers would disagree on which tensor it means."""


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
    entries = _entries(ranges.read(8, start))
    metadata = _metadata(entries.pop(METADATA, {}))
    if len(entries) > MAX_TENSORS:
        raise UnreadableFile(f"it names {len(entries):,} tensors; this hub reads up to {MAX_TENSORS:,}")
    tensors = sorted([_tensor(name, entry, start) for name, entry in entries.items()], key=_PLACE)
    return SafetensorsHeader(tuple(tensors), metadata, length, tuple(_problems(tensors, start, ranges.size)))


def _entries(header: bytes) -> dict[str, Any]:
    try:
        found = json.loads(header.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"the header is not UTF-8 at byte {8 + error.start:,}") from None
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"the header is not JSON at byte {8 + error.pos:,}: {error.msg}") from None
    except RecursionError:
        raise UnreadableFile("the header is nested too deep") from None
    except ValueError as error:
        raise (
            error if isinstance(error, UnreadableFile) else UnreadableFile(f"the header is malformed: {error}")
        ) from None
    if not isinstance(found, dict):
        raise UnreadableFile("the header is not a JSON object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise DuplicateName(f"the header has the name {name[:200]!r} twice")
            seen.add(name)
    return found


def _no_number(word: str) -> Any:
    raise UnreadableFile(f"the header has {word}, which is not JSON")


def _metadata(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UnreadableFile(f"{METADATA} in the header must be names with texts")
    return found


def _tensor(name: str, entry: Any, start: int) -> TensorInfo:
    try:
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError):
        raise _wrong(name, _missing(entry)) from None
    if type(dtype) is not str:
        raise _wrong(name, "has no dtype")
    if type(shape) is not list or len(shape) > MAX_DIMENSIONS or not _are_sizes(shape):
        raise _wrong(name, "has no proper shape")
    if type(offsets) is not list or len(offsets) != 2 or not _are_sizes(offsets):
        raise _wrong(name, "has no proper data_offsets")
    if offsets[0] > offsets[1]:
        raise _wrong(name, "ends before it begins")
    return TensorInfo(name, dtype[:40], tuple(shape), start + offsets[0], start + offsets[1])


def _wrong(name: str, why: str) -> UnreadableFile:
    return UnreadableFile(f"the tensor {name[:200]!r} in the header {why}")


def _missing(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "is not an object"
    missing = next(key for key in ("dtype", "shape", "data_offsets") if key not in entry)
    return "has no dtype" if missing == "dtype" else f"has no proper {missing}"


def _are_sizes(values: list[Any]) -> bool:
    for value in values:  # noqa: SIM110 - a loop, because headers have many thousands of these
        if type(value) is not int or not 0 <= value < 1 << 63:
            return False
    return True


def _problems(tensors: list[TensorInfo], start: int, size: int) -> list[str]:
    """What a strict reader would refuse: wrong sizes, holes, overlaps, bytes past the end; at most ten of them."""
    found: list[str] = []
    place = start
    for tensor in tensors:
        bits, parameters = BITS.get(tensor.dtype), prod(tensor.shape)
        if bits is None:
            found.append(f"{tensor.name}: the dtype {tensor.dtype} is not known")
        elif parameters * bits != (tensor.end - tensor.start) * 8:
            needed = (parameters * bits + 7) // 8
            found.append(f"{tensor.name}: {needed:,} bytes are needed for its shape, {tensor.bytes:,} are given to it")
        if tensor.start != place:
            what = "overlap" if tensor.start < place else "a hole"
            found.append(f"{tensor.name}: {what} between bytes {place:,} and {tensor.start:,}")
        place = max(place, tensor.end)
        if len(found) >= 10:
            return found
    if place > size:
        found.append(f"the tensors end at byte {place:,}, the file already at byte {size:,}: it is cut off")
    elif place < size:
        found.append(f"the tensors end at byte {place:,}, and {size - place:,} more bytes follow")
    return found
