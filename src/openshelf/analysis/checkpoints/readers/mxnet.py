"""Apache MXNet: a list of arrays with or without names (``.params``), of every version of its records.

Source: src/ndarray/ndarray.cc of MXNet 1.9 (``NDArray::Save``, ``NDArray::Load``, ``LegacyLoad``): u64 0x112, u64 0,
u64 count, the records, u64 count of names, each a u64 length and bytes. Names keep the ``arg:`` and ``aux:`` that stand
before them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from openshelf.analysis.checkpoints.checkpoint import Array, Listing, Tensor
from openshelf.analysis.checkpoints.containers.byte_cursor import ByteCursor, Malformed, check_shape
from openshelf.analysis.checkpoints.dtypes import stored_bytes
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.graph_facts import architecture
from openshelf.analysis.checkpoints.mxnet_symbol import Symbol, is_symbol, read_symbol, symbol_beside
from openshelf.analysis.checkpoints.sparse import Piece, dense_csr, dense_rows

MAX_ARRAYS = 200_000
_MAGIC = (0x112).to_bytes(16, "little")
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_MOST_DIMENSIONS = 64
_DTYPES = {0: "float32", 1: "float64", 2: "float16", 3: "uint8", 4: "int32", 5: "int8", 6: "int64", 7: "bool",
           8: "int16", 9: "uint16", 10: "uint32", 11: "uint64", 12: "bfloat16"}  # fmt: skip
_DENSE, _ROW_SPARSE, _CSR = "raw", "row_sparse", "csr"
# Storage type: its name, and how many arrays of indices follow the values.
_STORAGE = {0: (_DENSE, 0), 1: (_ROW_SPARSE, 1), 2: (_CSR, 2)}


@dataclass(frozen=True, slots=True)
class _Record:
    """An array: its shape, and its values; of a sparse one, those that are not zero, and their indices."""

    shape: tuple[int, ...]
    kind: str
    values: Piece
    indices: tuple[Piece, ...] = ()


def matches(file: OpenFile) -> bool:
    return file.size >= 24 and file.read(0, 16) == _MAGIC


def read(files: Files, name: str) -> Listing:
    file = files.open(name)
    cursor = ByteCursor(file, 16)
    count = cursor.number("Q")
    if count > MAX_ARRAYS or count * 4 > file.size:
        raise Malformed(16, f"it says to have {count:,} arrays: too many")
    records = [_record(cursor) for _ in range(count)]
    names = _names(cursor, count)
    empty = [named for named, one in zip(names, records, strict=True) if one is None]
    problems = [f"the array {named[:200]!r} holds nothing" for named in empty]
    if cursor.place < file.size:
        problems.append(f"{file.size - cursor.place:,} bytes follow the names")
    held = {named: one for named, one in zip(names, records, strict=True) if one is not None}
    tensors = tuple(_tensor(named, one, name) for named, one in held.items())

    def dense(files: Files, tensor: Tensor) -> Array:
        if tensor.name not in held:
            raise UnreadableValues(tensor.file, f"the values of {tensor.name[:200]!r} cannot be found again")
        one = held[tensor.name]
        make = dense_rows if one.kind == _ROW_SPARSE else dense_csr
        return make(files.open(tensor.file), tensor, one.values, one.indices)

    listing = Listing(FORMAT.name, tensors, decoders={_ROW_SPARSE: dense, _CSR: dense}, problems=tuple(problems[:20]))
    return _with_symbol(files, name, listing)


def _record(cursor: ByteCursor) -> _Record | None:
    start = cursor.place
    magic = cursor.number("I")
    kind, parts, held = _DENSE, 0, None
    if magic in (_V2, _V3):
        number = cursor.number("i")
        if number not in _STORAGE:
            raise Malformed(start, f"an array is stored in the way {number}, which is not known")
        kind, parts = _STORAGE[number]
        held = _shape(cursor) if parts else None
        shape = _shape(cursor)
    elif magic == _V1:
        shape = _shape(cursor)
    else:
        shape = _legacy_shape(cursor, magic, start)
    if shape is None or (not shape and magic != _V3):
        return None
    cursor.skip(8)  # The kind and number of the device that it was on.
    dtype = _dtype(cursor)
    below = [(_dtype(cursor), _shape(cursor) or ()) for _ in range(parts)]
    values = _piece(cursor, dtype, shape if held is None else held)
    return _Record(shape, kind, values, tuple(_piece(cursor, *one) for one in below))


def _shape(cursor: ByteCursor) -> tuple[int, ...] | None:
    """None where it is not known: such an array holds nothing."""
    start = cursor.place
    dimensions = cursor.number("i")
    if dimensions > _MOST_DIMENSIONS or dimensions < -1:
        raise Malformed(start, f"an array says to have {dimensions:,} dimensions")
    if dimensions < 0:
        return None
    shape = cursor.numbers("q", dimensions)
    if any(side == -1 for side in shape):
        return None
    check_shape(shape, start)
    return shape


def _legacy_shape(cursor: ByteCursor, dimensions: int, start: int) -> tuple[int, ...]:
    """In the oldest files a record begins with the number of dimensions."""
    if dimensions > _MOST_DIMENSIONS:
        raise Malformed(start, f"an array begins with {dimensions:#x}, which no version of MXNet writes")
    shape = cursor.numbers("I", dimensions)
    check_shape(shape, start)
    return shape


def _dtype(cursor: ByteCursor) -> str:
    start = cursor.place
    number = cursor.number("i")
    if number not in _DTYPES:
        raise Malformed(start, f"an array is of the type {number}, which is not known")
    return _DTYPES[number]


def _piece(cursor: ByteCursor, dtype: str, shape: tuple[int, ...]) -> Piece:
    start, nbytes = cursor.place, stored_bytes(dtype, shape) or 0
    cursor.skip(nbytes)
    return Piece(dtype, shape, start, nbytes)


def _names(cursor: ByteCursor, count: int) -> Sequence[str]:
    start = cursor.place
    named = cursor.number("Q")
    if named not in (0, count):
        raise Malformed(start, f"it has {count:,} arrays and {named:,} names")
    names = [cursor.text(strict=True) for _ in range(named)] or [str(number) for number in range(count)]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Malformed(start, f"the array {name[:200]!r} stands twice")
        seen.add(name)
    return names


def _tensor(name: str, one: _Record, file: str) -> Tensor:
    return Tensor(name, one.values.dtype, one.shape, file, one.values.start, one.values.nbytes, encoding=one.kind)


def _with_symbol(files: Files, name: str, listing: Listing) -> Listing:
    """With what the graph beside the arrays says, if there is one that can be read."""
    for beside in symbol_beside(files, name):
        try:
            symbol = read_symbol(files.open(beside), beside)
        except UnreadableCheckpoint as error:
            return replace(listing, problems=(*listing.problems, f"the graph beside it cannot be read: {error}"))
        said = {"symbol": beside, **_said(symbol, {tensor.name.rpartition(":")[2] for tensor in listing.tensors})}
        return replace(listing, metadata=said, versions=_versions(symbol), architecture=architecture(symbol.ops))
    return listing


def _said(symbol: Symbol, weights: set[str]) -> Mapping[str, Any]:
    inputs = [one for one in symbol.given if one not in weights]
    return {"op_counts": symbol.ops, "inputs": inputs}


def _versions(symbol: Symbol) -> Mapping[str, str]:
    return {"mxnet": symbol.version} if symbol.version else {}


def read_symbol_alone(files: Files, name: str) -> Listing:
    symbol = read_symbol(files.open(name), name)
    said = {"op_counts": symbol.ops, "given": list(symbol.given)}
    problem = "it holds the graph of a model of MXNet and no tensors; these are in the .params file beside it"
    return Listing(SYMBOL.name, (), said, _versions(symbol), architecture(symbol.ops), problems=(problem,))


FORMAT = Format("mxnet", "a list of arrays of Apache MXNet", matches, read)
SYMBOL = Format("mxnet-symbol", "a graph of Apache MXNet", is_symbol, read_symbol_alone)
FORMATS = (FORMAT, SYMBOL)
