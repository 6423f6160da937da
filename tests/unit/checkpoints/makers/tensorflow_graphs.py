"""SavedModels and frozen graphs, written without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.unit.checkpoints.makers.tensorflow import entry, header, nested, number, shape_of, table, varint


def tensor(dtype: int, sides: Sequence[int], *parts: bytes) -> bytes:
    """A TensorProto."""
    return number(1, dtype) + nested(2, shape_of(sides)) + b"".join(parts)


def node(name: str, op: str, value: bytes | None = None, dtype: int = 1) -> bytes:
    """A NodeDef, as a field of its graph."""
    found = nested(1, name) + nested(2, op) + nested(3, "^other")
    found += nested(5, nested(1, "dtype") + nested(2, number(6, dtype)))
    if value is not None:
        found += nested(5, nested(1, "value") + nested(2, nested(8, value)))
    return nested(1, found)


def function(name: str, *nodes: bytes) -> bytes:
    """A FunctionDef, as a field of its library; its nodes have another number there."""
    return nested(1, nested(1, nested(1, name)) + b"".join(b"\x1a" + found[1:] for found in nodes))


def graph() -> bytes:
    floats = np.arange(6, dtype="<f4")
    return b"".join(
        [
            node("raw", "Const", tensor(1, (2, 3), nested(4, floats.tobytes()))),
            node("listed", "Const", tensor(1, (2, 3), nested(5, floats.tobytes()))),
            node("same", "Const", tensor(1, (2, 2), nested(5, floats[1:2].tobytes()))),
            node("zeros", "Const", tensor(3, (4,))),
            node("negative", "Const", tensor(3, (3,), nested(7, varint(-1) + varint(5))), 3),
            node("half", "Const", tensor(19, (2,), nested(13, varint(0x3C00) + varint(0xC000))), 19),
            node("narrow", "Const", tensor(29, (2,), nested(4, b"\x0f\x07")), 29),
            node("words", "Const", tensor(7, (2,), nested(8, "one"), nested(8, b"")), 7),
            node("v", "VarHandleOp"),
            node("read", "ReadFile"),
            nested(2, function("inner", node("raw", "Const", tensor(9, (), number(10, 7)), 9))),
            nested(4, number(1, 1882)),
        ]
    )


def signature() -> bytes:
    info = nested(1, "x:0") + number(2, 1) + nested(3, shape_of((-1, 3)))
    return nested(1, nested(1, "x") + nested(2, info)) + nested(3, "tensorflow/serving/predict")


def saved(*graphs: bytes, tags: Sequence[str] = ("serve",)) -> bytes:
    metas = b""
    for found, tag in zip(graphs, tags, strict=True):
        facts = nested(4, tag) + nested(5, "2.21.0")
        signatures = nested(5, nested(1, "serving_default") + nested(2, signature()))
        metas += nested(2, nested(1, facts) + nested(2, found) + signatures + nested(6, nested(2, "vocab.txt")))
    return number(1, 1) + metas


def saved_model() -> dict[str, bytes]:
    entries = {b"": header(), b"v": entry("float32", (3,), 0, 12)}
    return {
        "saved_model.pb": saved(graph()),
        "variables/variables.index": table(entries),
        "variables/variables.data-00000-of-00001": np.arange(3, dtype="<f4").tobytes(),
    }


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "saved-model": saved_model,
    "two-graphs": lambda: {"saved_model.pb": saved(graph(), graph(), tags=("train", "serve"))},
    "frozen": lambda: {"frozen.pb": graph()},
}
