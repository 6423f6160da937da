"""Headers of plain formats whose numbers make no sense together: safetensors, GGUF, NumPy, MXNet, MessagePack."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import msgpack
import numpy as np
from tests.unit.checkpoints.makers.mxnet import dense, saved, sparse

from attacks import Attack

WEIGHTS, TAKEN = "weights", "taken weights"


def attacks() -> Iterator[Attack]:
    yield from _safetensors()
    yield from _gguf()
    yield from _arrays()
    yield from _mxnet()
    yield from _flax()


def _header(entries: dict[str, Any], content: bytes = b"") -> bytes:
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + content


def _f32(shape: Sequence[Any], start: Any, end: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


def _safetensors() -> Iterator[Attack]:
    # Found by the fuzzers: NumPy raises ValueError for an array of no elements and vast sides.
    vast = _header({"w": _f32([0, 2**40, 2**40], 0, 0)})
    yield Attack("a side of zero among vast ones", TAKEN, vast, "")
    two = {"a": _f32([2], 0, 8), "b": _f32([2], 4, 12)}
    yield Attack("two tensors over the same bytes", WEIGHTS, _header(two, bytes(12)), "overlap")
    yield Attack("a hole", WEIGHTS, _header({"a": _f32([1], 4, 8)}, bytes(8)), "a hole between")
    yield Attack("a tensor past the end", WEIGHTS, _header({"a": _f32([4], 0, 16)}, bytes(8)), "it is cut off")
    yield Attack(
        "sides whose product wraps",
        WEIGHTS,
        _header({"a": _f32([2**32, 2**32], 0, 0)}),
        "bytes are needed for its shape, 0 are given",
    )
    yield Attack("a negative side", WEIGHTS, _header({"a": _f32([-1, -4], 0, 16)}, bytes(16)), "no proper shape")
    yield Attack("a number that is a truth", WEIGHTS, _header({"a": _f32([True], 0, 4)}, bytes(4)), "no proper shape")
    yield Attack("a start behind its end", WEIGHTS, _header({"a": _f32([1], 8, 4)}, bytes(8)), "ends before it begins")


def _text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def _gguf_tensor(name: bytes, shape: Sequence[int], kind: int = 0, offset: int = 0) -> bytes:
    return _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def _gguf_of(*tensors: bytes, pairs: Sequence[bytes] = ()) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(64)


def _gguf() -> Iterator[Attack]:
    alignment = _text(b"general.alignment") + struct.pack("<II", 4, 0)
    yield Attack(
        "tensors aligned to 0 bytes",
        WEIGHTS,
        _gguf_of(_gguf_tensor(b"w", (1,)), pairs=[alignment]),
        "no small power of two",
    )
    yield Attack(
        "sides whose product wraps",
        WEIGHTS,
        _gguf_of(_gguf_tensor(b"w", (2**32, 2**32))),
        "no tensor can have the shape",
    )
    yield Attack("a tensor that leads outside", WEIGHTS, _gguf_of(_gguf_tensor(b"w", (4,), 0, 2**62)), "it is cut off")
    yield Attack(
        "a name twice", WEIGHTS, _gguf_of(_gguf_tensor(b"w", (1,)), _gguf_tensor(b"w", (1,), 0, 32)), "stands twice"
    )
    yield Attack(
        "4 billion dimensions",
        WEIGHTS,
        _gguf_of(_text(b"w") + struct.pack("<I", 2**32 - 1)),
        "4,294,967,295 dimensions",
    )
    many = _text(b"tokens") + struct.pack("<IIQ", 9, 8, 2**61)
    yield Attack("a list of 2^61 texts", WEIGHTS, _gguf_of(pairs=[many]), "more than can follow")


def _arrays() -> Iterator[Attack]:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (0, %d, %d), }" % (2**40, 2**40)
    yield Attack(
        "a side of zero among vast ones",
        WEIGHTS,
        b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header,
        "no tensor can have the shape",
    )
    yield Attack(
        "a header of 4 GiB",
        WEIGHTS,
        b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1) + header,
        "at most 65,536 are read",
    )
    objects = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    pickle = b"\x80\x04cposix\nsystem\n(S'false'\ntR."
    yield Attack(
        "an array of pickled objects", WEIGHTS,
        b"\x93NUMPY\1\0" + struct.pack("<H", len(objects)) + objects + pickle, "which only unpickling could read",
    )  # fmt: skip


def _mxnet() -> Iterator[Attack]:
    right = dense(np.zeros(2, "f4"))
    yield Attack("2^62 arrays", WEIGHTS, struct.pack("<QQQ", 0x112, 0, 2**62), "too many")
    yield Attack(
        "2^31 - 1 dimensions", WEIGHTS, saved([right[:8] + struct.pack("<i", 2**31 - 1)]), "2,147,483,647 dimensions"
    )
    yield Attack("more names than arrays", WEIGHTS, saved([right], ["a", "b"]), "1 arrays and 2 names")
    vast = sparse(1, (2**40, 2**15), np.zeros((1, 2), "f4"), np.array([0], np.int64))
    yield Attack("a sparse array of 2^57 bytes", TAKEN, saved([vast], ["w"]), "")


def _flax() -> Iterator[Attack]:
    yield Attack("a list of 4 billion", WEIGHTS, b"\x81\xa1w\xdd\xff\xff\xff\xff", "no format that is read here")
    yield Attack(
        "lists in lists in lists", WEIGHTS, b"\x81\xa1w" + b"\x91" * 100_000 + b"\x90", "no format that is read here"
    )
    lying = msgpack.packb({"w": msgpack.ExtType(1, msgpack.packb(([2**20, 2**20], "float32", b"")))})
    yield Attack("an array of 4 TiB in no bytes", WEIGHTS, lying, "an array has 0 bytes")
