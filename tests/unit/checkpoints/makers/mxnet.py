"""Small array lists of Apache MXNet, of every version of its records, written without it (ndarray.cc, 1.9)."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

NUMBERS = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7,
           "int16": 8, "uint16": 9, "uint32": 10, "uint64": 11, "bfloat16": 12}  # fmt: skip
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
W = np.arange(6, dtype=np.float32).reshape(2, 3)


def shape_of(shape: Sequence[int], code: str = "q") -> bytes:
    return struct.pack(f"<i{len(shape)}{code}", len(shape), *shape)


def dense(values: Any, version: int = V2) -> bytes:
    head = struct.pack("<I", version) if version else b""
    head += struct.pack("<i", 0) if version in (V2, V3) else b""
    head += shape_of(values.shape, "q" if version else "I")
    content: bytes = values.tobytes()
    return head + struct.pack("<3i", 1, 0, NUMBERS[values.dtype.name]) + content


def sparse(kind: int, shape: Sequence[int], values: Any, *indices: Any) -> bytes:
    head = struct.pack("<Ii", V2, kind) + shape_of(values.shape) + shape_of(shape)
    head += struct.pack("<3i", 1, 0, NUMBERS[values.dtype.name])
    head += b"".join(struct.pack("<i", NUMBERS[one.dtype.name]) + shape_of(one.shape) for one in indices)
    return head + b"".join(one.tobytes() for one in (values, *indices))


def saved(records: Sequence[bytes], names: Sequence[str] = ()) -> bytes:
    written = struct.pack("<QQQ", 0x112, 0, len(records)) + b"".join(records) + struct.pack("<Q", len(names))
    return written + b"".join(struct.pack("<Q", len(name.encode())) + name.encode() for name in names)


def rows(*numbers: int) -> bytes:
    values = np.arange(1, 3 * len(numbers) + 1, dtype=np.float32).reshape(-1, 3)
    return sparse(1, (4, 3), values, np.array(numbers, np.int64))


def csr(starts: Sequence[int], columns: Sequence[int]) -> bytes:
    values = np.arange(1, len(columns) + 1, dtype=np.float64)
    return sparse(2, (3, 4), values, np.array(starts, np.int64), np.array(columns, np.int64))


SYMBOL: dict[str, Any] = {
    "nodes": [
        {"op": "null", "name": "data", "inputs": []},
        {"op": "null", "name": "w", "inputs": []},
        {"op": "FullyConnected", "name": "fc", "inputs": [[0, 0, 0], [1, 0, 0]]},
    ],
    "arg_nodes": [0, 1],
    "heads": [[2, 0, 0]],
    "attrs": {"mxnet_version": ["int", 10901]},
}

GRAPH = json.dumps(SYMBOL, indent=2).encode()
MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "mxnet v0": lambda: {"model.params": saved([dense(W, 0), dense(W[0], 0)])},
    "mxnet V1": lambda: {"model.params": saved([dense(W, V1)], ["arg:w"])},
    "mxnet V2": lambda: {
        "model-0000.params": saved([dense(W)], ["arg:w"]),
        "model-symbol.json": json.dumps(SYMBOL, indent=2).encode(),
    },
    "mxnet V3": lambda: {"model.params": saved([dense(W, V3), dense(W[0, 0], V3)], ["w", "scalar"])},
    "mxnet sparse": lambda: {"model.params": saved([rows(0, 3), csr([0, 2, 2, 3], [0, 3, 1])], ["rows", "csr"])},
    "mxnet symbol": lambda: {"model-symbol.json": GRAPH},
}
