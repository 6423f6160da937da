"""Graphs and tables: ONNX, TensorFlow, TensorFlow Lite, with counts, shapes and places that lead nowhere."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from onnx import TensorProto, helper
from tests.unit.checkpoints.makers.tensorflow import MAGIC, entry, header, nested, number, sealed, table, varint
from tests.unit.checkpoints.makers.tensorflow_graphs import node, tensor
from tests.unit.checkpoints.makers.tflite import MAKERS as TFLITE

from attacks import Attack
from attacks.weights_headers import TAKEN, WEIGHTS

_DATA = "file.data-00000-of-00001"


def attacks() -> Iterator[Attack]:
    yield from _onnx()
    yield from _graphs()
    yield from _tables()
    yield from _tflite()


def _model(*tensors: TensorProto) -> bytes:
    made: bytes = helper.make_model(helper.make_graph([], "g", [], [], list(tensors))).SerializeToString()
    return made


def _outside(**said: str) -> bytes:
    found = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in said.items():
        found.external_data.add(key=key, value=value)
    return _model(found)


def _onnx() -> Iterator[Attack]:
    for place in ("../../../etc/passwd", "/etc/passwd", "a/../../b", "..\\..\\b", "weights.bin\0.onnx", ""):
        yield Attack(
            f"data at {place!r}",
            WEIGHTS,
            _outside(location=place),
            "leads outside the folder",
            {"weights.bin": bytes(8)},
        )
    past = _outside(location="weights.bin", offset="9223372036854775807", length="4")
    yield Attack("data past the end of their file", WEIGHTS, past, "that is no number", {"weights.bin": bytes(8)})
    before = _outside(location="weights.bin", offset="-4", length="4")
    yield Attack(
        "data before the beginning of their file", WEIGHTS, before, "that is no number", {"weights.bin": bytes(8)}
    )
    short = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**20, 2**20], raw_data=b"abcd")
    yield Attack("4 TiB in 4 bytes", WEIGHTS, _model(short), "has 4 bytes")
    graph = b""
    for _ in range(2000):
        graph = nested(1, nested(4, "If") + nested(5, nested(1, "b") + nested(6, graph) + number(20, 5)))
    yield Attack("graphs in graphs in graphs", WEIGHTS, number(1, 8) + nested(7, graph), "nested deeper than 100")


def _graphs() -> Iterator[Attack]:
    splat = nested(5, struct.pack("<f", 1))
    yield Attack(
        "one number for 2^50 elements",
        TAKEN,
        node("w", "Const", tensor(1, (2**25, 2**25), splat)) + node("v", "VarHandleOp"),
        "",
    )
    short = node("w", "Const", tensor(1, (2**20, 2**20), nested(4, b"abcd")))
    yield Attack("4 TiB in 4 bytes", WEIGHTS, short + node("v", "VarHandleOp"), "4 are given to it")
    negative = node("w", "Const", tensor(1, (-2, 3), nested(4, b"abcd")))
    yield Attack("a negative side", WEIGHTS, negative + node("v", "VarHandleOp"), "is not known")


def _index(entries: Mapping[bytes, bytes], said: str, name: str, data: bytes = bytes(16)) -> Attack:
    return Attack(name, WEIGHTS, table(entries), said, {_DATA: data})


def _tables() -> Iterator[Attack]:
    yield _index(
        {b"": header(), b"w": entry("float32", (4,), 8, 16)},
        "the file ends at byte 16",
        "a tensor past the end of its file",
    )
    yield _index(
        {b"": header(), b"w": entry("float32", (4,), 0, 16, 7)},
        "should be in data file 7",
        "a data file that is not one of them",
    )
    yield _index(
        {b"": header(), b"w": entry("float32", (2**31, 2**31), 0, 16)}, "16 are given to it", "4 EiB in 16 bytes"
    )
    yield _index({b"": header(2**31)}, "make no sense", "2^31 data files")
    bomb = sealed(varint(2**32 - 1) + b"\0a" + b"\xfe\x01\0" * 30, 1)
    handles = varint(0) + varint(len(bomb) - 5)
    footer = (handles + handles).ljust(40, b"\0") + MAGIC
    yield Attack("a block that says to unpack to 4 GiB", WEIGHTS, bomb + footer, "says to hold 4,294,967,295 bytes")
    itself = sealed(varint(0) + varint(1) + varint(2) + b"a" + varint(0) + varint(14) + struct.pack("<II", 0, 1))
    loop = (varint(0) + varint(len(itself) - 5)) * 2
    yield Attack("a block that leads to itself", WEIGHTS, itself + loop.ljust(40, b"\0") + MAGIC, "is malformed")
    right = table({b"": header(), b"w": entry("float32", (4,), 0, 16)})
    yield Attack("a wrong check sum", WEIGHTS, bytes([right[0] ^ 1]) + right[1:], "check sum")


def _tflite() -> Iterator[Attack]:
    right = next(iter(TFLITE.values()))()["model.tflite"]
    yield Attack("a root outside", WEIGHTS, struct.pack("<I", 2**31) + right[4:], "it refers to byte 2,147,483,648")
    root = struct.unpack_from("<I", right)[0]
    yield Attack("a table that describes itself", TAKEN, right[:root] + struct.pack("<i", 0) + right[root + 4 :], "")
    yield Attack(
        "a table described outside",
        WEIGHTS,
        right[:root] + struct.pack("<i", 2**31 - 1) + right[root + 4 :],
        "it refers to byte -2,147,483,6",
    )
