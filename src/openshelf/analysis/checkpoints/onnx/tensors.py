"""Tensors in ONNX files: where the values of a TensorProto lie, and what they are.

Source: onnx.proto of ONNX 1.23 (messages TensorProto and SparseTensorProto). Values stand as bytes (``raw_data``), in
another file (``external_data``), or as numbers of the wire format in a field for their kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from posixpath import dirname, join, normpath

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import RAW, Array, Role, Tensor, unpacked
from openshelf.analysis.checkpoints.containers.byte_cursor import Malformed, check_shape
from openshelf.analysis.checkpoints.containers.protobuf import BYTES, VARINT, Field, Wire, signed
from openshelf.analysis.checkpoints.dtypes import bits, is_packed, numpy_dtype, stored_bytes
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.checkpoints.onnx.types import DTYPES

PROTOBUF = "protobuf"
"""Numbers of the wire format: varints, or fields of their own."""
# The field that holds the values of a type; all others stand in int32_data.
_FIELDS = {"float32": 4, "complex64": 4, "float64": 10, "complex128": 10, "string": 6, "int64": 7, "uint32": 11,
           "uint64": 11}  # fmt: skip
_INT32_DATA = 5
_FIXED = {"float32": "<f4", "complex64": "<f4", "float64": "<f8", "complex128": "<f8"}
_VALUE_FIELDS = frozenset({*_FIELDS.values(), _INT32_DATA})
_MOST_EXTERNAL = 1 << 62


@dataclass(frozen=True, slots=True)
class Place:
    """Fields ``number`` of the message ``[start, end)`` hold the values."""

    number: int
    start: int
    end: int


@dataclass(slots=True)
class Proto:
    """A TensorProto as it stands in ``[start, end)``. ``fields``: the only field of a kind, None where several are."""

    start: int
    end: int
    name: str = ""
    dims: list[int] = field(default_factory=list)
    kind: int = 0
    raw: Field | None = None
    fields: dict[int, Field | None] = field(default_factory=dict)
    value_bytes: int = 0
    is_external: bool = False
    external: dict[str, str] = field(default_factory=dict)


def read_proto(wire: Wire, start: int, end: int, depth: int) -> Proto:
    """Walks a TensorProto; values are not read. Raises UnreadableCheckpoint."""
    found = Proto(start, end)
    for one in wire.fields(start, end, depth):
        if one.number == 1:
            found.dims += [signed(int(side)) for side in wire.varints(one)[:65]]
            if len(found.dims) > 64:
                raise UnreadableCheckpoint(wire.name, "a tensor has more than 64 dimensions", one.start)
        elif one.number == 2 and one.wire == VARINT:
            found.kind = one.value
        elif one.number in _VALUE_FIELDS:
            found.fields[one.number] = None if one.number in found.fields else one
            found.value_bytes += one.end - one.start
        elif one.number == 8:
            found.name = wire.text(one)
        elif one.number == 9 and one.wire == BYTES:
            found.raw = one
        elif one.number == 13 and one.wire == BYTES:
            key, value = read_pair(wire, one, depth + 1)
            found.external[key] = value
        elif one.number == 14:
            found.is_external = one.value == 1
        elif one.number == 3:
            raise UnreadableCheckpoint(wire.name, "a tensor in segments, which ONNX does not read either", one.start)
    return found


def read_pair(wire: Wire, entry: Field, depth: int) -> tuple[str, str]:
    """A StringStringEntryProto."""
    key = value = ""
    for one in wire.fields(entry.start, entry.end, depth):
        if one.number == 1:
            key = wire.text(one)
        elif one.number == 2:
            value = wire.text(one)
    return key, value


def located(files: Files, wire: Wire, proto: Proto, name: str, role: Role) -> tuple[Tensor, Place | None]:
    """The tensor of a TensorProto under a name, and where its values are if no bytes of a file are they.

    Raises UnreadableCheckpoint where type, shape and values do not fit.
    """
    shape, dtype = tuple(proto.dims), DTYPES.get(proto.kind)
    if dtype is None:
        raise UnreadableCheckpoint(
            wire.name, f"{name[:200]!r} is of the type {proto.kind}, which is not known", proto.start
        )
    try:
        check_shape(shape, proto.start)
    except Malformed as error:
        raise UnreadableCheckpoint(wire.name, f"{name[:200]!r}: {error.reason}", proto.start) from None
    needed = stored_bytes(dtype, shape)
    if proto.is_external:
        return _external(files, wire, proto, name, dtype, role), None
    if proto.raw is not None and (proto.raw.value or needed != 0):
        _check_bytes(wire, name, needed, proto.raw)
        return Tensor(name, dtype, shape, wire.name, proto.raw.start, proto.raw.value, role=role), None
    if needed == 0:
        return Tensor(name, dtype, shape, wire.name, proto.end, 0, role=role), None
    number = _FIELDS.get(dtype, _INT32_DATA)
    count: int = prod(proto.dims)
    if number not in proto.fields and count:
        raise UnreadableCheckpoint(wire.name, f"{name[:200]!r} has {count:,} elements and no values", proto.start)
    only = proto.fields.get(number)
    if only is not None and only.wire == BYTES and dtype in _FIXED:
        _check_bytes(wire, name, needed, only)
        return Tensor(name, dtype, shape, wire.name, only.start, only.value, role=role), None
    made = Tensor(name, dtype, shape, wire.name, None, proto.value_bytes, encoding=PROTOBUF, role=role)
    return made, Place(number, proto.start, proto.end)


def _check_bytes(wire: Wire, name: str, needed: int | None, values: Field) -> None:
    if needed is None:
        raise UnreadableCheckpoint(wire.name, f"{name[:200]!r} is of texts, which cannot stand as bytes", values.start)
    if values.value != needed:
        raise UnreadableCheckpoint(
            wire.name, f"{name[:200]!r} has {values.value:,} bytes, its type and shape need {needed:,}", values.start
        )


def _external(files: Files, wire: Wire, proto: Proto, name: str, dtype: str, role: Role) -> Tensor:
    """A tensor in another file of the set. Its place is relative to the folder of the model (ONNX, ExternalData.md)."""

    def wrong(reason: str) -> UnreadableCheckpoint:
        return UnreadableCheckpoint(wire.name, f"the values of {name[:200]!r} are {reason}", proto.start)

    place, shape = proto.external.get("location", ""), tuple(proto.dims)
    needed = stored_bytes(dtype, shape)
    if needed is None:
        raise wrong("texts in another file, which ONNX does not have")
    parts = place.replace("\\", "/").split("/")
    if not place or parts[0] == "" or ".." in parts or "\0" in place or ":" in parts[0]:
        raise wrong(f"said to be in {place[:200]!r}, which leads outside the folder of the model")
    target = normpath(join(dirname(wire.name), place))
    try:
        size = files.open(target).size
    except UnreadableCheckpoint as error:
        raise wrong(f"in {target[:200]!r}, which cannot be opened: {error.reason}") from error
    start, length = _count(proto.external.get("offset", "0")), _count(proto.external.get("length", str(needed)))
    if start is None or length is None:
        raise wrong(f"in {target[:200]!r} at an offset or of a length that is no number")
    if length != needed:
        raise wrong(f"said to have {length:,} bytes, but their type and shape need {needed:,}")
    if start + length > size:
        raise wrong(f"in {target[:200]!r} up to byte {start + length:,}, but that file ends at byte {size:,}")
    return Tensor(name, dtype, shape, target, start, needed, role=role)


def _count(written: str) -> int | None:
    found = int(written) if written.isascii() and written.isdecimal() and len(written) <= 19 else None
    return found if found is not None and found < _MOST_EXTERNAL else None


def values_of(files: Files, tensor: Tensor, place: Place | None) -> Array:
    """The values of a tensor in its shape. Raises UnreadableValues."""
    held = numpy_dtype(tensor.dtype)
    if tensor.offset is not None and place is None and held is not None and tensor.encoding == RAW:
        stored = files.open(tensor.file).view(tensor.offset, tensor.offset + tensor.nbytes)
        if is_packed(tensor.dtype):
            return unpacked(stored, tensor, held)
        return np.frombuffer(stored, held).reshape(tensor.shape)
    if place is None:
        raise UnreadableValues(tensor.file, f"the values of {tensor.name[:200]!r} cannot be found again")
    found = _gathered(Wire(files.open(tensor.file), tensor.file), place, tensor)
    if found.size != tensor.elements:
        raise UnreadableValues(
            tensor.file,
            f"{tensor.name[:200]!r} has {found.size:,} values, its shape {tensor.elements:,}",
            place.start,
        )
    return found.reshape(tensor.shape)


def _gathered(wire: Wire, place: Place, tensor: Tensor) -> Array:
    """All values in order, ``(n,)``, whether they stand packed or one by one."""
    found = [one for one in wire.fields(place.start, place.end) if one.number == place.number]
    if tensor.dtype == "string":
        texts = np.empty(len(found), object)
        texts[:] = [wire.text(one) for one in found]
        return texts
    if tensor.dtype in _FIXED:
        stored = np.dtype(_FIXED[tensor.dtype])
        pieces = [wire.content(one) if one.wire == BYTES else wire.file.read(one.start, one.end) for one in found]
        content = b"".join(pieces)
        width = (numpy_dtype(tensor.dtype) or stored).itemsize
        if any(len(piece) % stored.itemsize for piece in pieces) or len(content) % width:
            raise UnreadableValues(wire.name, f"a value of {tensor.name[:200]!r} is cut off", place.start)
        return np.frombuffer(content, numpy_dtype(tensor.dtype))
    return _narrowed(np.concatenate([np.zeros(0, np.uint64), *(wire.varints(one) for one in found)]), tensor)


def _narrowed(patterns: Array, tensor: Tensor) -> Array:
    """Varints as elements: numbers by their value, floating point and packed types by their lowest bits."""
    held = numpy_dtype(tensor.dtype)
    if held is None:
        raise UnreadableValues(tensor.file, f"values of the type {tensor.dtype} are not decoded ({tensor.name!r})")
    if is_packed(tensor.dtype) and bits(tensor.dtype) != 6:
        needed = stored_bytes(tensor.dtype, tensor.shape) or 0
        octets = patterns.astype(np.uint8)
        if octets.size != needed:
            raise UnreadableValues(tensor.file, f"{tensor.name[:200]!r} has {octets.size:,} bytes, not {needed:,}")
        return unpacked(memoryview(octets.tobytes()), tensor, held)
    if held.kind in "iub":
        return patterns.astype(held)
    found: Array = patterns.astype(f"<u{held.itemsize}").view(held)
    return found
