"""TensorFlow's SavedModel and frozen graphs: constants of the graph, and the variables beside it.

Source: TensorFlow, core/protobuf/saved_model.proto and meta_graph.proto. A SavedModel is a folder: ``saved_model.pb``
with one or more graphs and signatures, and a checkpoint at ``variables/variables``. A frozen graph is one GraphDef in a
file, with all weights as constants. Nothing is run: of operations only the names are listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from posixpath import dirname, join
from typing import Any

from msgspec import structs

from openshelf.analysis.checkpoints.checkpoint import Listing, Role, Tensor, renamed
from openshelf.analysis.checkpoints.containers.protobuf import BYTES, VARINT, Field, Wire
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.readers import tensorflow_checkpoint
from openshelf.analysis.checkpoints.tensorflow.graph import PROTO_VALUES, Graph, proto_values, read_graph
from openshelf.analysis.checkpoints.tensorflow.types import ONE_IN_A_BYTE, dtype_of, one_in_a_byte, read_shape

VARIABLES = "variables/variables.index"
MAX_SIGNATURES = 200
MAX_GRAPHS = 100
MAX_FIELDS = 10_000_000
_MOST_TEXT = 4096
_VARIABLE_OPS = ("VarHandleOp", "VariableV2", "Variable")
# Operations that read or write files, or call Python, when the graph is run.
FILE_OPS = frozenset(
    """
    CacheDataset CacheDatasetV2 CreateSummaryDbWriter CreateSummaryFileWriter DebugIdentity DebugIdentityV2
    DebugIdentityV3 DistributedSave EagerPyFunc ExperimentalSqlDataset FixedLengthRecordDataset
    FixedLengthRecordDatasetV2 FixedLengthRecordReader FixedLengthRecordReaderV2 InitializeTableFromTextFile
    InitializeTableFromTextFileV2 LoadDataset MatchingFiles MergeV2Checkpoints PrintV2 PyFunc PyFuncStateless ReadFile
    RegisterDataset RegisterDatasetV2 Restore RestoreSlice RestoreV2 Save SaveDataset SaveDatasetV2 SaveSlices SaveV2
    SnapshotDataset SnapshotDatasetV2 SqlDataset TextLineDataset TextLineReader TextLineReaderV2 TFRecordDataset
    TFRecordDatasetV2 TFRecordReader TFRecordReaderV2 WholeFileReader WholeFileReaderV2 WriteFile
    """.split()
)


def matches(file: OpenFile) -> bool:
    """Whether it begins with a version of the schema, and graphs are all that follows."""
    head = file.read(0, min(64, file.size))
    if len(head) < 6 or head[0] != 0x08 or head[1] >= 0x80 or head[2] != 0x12:
        return False
    length, place = _length(head, 3)
    end = place + length
    # ONNX may begin with the same two keys; there the second is a short text, and others follow.
    is_message = head[place : place + 1] in (b"\x0a", b"\x12", b"\x1a", b"\x22", b"\x2a", b"\x32", b"\x3a")
    return length > 0 and is_message and (end >= file.size or file.read(end, end + 1) == b"\x12")


def matches_graph(file: OpenFile) -> bool:
    """Whether it begins with a node that has a name and an operation."""
    head = file.read(0, min(4096, file.size))
    if len(head) < 8 or head[0] != 0x0A:
        return False
    length, place = _length(head, 1)
    if not 0 < length <= file.size - place or head[place : place + 1] != b"\x0a":
        return False
    size, place = _length(head, place + 1)
    place += size
    if head[place : place + 1] != b"\x12":
        return False
    size, place = _length(head, place + 1)
    return re.fullmatch(rb"_?[A-Z][A-Za-z0-9_]*", head[place : place + size]) is not None and size > 0


def read(files: Files, name: str) -> Listing:
    """A SavedModel: variables first, then constants."""
    wire = Wire(files.open(name), name, MAX_FIELDS)
    metas = [found for found in wire.fields(0, wire.size) if (found.number, found.wire) == (2, BYTES)]
    if len(metas) > MAX_GRAPHS:
        raise UnreadableCheckpoint(name, f"it has {len(metas):,} graphs; at most {MAX_GRAPHS} are read", 0)
    graph, facts = Graph(), []
    for found in metas:
        meta = _meta(wire, found)
        facts.append(meta)
        prefix = f"{','.join(meta.tags) or len(facts)}:" if len(metas) > 1 else ""
        for start, end in meta.graphs:
            read_graph(wire, start, end, 2, graph, prefix)
    variables = _variables(files, name)
    problems: tuple[str, ...] = ()
    if variables is None and any(graph.ops[op] for op in _VARIABLE_OPS):
        problems = (f"{name}: its graph has variables, and there is no {VARIABLES} beside it",)
    metadata = _metadata(graph, facts)
    if variables is not None:
        metadata |= {"variables": dict(variables.metadata)}
    versions = dict([("tensorflow", meta.version) for meta in facts if meta.version][:1])
    return _listing(FORMATS[0].name, graph, metadata, versions, variables, problems)


def read_frozen(files: Files, name: str) -> Listing:
    """A graph alone: its constants are the weights where they are numbers with dimensions."""
    wire = Wire(files.open(name), name, MAX_FIELDS)
    graph = Graph()
    read_graph(wire, 0, wire.size, 0, graph)
    weights = [
        structs.replace(tensor, role=Role.WEIGHT) if tensor.shape and "float" in tensor.dtype else tensor
        for tensor in graph.constants
    ]
    graph.constants = weights
    return _listing(FORMATS[1].name, graph, _metadata(graph, []), {}, None, ())


@dataclass(slots=True)
class _Meta:
    """What a MetaGraphDef says; ``graphs`` are the bytes of its GraphDef."""

    tags: list[str] = field(default_factory=list)
    version: str = ""
    graphs: list[tuple[int, int]] = field(default_factory=list)
    signatures: dict[str, Any] = field(default_factory=dict)
    assets: list[str] = field(default_factory=list)


def _listing(
    form: str,
    graph: Graph,
    metadata: dict[str, Any],
    versions: dict[str, str],
    variables: Listing | None,
    problems: tuple[str, ...],
) -> Listing:
    first: tuple[Tensor, ...] = variables.tensors if variables is not None else ()
    taken = {tensor.name for tensor in first}
    places, constants = graph.places, []
    for tensor in graph.constants:
        name = tensor.name
        while name in taken:
            name = f"graph/{name}"
        taken.add(name)
        if name != tensor.name and tensor.name in places:
            places[name] = places.pop(tensor.name)
        constants.append(renamed(tensor, name))
    decoders = {
        **(variables.decoders if variables is not None else {}),
        PROTO_VALUES: lambda files, tensor: proto_values(files, tensor, places),
        ONE_IN_A_BYTE: one_in_a_byte,
    }
    also = variables.files if variables is not None else ()
    check = variables.check if variables is not None else None
    return Listing(
        form, (*first, *constants), metadata, versions, decoders=decoders, problems=problems, files=also, check=check
    )


def _metadata(graph: Graph, metas: list[_Meta]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ops": dict(sorted(graph.ops.items())),
        "file_ops": sorted(FILE_OPS & graph.ops.keys()),
        "functions": graph.functions,
        "graph_producer": graph.producer,
    }
    if metas:
        found["tags"] = [meta.tags for meta in metas]
        found["signatures"] = metas[0].signatures
        found["assets"] = sorted({asset for meta in metas for asset in meta.assets})
    return found


def _variables(files: Files, name: str) -> Listing | None:
    index = join(dirname(name), VARIABLES)
    try:
        files.open(index)
    except UnreadableCheckpoint:
        return None
    return tensorflow_checkpoint.read(files, index)


def _meta(wire: Wire, found: Field) -> _Meta:
    meta = _Meta()
    for part in wire.fields(found.start, found.end, 1):
        if part.wire != BYTES:
            continue
        if part.number == 1:
            for info in wire.fields(part.start, part.end, 2):
                if (info.number, info.wire) == (4, BYTES) and len(meta.tags) < MAX_SIGNATURES:
                    meta.tags.append(wire.text(info, _MOST_TEXT))
                elif (info.number, info.wire) == (5, BYTES):
                    meta.version = wire.text(info, _MOST_TEXT)
        elif part.number == 2:
            meta.graphs.append((part.start, part.end))
        elif part.number == 5 and len(meta.signatures) < MAX_SIGNATURES:
            key, value = _pair(wire, part, 2)
            meta.signatures[key] = _signature(wire, value) if value is not None else {}
        elif part.number == 6 and len(meta.assets) < MAX_SIGNATURES:
            for asset in wire.fields(part.start, part.end, 2):
                if (asset.number, asset.wire) == (2, BYTES):
                    meta.assets.append(wire.text(asset, _MOST_TEXT))
    return meta


def _signature(wire: Wire, found: Field) -> dict[str, Any]:
    """Inputs and outputs of a signature: name to dtype and shape (-1 where a side may be any; None for any shape)."""
    sides: dict[str, Any] = {"inputs": {}, "outputs": {}, "method": ""}
    for part in wire.fields(found.start, found.end, 3):
        if part.wire != BYTES:
            continue
        if part.number == 3:
            sides["method"] = wire.text(part, _MOST_TEXT)
        elif part.number in (1, 2):
            side = sides["inputs" if part.number == 1 else "outputs"]
            key, value = _pair(wire, part, 4)
            if value is not None and len(side) < MAX_SIGNATURES:
                side[key] = _tensor_info(wire, value)
    return sides


def _tensor_info(wire: Wire, found: Field) -> dict[str, Any]:
    dtype = 0
    shape: tuple[int, ...] | None = None
    for part in wire.fields(found.start, found.end, 5):
        if (part.number, part.wire) == (2, VARINT):
            dtype = part.value
        elif (part.number, part.wire) == (3, BYTES):
            shape = read_shape(wire, part, 6)
    return {"dtype": dtype_of(dtype), "shape": None if shape is None else list(shape)}


def _pair(wire: Wire, found: Field, depth: int) -> tuple[str, Field | None]:
    """Key and value of an entry of a map."""
    key, value = "", None
    for part in wire.fields(found.start, found.end, depth):
        if (part.number, part.wire) == (1, BYTES):
            key = wire.text(part, _MOST_TEXT)
        elif (part.number, part.wire) == (2, BYTES):
            value = part
    return key, value


def _length(head: bytes, place: int) -> tuple[int, int]:
    """The varint at ``place``, and where it ends; 0 where it is cut off."""
    found = 0
    for shift, byte in enumerate(head[place : place + 5]):
        found |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return found, place + shift + 1
    return 0, place


FORMATS = (
    Format("tensorflow-savedmodel", "a TensorFlow SavedModel", matches, read),
    Format("tensorflow-graph", "a frozen graph of TensorFlow", matches_graph, read_frozen),
)
