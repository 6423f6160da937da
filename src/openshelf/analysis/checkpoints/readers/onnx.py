"""ONNX: a Protocol Buffers message with a graph, whose initialisers and constants are the tensors.

Source: onnx.proto of ONNX 1.23 (message ModelProto). Only keys and lengths are read; values are passed over.
"""

from __future__ import annotations

from typing import Any

from openshelf.analysis.checkpoints.checkpoint import Listing, Role
from openshelf.analysis.checkpoints.containers.protobuf import BYTES, VARINT, Field, Wire, signed
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.graph_facts import architecture
from openshelf.analysis.checkpoints.onnx.graph import SPARSE, Graphs
from openshelf.analysis.checkpoints.onnx.tensors import PROTOBUF, read_pair

_GRAPH = 7
# The fields of a ModelProto and their wire types; a saved_model.pb has 1 and 2 alone, and 2 is no text there.
_MODEL = {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, _GRAPH: BYTES, 8: BYTES, 14: BYTES, 20: BYTES,
          25: BYTES, 26: BYTES}  # fmt: skip
_TEXTS = {2: "producer_name", 3: "producer_version", 4: "domain", 6: "doc_string"}
_MOST_VERSION = 1000
_MOST_LOOKED_AT = 10_000
_MOST_TEXT = 4000


def matches(file: OpenFile) -> bool:
    """Whether the fields are those of a ModelProto with a graph; one that is cut off within its graph counts too."""
    if file.size < 4 or file.read(0, 1) not in b"\x08\x12\x1a\x22\x28\x32\x3a\x42":
        return False
    seen: set[int] = set()
    try:
        for one in Wire(file, "", _MOST_LOOKED_AT).fields(0, file.size):
            if _MODEL.get(one.number) != one.wire or (one.number == 1 and one.value > _MOST_VERSION):
                return False
            seen.add(one.number)
    except UnreadableCheckpoint as error:
        place = error.offset or 0
        return 1 in seen and file.read(place, min(place + 1, file.size)) == bytes([_GRAPH << 3 | BYTES])
    return {1, _GRAPH} <= seen


def read(files: Files, name: str) -> Listing:
    wire = Wire(files.open(name), name)
    graphs = Graphs(files, wire)
    said: dict[str, Any] = {"opset_imports": {}}
    for one in wire.fields(0, wire.size):
        _read_field(wire, graphs, one, said)
    said["op_counts"] = dict(graphs.ops.most_common())
    producer = said.get("producer_name")
    versions = {str(producer): str(said.get("producer_version", ""))} if producer else {}
    decoders = {PROTOBUF: graphs.decoded, SPARSE: graphs.decoded}
    return Listing(FORMAT.name, tuple(graphs.tensors), said, versions, architecture(graphs.ops), decoders)


def _read_field(wire: Wire, graphs: Graphs, one: Field, said: dict[str, Any]) -> None:
    if one.number == 1:
        said["ir_version"] = signed(one.value)
    elif one.number == 5:
        said["model_version"] = signed(one.value)
    elif one.number in _TEXTS:
        said[_TEXTS[one.number]] = wire.text(one)[:_MOST_TEXT]
    elif one.number == _GRAPH and one.wire == BYTES:
        said["graph"] = graphs.read_graph(one.start, one.end, "", 1)
    elif one.number == 8 and one.wire == BYTES:
        domain, version = _opset(wire, one)
        said["opset_imports"][domain or "ai.onnx"] = version
    elif one.number == 14 and one.wire == BYTES:
        key, value = read_pair(wire, one, 1)
        said.setdefault("metadata_props", {})[key] = value[:_MOST_TEXT]
    elif one.number == 20 and one.wire == BYTES:
        for part in wire.fields(one.start, one.end, 1):
            if part.number in (1, 2) and part.wire == BYTES:
                path = "training/initialization/" if part.number == 1 else "training/algorithm/"
                graphs.read_graph(part.start, part.end, path, 2, Role.STATE)
    elif one.number == 25 and one.wire == BYTES:
        said.setdefault("functions", []).append(graphs.read_function(one, 1))


def _opset(wire: Wire, message: Field) -> tuple[str, int]:
    domain, version = "", 0
    for one in wire.fields(message.start, message.end, 1):
        if one.number == 1:
            domain = wire.text(one)
        elif one.number == 2:
            version = signed(one.value)
    return domain, version


FORMAT = Format("onnx", "an ONNX model", matches, read)
