"""The index of a TensorFlow checkpoint, version 2: which tensor lies where in which data file.

Source: TensorFlow, core/protobuf/tensor_bundle.proto, core/util/tensor_bundle and core/util/saved_tensor_slice_util.
It is a sorted table: under the empty key a header, under each name an entry. Where a variable was partitioned, its
entry names the slices only; each slice has an entry of its own, under a key that codes name and extents.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.containers.protobuf import BYTES, FIXED32, VARINT, Field, Wire, signed
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFile, OpenFile
from openshelf.analysis.checkpoints.tensorflow.sorted_table import SortedTable
from openshelf.analysis.checkpoints.tensorflow.types import dtype_of, read_shape

_WHOLE = -1
Slice = tuple[tuple[int, int], ...]
"""For each dimension where the slice begins and how long it is; length -1 is the whole dimension."""


@dataclass(frozen=True, slots=True)
class Header:
    shards: int
    is_big_endian: bool
    producer: int


@dataclass(frozen=True, slots=True)
class Entry:
    """``offset`` and ``size`` are bytes of the data file ``shard``; ``crc`` is masked."""

    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int | None
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Tensors in the order of their names; ``parts`` are the entries of slices, by the key that ``slice_key`` gives."""

    header: Header
    tensors: dict[bytes, Entry]
    parts: dict[bytes, Entry]


def read_bundle(file: OpenFile, name: str) -> Bundle:
    """The whole index. Raises UnreadableCheckpoint."""
    header: Header | None = None
    entries: dict[bytes, Entry] = {}
    for key, value in SortedTable(file, name).entries():
        try:
            if not key:
                header = _header(Wire(HeldFile(name, value), name))
            else:
                entries[key] = _entry(Wire(HeldFile(name, value), name))
        except UnreadableCheckpoint as error:
            what = repr(key[:200].decode("utf-8", "backslashreplace")) if key else "the header"
            raise UnreadableCheckpoint(name, f"the entry of {what} is malformed: {error.reason}") from None
    if header is None:
        raise UnreadableCheckpoint(name, "it is a sorted table, but no index of a checkpoint: the header is missing")
    wanted = {slice_key(key, part) for key, entry in entries.items() for part in entry.slices}
    parts = {key: entries.pop(key) for key in wanted if key in entries}
    return Bundle(header, entries, parts)


def slice_key(name: bytes, part: Slice) -> bytes:
    """The key of one slice: zero, the name, the number of dimensions, and each start and length, so that keys sort."""
    text = b"\xff\0".join(piece.replace(b"\0", b"\0\xff") for piece in name.split(b"\xff"))
    count = len(part)
    numbers = b"".join(_ordered(start) + _ordered(length) for start, length in part)
    return b"\0" + text + b"\0\1" + (bytes([1, count]) if count else b"\0") + numbers


def extents(part: Slice, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The part of a tensor of ``shape`` that a slice is. Raises ValueError where it lies outside."""
    if len(part) != len(shape):
        raise ValueError(f"it has {len(part)} dimensions, its tensor {len(shape)}")
    found = []
    for (start, length), side in zip(part, shape, strict=True):
        begin, end = (0, side) if length == _WHOLE else (start, start + length)
        if not 0 <= begin <= end <= side:
            raise ValueError(f"it goes from {begin:,} to {end:,} of {side:,}")
        found.append(slice(begin, end))
    return tuple(found)


def stored_size(entry: Entry) -> int | None:
    """The bytes that dtype and shape ask for; None where they do not tell. Narrow integers take a byte each."""
    count = prod(entry.shape)
    return count if dtypes.is_packed(entry.dtype) else dtypes.stored_bytes(entry.dtype, entry.shape)


def _ordered(value: int) -> bytes:
    """A signed number as bytes that sort as the number does (OrderedCode::WriteSignedNumIncreasing)."""
    size = value if value >= 0 else ~value
    if size < 64:
        return bytes([0x80 ^ (value & 0xFF)])
    length = (size.bit_length() + 7) // 7
    content = bytearray(value.to_bytes(10, "big", signed=True)[10 - length :])
    head = ((1 << length) - 1) << (16 - length)
    content[0] ^= head >> 8
    content[1] ^= head & 0xFF
    return bytes(content)


def _header(wire: Wire) -> Header:
    shards, endianness, producer = 0, 0, 0
    for field in wire.fields(0, wire.size):
        if (field.number, field.wire) == (1, VARINT):
            shards = field.value
        elif (field.number, field.wire) == (2, VARINT):
            endianness = field.value
        elif (field.number, field.wire) == (3, BYTES):
            for part in wire.fields(field.start, field.end, 1):
                producer = part.value if (part.number, part.wire) == (1, VARINT) else producer
    if not 0 < shards <= 99_999 or endianness > 1:
        raise UnreadableCheckpoint(wire.name, f"{shards:,} data files in the byte order {endianness} make no sense")
    return Header(shards, endianness == 1, producer)


def _entry(wire: Wire) -> Entry:
    numbers = {1: 0, 3: 0, 4: 0, 5: 0}
    shape: tuple[int, ...] | None = ()
    crc: int | None = None
    slices: list[Slice] = []
    for field in wire.fields(0, wire.size):
        if field.wire == VARINT and field.number in numbers:
            numbers[field.number] = field.value
        elif (field.number, field.wire) == (2, BYTES):
            shape = read_shape(wire, field, 1)
        elif (field.number, field.wire) == (6, FIXED32):
            crc = field.value
        elif (field.number, field.wire) == (7, BYTES):
            slices.append(_slice(wire, field))
    if shape is None or any(side < 0 for side in shape):
        raise UnreadableCheckpoint(wire.name, "its shape is not known")
    return Entry(dtype_of(numbers[1]), shape, numbers[3], numbers[4], numbers[5], crc, tuple(slices))


def _slice(wire: Wire, field: Field) -> Slice:
    found: list[tuple[int, int]] = []
    for extent in wire.fields(field.start, field.end, 1):
        if (extent.number, extent.wire) == (1, BYTES):
            start, length = 0, _WHOLE
            for part in wire.fields(extent.start, extent.end, 2):
                if part.wire == VARINT and part.number == 1:
                    start = signed(part.value)
                elif part.wire == VARINT and part.number == 2:
                    length = signed(part.value)
            found.append((start, length))
    if len(found) > 255:
        raise UnreadableCheckpoint(wire.name, f"a slice has {len(found):,} dimensions")
    return tuple(found)
