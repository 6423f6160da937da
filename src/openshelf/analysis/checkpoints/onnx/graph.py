"""Graphs in ONNX files: initialisers, Constant nodes, and the same in the graphs inside nodes.

Source: onnx.proto of ONNX 1.23 (messages GraphProto, NodeProto, AttributeProto, SparseTensorProto, FunctionProto).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Array, Role, Tensor, renamed
from openshelf.analysis.checkpoints.containers.byte_cursor import Malformed, check_shape
from openshelf.analysis.checkpoints.containers.protobuf import BYTES, Field, Wire, signed
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.checkpoints.onnx.tensors import PROTOBUF, Place, located, read_proto, values_of
from openshelf.analysis.checkpoints.onnx.types import value_info
from openshelf.analysis.checkpoints.sparse import zeros

SPARSE = "sparse"
"""Values and the places where they stand; all others are zero."""
MAX_TENSORS = 200_000
# Attributes of a Constant node: their field, type, and whether there is a list of them.
_PLAIN = {
    "value_float": (2, "float32", False), "value_int": (3, "int64", False), "value_string": (4, "string", False),
    "value_floats": (7, "float32", True), "value_ints": (8, "int64", True), "value_strings": (9, "string", True),
}  # fmt: skip
_GRAPHS, _CONSTANTS = (6, 11), (2, 3, 4, 5, 7, 8, 9, 22)
_OWN = ("", "ai.onnx")
_MOST_PATH = 500
"""Characters of the name of a node that stand before the names inside it."""


@dataclass(frozen=True, slots=True)
class _Sparse:
    values: tuple[Tensor, Place | None]
    indices: tuple[Tensor, Place | None]


@dataclass(slots=True)
class Graphs:
    """What is found while the graphs of a file are walked. ``places`` are those of tensors that are not plain bytes."""

    files: Files
    wire: Wire
    tensors: list[Tensor] = field(default_factory=list)
    places: dict[str, Place | _Sparse] = field(default_factory=dict)
    ops: Counter[str] = field(default_factory=Counter)
    _names: set[str] = field(default_factory=set)

    def read_graph(self, start: int, end: int, path: str, depth: int, role: Role = Role.WEIGHT) -> dict[str, Any]:
        """Adds the tensors of a GraphProto; gives its name, inputs and outputs. Raises UnreadableCheckpoint."""
        said: dict[str, Any] = {"name": "", "inputs": [], "outputs": []}
        seen: set[str] = set()
        for number, one in enumerate(self.wire.fields(start, end, depth)):
            if one.number == 1 and one.wire == BYTES:
                self._read_node(one, path, number, depth + 1)
            elif one.number == 2:
                said["name"] = self.wire.text(one)
            elif one.number in (5, 15) and one.wire == BYTES:
                self._read_initializer(one, path, seen, depth + 1, role)
            elif one.number in (11, 12) and one.wire == BYTES:
                said["inputs" if one.number == 11 else "outputs"].append(value_info(self.wire, one, depth + 1))
        # Before version 4 of the format every initialiser stood among the inputs too.
        said["inputs"] = [one for one in said["inputs"] if one["name"] not in seen]
        return said

    def read_function(self, message: Field, depth: int) -> str:
        """Adds the constants of a FunctionProto, and gives its name."""
        name, nodes = "", []
        for one in self.wire.fields(message.start, message.end, depth):
            if one.number == 1:
                name = self.wire.text(one)
            elif one.number == 7 and one.wire == BYTES:
                nodes.append(one)
        for number, node in enumerate(nodes):
            self._read_node(node, f"{name[-_MOST_PATH:] or 'function'}/", number, depth + 1)
        return name

    def _read_initializer(self, message: Field, path: str, seen: set[str], depth: int, role: Role) -> None:
        tensor: Tensor
        place: Place | _Sparse | None
        if message.number == 15:
            tensor, place = self._sparse(message, path, depth, role)
        else:
            proto = read_proto(self.wire, message.start, message.end, depth)
            tensor, place = located(self.files, self.wire, proto, path + proto.name, role)
        name = tensor.name.removeprefix(path)
        if name in seen:
            raise UnreadableCheckpoint(self.wire.name, f"the initialiser {name[:200]!r} stands twice", message.start)
        seen.add(name)
        self._add(tensor, place)

    def _add(self, tensor: Tensor, place: Place | _Sparse | None) -> None:
        """Adds a tensor; of two graphs that use one name, the second gets a number."""
        if len(self.tensors) >= MAX_TENSORS:
            raise UnreadableCheckpoint(self.wire.name, f"it has more than {MAX_TENSORS:,} tensors")
        name, number = tensor.name, 1
        while name in self._names:
            number += 1
            name = f"{tensor.name}#{number}" if number < 100 else f"{tensor.name}#{number}.{len(self.tensors)}"
        self._names.add(name)
        self.tensors.append(tensor if name == tensor.name else renamed(tensor, name))
        if place is not None:
            self.places[name] = place

    def _read_node(self, message: Field, path: str, number: int, depth: int) -> None:
        name = output = op = domain = ""
        attributes = []
        for one in self.wire.fields(message.start, message.end, depth):
            if one.number == 2 and not output:
                output = self.wire.text(one)
            elif one.number == 3:
                name = self.wire.text(one)
            elif one.number == 4:
                op = self.wire.text(one)
            elif one.number == 5 and one.wire == BYTES:
                attributes.append(one)
            elif one.number == 7:
                domain = self.wire.text(one)
        self.ops[op if domain in _OWN else f"{domain}.{op}"] += 1
        is_constant = op == "Constant" and domain in _OWN
        own = path + ((output or name) if is_constant else (name or output)) or f"{path}{op}_{number}"
        for attribute in attributes:
            self._read_attribute(attribute, own, is_constant, depth + 1)

    def _read_attribute(self, message: Field, owner: str, is_constant: bool, depth: int) -> None:
        """Graphs of any node; of a Constant, its value in whichever of the seven forms."""
        name, found = "", []
        for one in self.wire.fields(message.start, message.end, depth):
            if one.number == 1:
                name = self.wire.text(one)
            elif (one.number in _GRAPHS and one.wire == BYTES) or (is_constant and one.number in _CONSTANTS):
                found.append(one)
        graphs = [one for one in found if one.number in _GRAPHS]
        for number, graph in enumerate(graphs):
            inner = f"{owner}/{name}"[-_MOST_PATH:] + (f"_{number}" if len(graphs) > 1 else "")
            self.read_graph(graph.start, graph.end, f"{inner}/", depth + 1)
        if is_constant:
            self._read_constant(message, owner, name, [one for one in found if one not in graphs], depth)

    def _read_constant(self, message: Field, owner: str, name: str, found: list[Field], depth: int) -> None:
        number, dtype, is_list = _PLAIN.get(name, ({"value": 5, "sparse_value": 22}.get(name, 0), "", False))
        values = [one for one in found if one.number == number]
        if not dtype:
            for one in values[-1:]:
                if number == 5 and one.wire == BYTES:
                    proto = read_proto(self.wire, one.start, one.end, depth + 1)
                    self._add(*located(self.files, self.wire, proto, owner, Role.CONSTANT))
                elif one.wire == BYTES:
                    made, place = self._sparse(one, "", depth + 1, Role.CONSTANT)
                    self._add(renamed(made, owner), place)
            return
        if not values and not is_list:
            return
        values = values if is_list else values[-1:]
        count = sum(self._length(one, dtype) for one in values) if is_list else 1
        nbytes = sum(one.end - one.start for one in values)
        shape = (count,) if is_list else ()
        made = Tensor(owner, dtype, shape, self.wire.name, None, nbytes, encoding=PROTOBUF, role=Role.CONSTANT)
        self._add(made, Place(number, message.start, message.end))

    def _length(self, values: Field, dtype: str) -> int:
        if values.wire != BYTES or dtype == "string":
            return 1
        return values.value // 4 if dtype == "float32" else len(self.wire.varints(values))

    def _sparse(self, message: Field, path: str, depth: int, role: Role) -> tuple[Tensor, _Sparse]:
        values = indices = None
        dims: list[int] = []
        for one in self.wire.fields(message.start, message.end, depth):
            if one.number in (1, 2) and one.wire == BYTES:
                proto = read_proto(self.wire, one.start, one.end, depth + 1)
                name = path + proto.name if one.number == 1 else f"indices of {path}{proto.name}"
                made = located(self.files, self.wire, proto, name, role)
                values, indices = (made, indices) if one.number == 1 else (values, made)
            elif one.number == 3:
                dims += [signed(int(side)) for side in self.wire.varints(one)[:65]]
        if values is None or indices is None:
            raise UnreadableCheckpoint(self.wire.name, "a sparse tensor lacks its values or indices", message.start)
        try:
            check_shape(tuple(dims), message.start)
        except Malformed as error:
            raise UnreadableCheckpoint(self.wire.name, error.reason, message.start) from None
        first, second = values[0], indices[0]
        nbytes = first.nbytes + second.nbytes
        whole = Tensor(first.name, first.dtype, tuple(dims), self.wire.name, None, nbytes, encoding=SPARSE, role=role)
        return whole, _Sparse(values, indices)

    def decoded(self, files: Files, tensor: Tensor) -> Array:
        """The values of a tensor that is not plain bytes. Raises UnreadableValues."""
        place = self.places.get(tensor.name)
        return _dense(files, tensor, place) if isinstance(place, _Sparse) else values_of(files, tensor, place)


def _dense(files: Files, tensor: Tensor, place: _Sparse) -> Array:
    found = zeros(tensor).reshape(-1)
    values, indices = (values_of(files, *one) for one in (place.values, place.indices))
    try:
        if indices.ndim == 2:
            indices = np.ravel_multi_index(tuple(indices.astype(np.int64).T), tensor.shape)
        if indices.size and int(indices.min()) < 0:
            raise ValueError("an index below zero")
        found[indices.astype(np.int64).reshape(-1)] = values.reshape(-1)
    except (ValueError, IndexError, TypeError) as error:
        raise UnreadableValues(tensor.file, f"the indices of {tensor.name[:200]!r} do not fit: {error}") from None
    return found.reshape(tensor.shape)
