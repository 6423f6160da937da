"""TensorFlow Lite (LiteRT) models: a FlatBuffer with graphs, tensors, and buffers that hold the values of some.

Source: TensorFlow, compiler/mlir/lite/schema/schema.fbs, version 3. A tensor without a buffer of values is an
activation and is not listed. Newer files keep large buffers behind the FlatBuffer, by offset and size.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import RAW, Array, Listing, Role, Tensor
from openshelf.analysis.checkpoints.containers.flatbuffer import FlatBuffer, Table
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format

MAGIC = b"TFL3"
DTYPES: Mapping[int, str] = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool", 7: "int16",
    8: "complex64", 9: "int8", 10: "float64", 11: "complex128", 12: "uint64", 13: "resource", 14: "variant",
    15: "uint32", 16: "uint16", 17: "int4", 18: "bfloat16", 19: "int2", 20: "uint4",
}  # fmt: skip
STRINGS, SPARSE = "tflite-strings", "tflite-sparse"
MAX_GRAPHS = 10_000
MAX_TENSORS = 500_000
MAX_DIMENSIONS = 32
MAX_LISTED = 2_000
"""How many tensors' quantisation, and how many signatures, are told in the metadata."""
MAX_SCALES = 8
_PLACEHOLDER = 1
_MODEL_GRAPHS, _MODEL_TEXT, _MODEL_BUFFERS, _MODEL_METADATA, _MODEL_SIGNATURES = 2, 3, 4, 6, 7


def matches(file: OpenFile) -> bool:
    return file.size >= 8 and file.read(4, 8) == MAGIC


def read(files: Files, name: str) -> Listing:
    file = files.open(name)
    model = FlatBuffer(file, name).root()
    buffers = model.tables(_MODEL_BUFFERS, MAX_TENSORS)
    graphs = model.tables(_MODEL_GRAPHS, MAX_GRAPHS)
    found = _Found(name, buffers)
    for number, graph in enumerate(graphs):
        found.graph(graph, number)
    metadata: dict[str, Any] = {
        "description": model.text(_MODEL_TEXT)[:2000],
        "schema_version": model.number(0, "<I"),
        "subgraphs": len(graphs),
        "custom_ops": _custom_ops(model),
        "signatures": _signatures(model),
        "quantization": found.quantization,
    }
    versions = {}
    for entry in model.tables(_MODEL_METADATA, MAX_LISTED):
        if entry.text(0) == "min_runtime_version":
            place, size = found.values(entry.number(1, "<I"))
            raw = file.read(place, place + min(size, 16)) if place is not None else b""
            versions["tflite-runtime"] = raw.rstrip(b"\0").decode("ascii", "replace")
    return Listing(
        FORMAT.name,
        tuple(found.tensors.values()),
        metadata,
        versions,
        decoders={STRINGS: _strings},
        problems=tuple(found.problems[:20]),
    )


class _Found:
    """Tensors with values, of all graphs of a model."""

    def __init__(self, name: str, buffers: list[Table]) -> None:
        self.name, self.buffers = name, buffers
        self.tensors: dict[str, Tensor] = {}
        self.quantization: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []
        self._left = MAX_TENSORS

    def graph(self, graph: Table, number: int) -> None:
        """Add the tensors of a graph; those of others than the first are named ``GRAPH/TENSOR``."""
        prefix = f"{graph.text(4)[:200] or f'subgraph{number}'}/" if number else ""
        tables = graph.tables(0, self._left)
        self._left -= len(tables)
        for index, table in enumerate(tables):
            place, size = self.values(table.number(2, "<I"))
            if place is None:
                continue
            name = prefix + (table.text(3) or f"tensor{index}")
            while name in self.tensors:
                name = f"{name}#{len(self.tensors)}"
            self.tensors[name] = self._tensor(table, name, place, size)

    def values(self, number: int) -> tuple[int | None, int]:
        """Where the values of a buffer begin, and how many bytes they are; None where it has none."""
        if number >= len(self.buffers):
            raise UnreadableCheckpoint(self.name, f"buffer {number:,} is named, and there are {len(self.buffers):,}")
        buffer = self.buffers[number]
        inside = buffer.vector(0, 1)
        if inside is not None and inside.count:
            return inside.start, inside.count
        offset, size = buffer.number(1, "<Q"), buffer.number(2, "<Q")
        if offset <= _PLACEHOLDER or not size:
            return None, 0
        end = buffer.buffer.size
        if offset + size > end:
            raise UnreadableCheckpoint(
                self.name,
                f"buffer {number:,} should end at byte {offset + size:,}, the file ends at byte {end:,}",
                min(offset, end),
            )
        return offset, size

    def _tensor(self, table: Table, name: str, place: int, size: int) -> Tensor:
        kind = table.number(1, "<b")
        dtype = DTYPES.get(kind, f"type {kind}")
        shape = tuple(table.numbers(0, "<i", MAX_DIMENSIONS + 1))
        if len(shape) > MAX_DIMENSIONS or any(side < 0 for side in shape):
            raise UnreadableCheckpoint(self.name, f"{name[:200]!r} has no proper shape: {shape}", table.place)
        is_quantised = self._quantised(table, name)
        encoding = SPARSE if table.at(6) is not None else STRINGS if dtype == "string" else RAW
        needed = dtypes.stored_bytes(dtype, shape)
        if encoding == RAW and needed is None:
            encoding = f"tflite-{dtype.replace(' ', '-')}"
        if encoding == RAW and needed is not None:
            if needed > size:
                raise UnreadableCheckpoint(
                    self.name, f"{name[:200]!r} needs {needed:,} bytes for its shape, its buffer has {size:,}", place
                )
            if needed < size:
                self.problems.append(f"{self.name}: the buffer of {name[:200]!r} has {size - needed:,} bytes too many")
                size = needed
        is_weight = is_quantised or "float" in dtype
        role = Role.WEIGHT if is_weight else Role.CONSTANT
        return Tensor(name, dtype, shape, self.name, None if encoding == SPARSE else place, size, None, encoding, role)

    def _quantised(self, table: Table, name: str) -> bool:
        """Whether integers stand for other numbers: scale times (integer minus zero point), along one dimension."""
        found = table.table(4)
        scales = found.vector(2, 4) if found is not None else None
        if found is None or scales is None or not scales.count:
            return False
        if len(self.quantization) < MAX_LISTED:
            raw = found.numbers(2, "<I", MAX_SCALES)
            self.quantization[name] = {
                "scales": [float(scale) if np.isfinite(scale) else None for scale in np.array(raw, "<u4").view("<f4")],
                "zero_points": found.numbers(3, "<q", MAX_SCALES),
                "count": scales.count,
                "dimension": found.number(6, "<i"),
            }
        return True


def _custom_ops(model: Table) -> list[str]:
    codes = model.tables(1, MAX_TENSORS)[:MAX_LISTED]
    return sorted({code.text(1)[:200] for code in codes if code.at(1) is not None} - {""})


def _signatures(model: Table) -> dict[str, Any]:
    """Key of each signature to the names of its inputs and outputs."""
    found: dict[str, Any] = {}
    for signature in model.tables(_MODEL_SIGNATURES, MAX_LISTED):
        found[signature.text(2)[:200]] = {
            side: [one.text(0)[:200] for one in signature.tables(field, MAX_LISTED)[:100]]
            for side, field in (("inputs", 0), ("outputs", 1))
        }
    return found


def _strings(files: Files, tensor: Tensor) -> Array:
    """Texts as bytes objects: how many, where each begins and the last ends, all as int32, then the bytes."""
    assert tensor.offset is not None
    content = files.open(tensor.file).read(tensor.offset, tensor.offset + tensor.nbytes)
    count = struct.unpack_from("<i", content)[0] if len(content) >= 4 else -1
    if count != prod(tensor.shape) or not 0 <= count <= (len(content) - 8) // 4:
        raise UnreadableValues(tensor.file, f"{tensor.name!r} does not hold the texts of its shape", tensor.offset)
    places = struct.unpack_from(f"<{count + 1}i", content, 4)
    found = np.empty(count, object)
    for number, (start, end) in enumerate(pairwise(places)):
        if not 0 <= start <= end <= len(content):
            raise UnreadableValues(tensor.file, f"a text of {tensor.name!r} lies outside its buffer", tensor.offset)
        found[number] = content[start:end]
    return found.reshape(tensor.shape)


FORMAT = Format("tflite", "a TensorFlow Lite model", matches, read)
