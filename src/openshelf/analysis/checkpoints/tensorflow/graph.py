"""The graph of a TensorFlow model: which operations it has, and the constants that are written into it.

Source: TensorFlow, core/framework/graph.proto, function.proto, node_def.proto, attr_value.proto, tensor.proto. A graph
has nodes and a library of functions with nodes of their own. A node of the operation ``Const`` carries its values as a
TensorProto: in one piece (``tensor_content``), or each as a number, the last of which stands for all that follow.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import RAW, Array, Role, Tensor
from openshelf.analysis.checkpoints.containers.protobuf import BYTES, VARINT, Field, Wire
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.checkpoints.tensorflow.types import ONE_IN_A_BYTE, dtype_of, read_shape

PROTO_VALUES = "tensorflow-proto"
"""Values as numbers of a protobuf message. ``nbytes`` is the size of the message."""
MAX_CONSTANTS = 500_000
MAX_OPS = 5_000
MAX_DECODED = 256 * 1024 * 1024
"""The most bytes that the values of one constant may take, once those that are left out are filled in."""
_MOST_TEXT = 64 * 1024
_NODE, _LIBRARY, _VERSIONS = 1, 2, 4
_DTYPE, _SHAPE, _CONTENT = 1, 2, 4
_STRINGS, _FLOAT8 = 8, 18
# Field of a TensorProto, for each type: as what its numbers are written.
_VALUES: dict[str, tuple[int, str]] = {
    "float16": (13, "varint"), "bfloat16": (13, "varint"), "float32": (5, "<f4"), "float64": (6, "<f8"),
    "complex64": (9, "<f4"), "complex128": (12, "<f8"), "int64": (10, "varint"), "bool": (11, "varint"),
    "uint32": (16, "varint"), "uint64": (17, "varint"), "string": (_STRINGS, ""),
}  # fmt: skip


@dataclass(slots=True)
class Graph:
    """What ``read_graph`` finds. ``places``: of each constant that is written as numbers, the bytes of its message."""

    ops: Counter[str] = field(default_factory=Counter)
    constants: list[Tensor] = field(default_factory=list)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    functions: int = 0
    producer: int = 0


def read_graph(wire: Wire, start: int, end: int, depth: int, graph: Graph, prefix: str = "") -> None:
    """Add what the GraphDef in ``[start, end)`` has to ``graph``; names get the prefix. Raises UnreadableCheckpoint.

    Constants of a function are named ``FUNCTION/NODE``.
    """
    seen: set[str] = {tensor.name for tensor in graph.constants}
    for found in wire.fields(start, end, depth):
        if (found.number, found.wire) == (_NODE, BYTES):
            _node(wire, found, depth + 1, prefix, graph, seen)
        elif (found.number, found.wire) == (_LIBRARY, BYTES):
            for function in wire.fields(found.start, found.end, depth + 1):
                if (function.number, function.wire) == (1, BYTES):
                    graph.functions += 1
                    _function(wire, function, depth + 2, prefix, graph, seen)
        elif (found.number, found.wire) == (_VERSIONS, BYTES):
            for part in wire.fields(found.start, found.end, depth + 1):
                graph.producer = part.value if (part.number, part.wire) == (1, VARINT) else graph.producer


def proto_values(files: Files, tensor: Tensor, places: dict[str, tuple[int, int]]) -> Array:
    """The values of a constant that is written as numbers; texts as bytes objects."""
    start, end = places[tensor.name]
    wire = Wire(files.open(tensor.file), tensor.file)
    held = np.dtype(object) if tensor.dtype == "string" else dtypes.numpy_dtype(tensor.dtype)
    if held is None:
        raise UnreadableValues(tensor.file, f"values of the type {tensor.dtype} are not decoded ({tensor.name!r})")
    if tensor.elements * held.itemsize > MAX_DECODED:
        raise UnreadableValues(tensor.file, f"{tensor.name!r} would take more than {MAX_DECODED:,} bytes", start)
    number, kind = _VALUES.get(tensor.dtype, (_FLOAT8 if tensor.dtype.startswith("float8") else 7, "varint"))
    parts = [found for found in wire.fields(start, end) if found.number == number]
    if number == _STRINGS:
        values: Array = np.empty(len(parts), object)
        for place, part in enumerate(parts):
            values[place] = wire.content(part)
    else:
        values = _numbers(wire, parts, number, kind, tensor.dtype, held)
    if values.size > tensor.elements:
        raise UnreadableValues(tensor.file, f"{tensor.name!r} has {values.size:,} values, more than its shape", start)
    if values.size == tensor.elements:
        return values.reshape(tensor.shape)
    last: Any = values[-1] if values.size else (b"" if number == _STRINGS else held.type(0))
    whole = np.full(tensor.elements, last, held)
    whole[: values.size] = values
    return whole.reshape(tensor.shape)


def _numbers(wire: Wire, parts: list[Field], number: int, kind: str, dtype: str, held: np.dtype[Any]) -> Array:
    if number == _FLOAT8:
        return np.frombuffer(b"".join(wire.content(part) for part in parts), np.uint8).view(held)
    if kind == "varint":
        rows = [wire.varints(part) for part in parts]
        found = np.concatenate(rows) if rows else np.zeros(0, np.uint64)
        if dtype in ("float16", "bfloat16"):
            return found.astype(np.uint16).view(held)
        # What is narrower than 64 bits is cut, as a cast in C is; narrow integers go through a byte.
        return found.astype(np.int8).astype(held) if dtypes.is_packed(dtype) else found.astype(held)
    width = np.dtype(kind).itemsize
    content = b"".join(
        wire.content(part) if part.wire == BYTES else part.value.to_bytes(width, "little") for part in parts
    )
    unit = held.itemsize
    if len(content) % unit:
        raise UnreadableValues(wire.name, f"a row of values has {len(content):,} bytes, no multiple of {unit}")
    return np.frombuffer(content, held)


def _function(wire: Wire, found: Field, depth: int, prefix: str, graph: Graph, seen: set[str]) -> None:
    name, nodes = "", []
    for part in wire.fields(found.start, found.end, depth):
        if (part.number, part.wire) == (1, BYTES):
            for sign in wire.fields(part.start, part.end, depth + 1):
                name = wire.text(sign, _MOST_TEXT) if (sign.number, sign.wire) == (1, BYTES) else name
        elif (part.number, part.wire) == (3, BYTES):
            nodes.append(part)
    for node in nodes:
        _node(wire, node, depth + 1, f"{prefix}{name}/", graph, seen)


def _node(wire: Wire, found: Field, depth: int, prefix: str, graph: Graph, seen: set[str]) -> None:
    name = op = ""
    attributes: list[Field] = []
    for part in wire.fields(found.start, found.end, depth):
        if part.wire != BYTES:
            continue
        if part.number == 1:
            name = wire.text(part, _MOST_TEXT)
        elif part.number == 2:
            op = wire.text(part, _MOST_TEXT)
        elif part.number == 5:
            attributes.append(part)
    if len(graph.ops) < MAX_OPS or op in graph.ops:
        graph.ops[op[:200]] += 1
    value = _value(wire, attributes, depth + 1) if op == "Const" else None
    if value is None:
        return
    name = prefix + name
    if name in seen:
        raise UnreadableCheckpoint(wire.name, f"the node {name[:200]!r} stands twice in the graph", found.start)
    if len(seen) >= MAX_CONSTANTS:
        raise UnreadableCheckpoint(wire.name, f"its graph has more than {MAX_CONSTANTS:,} constants", found.start)
    seen.add(name)
    tensor = _constant(wire, value, depth + 3, name)
    graph.constants.append(tensor)
    if tensor.encoding == PROTO_VALUES:
        graph.places[name] = (value.start, value.end)


def _value(wire: Wire, attributes: list[Field], depth: int) -> Field | None:
    """The TensorProto in the attribute ``value`` of a node."""
    for attribute in attributes:
        key, value = "", None
        for part in wire.fields(attribute.start, attribute.end, depth):
            if (part.number, part.wire) == (1, BYTES):
                key = wire.text(part, _MOST_TEXT)
            elif (part.number, part.wire) == (2, BYTES):
                value = part
        if key == "value" and value is not None:
            for part in wire.fields(value.start, value.end, depth + 1):
                if (part.number, part.wire) == (8, BYTES):
                    return part
    return None


def _constant(wire: Wire, value: Field, depth: int, name: str) -> Tensor:
    dtype, content = 0, None
    shape: tuple[int, ...] | None = ()
    for part in wire.fields(value.start, value.end, depth):
        if (part.number, part.wire) == (_DTYPE, VARINT):
            dtype = part.value
        elif (part.number, part.wire) == (_SHAPE, BYTES):
            shape = read_shape(wire, part, depth + 1)
        elif (part.number, part.wire) == (_CONTENT, BYTES) and part.value:
            content = part
    if shape is None or any(side < 0 for side in shape):
        raise UnreadableCheckpoint(wire.name, f"the shape of the constant {name[:200]!r} is not known", value.start)
    kind = dtype_of(dtype)
    if content is None or kind == "string":
        return Tensor(name, kind, shape, wire.name, None, value.value, None, PROTO_VALUES, Role.CONSTANT)
    needed = prod(shape) if dtypes.is_packed(kind) else dtypes.stored_bytes(kind, shape)
    if needed is not None and needed != content.value:
        raise UnreadableCheckpoint(
            wire.name,
            f"the constant {name[:200]!r} needs {needed:,} bytes for its shape, {content.value:,} are given to it",
            content.start,
        )
    encoding = ONE_IN_A_BYTE if dtypes.is_packed(kind) else RAW
    return Tensor(name, kind, shape, wire.name, content.start, content.value, None, encoding, Role.CONSTANT)
