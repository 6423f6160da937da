"""Small TensorFlow checkpoints, written without TensorFlow: sorted tables of protobuf messages, and data files."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from openshelf.analysis.checkpoints.tensorflow.bundle import Slice, slice_key
from openshelf.analysis.checkpoints.tensorflow.crc32c import crc32c, masked

MAGIC = bytes.fromhex("57fb808b247547db")
NUMBERS = {"float32": 1, "int32": 3, "string": 7, "int64": 9, "bfloat16": 14, "int4": 29}


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = b""
    while value > 0x7F:
        found, value = found + bytes([value & 0x7F | 0x80]), value >> 7
    return found + bytes([value])


def number(field: int, value: int) -> bytes:
    """A field that is a varint."""
    return varint(field << 3) + varint(value)


def nested(field: int, content: bytes | str) -> bytes:
    """A field that is a message, a text or bytes."""
    raw = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def shape_of(sides: Sequence[int]) -> bytes:
    return b"".join(nested(2, number(1, side)) for side in sides)


def block(entries: Mapping[bytes, bytes], packed: bool = False) -> bytes:
    """One block: each second key whole, the others without what they share; then its kind and sum."""
    content, places, last = b"", [], b""
    for count, (key, value) in enumerate(entries.items()):
        shared = 0
        if count % 2 == 0:
            places.append(len(content))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    content += struct.pack(f"<{len(places)}II", *places, len(places))
    return sealed(bytes(pa.compress(content, "snappy", asbytes=True)) if packed else content, int(packed))


def sealed(content: bytes, kind: int = 0) -> bytes:
    content += bytes([kind])
    return content + struct.pack("<I", masked(crc32c(content)))


def table(entries: Mapping[bytes, bytes], packed: bool = False, each: int = 3) -> bytes:
    """A sorted table with ``each`` entries in a data block."""
    content, index = b"", {}
    ordered = dict(sorted(entries.items()))
    for start in range(0, len(ordered), each):
        part = dict(list(ordered.items())[start : start + each])
        made = block(part, packed)
        index[list(part)[-1]] = varint(len(content)) + varint(len(made) - 5)
        content += made
    meta = varint(len(content)) + varint(len(block({})) - 5)
    content += block({})
    made = block(index, packed)
    handles = meta + varint(len(content)) + varint(len(made) - 5)
    return content + made + handles.ljust(40, b"\0") + MAGIC


def header(shards: int = 1, big_endian: bool = False) -> bytes:
    return number(1, shards) + (number(2, 1) if big_endian else b"") + nested(3, number(1, 1))


def entry(
    dtype: str,
    shape: Sequence[int],
    offset: int,
    size: int,
    shard: int = 0,
    slices: Sequence[Slice] = (),
    crc: int | None = None,
) -> bytes:
    check = b"" if crc is None else varint(6 << 3 | 5) + struct.pack("<I", crc)
    parts = b"".join(
        nested(7, b"".join(nested(1, number(1, start) + number(2, length)) for start, length in part))
        for part in slices
    )
    return (
        number(1, NUMBERS[dtype]) + nested(2, shape_of(shape)) + number(3, shard) + number(4, offset) + number(5, size)
        + check + parts
    )  # fmt: skip


def texts(values: Sequence[bytes]) -> tuple[bytes, int]:
    """The bytes of a tensor of texts, and their masked sum."""
    lengths = b"".join(struct.pack("<I", len(value)) for value in values)
    check = struct.pack("<I", masked(crc32c(lengths)))
    content = check + b"".join(values)
    return b"".join(varint(len(value)) for value in values) + content, masked(crc32c(lengths + content))


def plain(packed: bool = False) -> dict[str, bytes]:
    """Two data files, an optimiser's slot, a text, narrow integers."""
    kernel = np.arange(12, dtype="<f4").tobytes()
    written, crc = texts([b"graph", b""])
    entries = {
        b"": header(2),
        b"net/kernel": entry("float32", (3, 4), 0, 48, crc=masked(crc32c(kernel))),
        b"net/kernel/Adam": entry("float32", (3, 4), 0, 48, 1),
        b"net/half": entry("bfloat16", (3,), 48, 6, 1),
        b"net/narrow": entry("int4", (3,), 54, 3, 1),
        b"_CHECKPOINTABLE_OBJECT_GRAPH": entry("string", (2,), 48, len(written), 0, (), crc),
        b"save_counter": entry("int64", (), 57, 8, 1),
    }
    return {
        "m.index": table(entries, packed),
        "m.data-00000-of-00002": kernel + written,
        "m.data-00001-of-00002": kernel + b"\x80\x3f" * 3 + b"\x01\x0f\x08" + struct.pack("<q", 4),
    }


def big_endian() -> dict[str, bytes]:
    values = np.arange(6)
    entries = {
        b"": header(1, True),
        b"a": entry("float32", (2, 3), 0, 24),
        b"b": entry("int32", (6,), 24, 24),
    }
    return {
        "m.index": table(entries),
        "m.data-00000-of-00001": values.astype(">f4").tobytes() + values.astype(">i4").tobytes(),
    }


def partitioned() -> dict[str, bytes]:
    values = np.arange(24, dtype="<f4").reshape(4, 6)
    parts: list[Slice] = [((0, 1), (0, -1)), ((1, 3), (0, 2)), ((1, 3), (2, 4))]
    pieces = [values[:1], values[1:, :2], values[1:, 2:]]
    entries = {b"": header(), b"table": entry("float32", (4, 6), 0, 0, 0, parts)}
    content = b""
    for part, piece in zip(parts, pieces, strict=True):
        crc = masked(crc32c(piece.tobytes()))
        entries[slice_key(b"table", part)] = entry("float32", piece.shape, len(content), piece.nbytes, crc=crc)
        content += piece.tobytes()
    return {"m.index": table(entries), "m.data-00000-of-00001": content}


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "checkpoint": plain,
    "checkpoint-snappy": lambda: plain(packed=True),
    "checkpoint-big-endian": big_endian,
    "checkpoint-partitioned": partitioned,
}
