"""Small TensorFlow Lite models, written as FlatBuffers by hand."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

FLOAT32, INT32, STRING, INT8, INT4 = 0, 2, 5, 9, 17


def number(code: str, value: float) -> tuple[str, float]:
    return f"<{code}", value


def flatbuffer(root: Mapping[int, Any], magic: bytes = b"TFL3") -> bytes:
    """A file of the table ``root``: field to number, table (a mapping), text, bytes, or list of numbers or tables."""
    out = bytearray(8)
    out[4:8] = magic
    _table(out, 0, root)
    return bytes(out)


def _table(out: bytearray, reference: int, fields: Mapping[int, Any]) -> None:
    """A table, its vtable in front of it, and what it refers to behind it; ``reference`` is where it is referred to."""
    out += bytes(-len(out) % 8)
    count = max(fields, default=-1) + 1
    vtable = len(out)
    out += bytes((4 + 2 * count + 7) // 8 * 8)
    table = len(out)
    struct.pack_into("<I", out, reference, table - reference)
    out += struct.pack("<i", table - vtable)
    places: dict[int, int] = {}
    for field, value in fields.items():
        code, plain = value if isinstance(value, tuple) else ("<I", 0)
        out += bytes(-len(out) % struct.calcsize(code))
        places[field] = len(out)
        out += struct.pack(code, plain)
    struct.pack_into("<HH", out, vtable, 4 + 2 * count, len(out) - table)
    for field, place in places.items():
        struct.pack_into("<H", out, vtable + 4 + 2 * field, place - table)
        if not isinstance(fields[field], tuple):
            _referred(out, place, fields[field])


def _referred(out: bytearray, place: int, value: Any) -> None:
    if isinstance(value, dict):
        _table(out, place, value)
        return
    out += bytes(-len(out) % 4)
    struct.pack_into("<I", out, place, len(out) - place)
    if isinstance(value, str | bytes):
        raw = value.encode() if isinstance(value, str) else value
        out += struct.pack("<I", len(raw)) + raw + b"\0"
    elif value and isinstance(value[0], dict):
        start = len(out) + 4
        out += struct.pack("<I", len(value)) + bytes(4 * len(value))
        for index, table in enumerate(value):
            _table(out, start + 4 * index, table)
    else:
        out += struct.pack("<I", len(value)) + b"".join(struct.pack(code, one) for code, one in value)


def tensor(name: str, kind: int, shape: Sequence[int], buffer: int, **more: Any) -> dict[int, Any]:
    found: dict[int, Any] = {
        0: [number("i", side) for side in shape], 1: number("b", kind), 2: number("I", buffer), 3: name,
    }  # fmt: skip
    return found | {int(field[1:]): value for field, value in more.items()}


def scaled(*scales: float) -> dict[int, Any]:
    """Quantisation parameters, one scale for each row."""
    return {2: [number("f", scale) for scale in scales], 3: [number("q", 0) for _ in scales], 6: number("i", 0)}


def texts(*values: bytes) -> bytes:
    place, places = 8 + 4 * len(values), []
    for value in values:
        places.append(place)
        place += len(value)
    return struct.pack(f"<{len(values) + 2}i", len(values), *places, place) + b"".join(values)


def model(tensors: Sequence[Any], buffers: Sequence[Any], more: Sequence[Any] = ()) -> dict[int, Any]:
    graphs = [{0: list(tensors), 4: "main"}, *({0: list(one), 4: "body"} for one in more)]
    return {
        0: number("I", 3), 1: [{1: "MyOp"}, {3: number("i", 9)}], 2: graphs, 3: "made by hand", 4: list(buffers),
        6: [{0: "min_runtime_version", 1: number("I", len(buffers) - 1)}],
        7: [{0: [{0: "x", 1: number("I", 0)}], 1: [{0: "y", 1: number("I", 1)}], 2: "serve"}],
    }  # fmt: skip


def plain() -> dict[str, bytes]:
    kernel = np.arange(6, dtype="<f4").tobytes()
    buffers = [{}, {0: kernel}, {0: b"\xf1\x07"}, {0: np.array([1, 2], "<i4").tobytes()}, {0: texts(b"a", b"", b"bcd")}]
    tensors = [
        tensor("input", FLOAT32, (1, 3), 0),
        tensor("kernel", FLOAT32, (2, 3), 1),
        tensor("narrow", INT4, (3,), 2, f4=scaled(0.5, 0.25)),
        tensor("axes", INT32, (2,), 3),
        tensor("words", STRING, (3,), 4),
    ]
    more = [[tensor("kernel", FLOAT32, (6,), 1), tensor("", FLOAT32, (6,), 1), tensor("", FLOAT32, (6,), 1)]]
    return {"model.tflite": flatbuffer(model(tensors, [*buffers, {0: b"2.6.0\0\0\0"}], more))}


def outside() -> dict[str, bytes]:
    """Values behind the FlatBuffer, as models of more than 2 GB have them."""
    values = np.arange(6, dtype="<f4").tobytes()
    sizes = {1: number("Q", 1 << 20), 2: number("Q", len(values))}
    tensors = [tensor("kernel", FLOAT32, (2, 3), 1), tensor("later", FLOAT32, (2, 3), 2)]
    waiting = {1: number("Q", 1), 2: number("Q", 24)}
    size = len(flatbuffer(model(tensors, [{}, sizes, waiting, {0: b"2.6.0"}])))
    sizes[1] = number("Q", size)
    return {"model.tflite": flatbuffer(model(tensors, [{}, sizes, waiting, {0: b"2.6.0"}])) + values}


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {"plain": plain, "outside": outside}
