"""Flax: MessagePack maps of names, whose leaves are arrays.

Source: flax/serialization.py of Flax 0.10. An array is an extension of type 1 that holds (shape, name of the dtype,
bytes in C order), a complex number one of type 2, a NumPy scalar one of type 3; an array of more than 2**30 bytes is a
map with ``__msgpack_chunked_array__``, its shape and its pieces. Names are joined by dots, as Transformers does where
it writes the same parameters to safetensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import RAW, Array, Listing, Role, Tensor
from openshelf.analysis.checkpoints.containers import msgpack_walk
from openshelf.analysis.checkpoints.containers.byte_cursor import ByteCursor, Malformed, check_shape
from openshelf.analysis.checkpoints.containers.msgpack_walk import Head, Kind
from openshelf.analysis.checkpoints.dtypes import bits, is_packed, numpy_dtype, stored_bytes
from openshelf.analysis.checkpoints.errors import UnreadableValues
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.files.ranges import UnreadableFile

MAX_TENSORS = 200_000
CHUNKED, BYTE_EACH = "chunked", "byte each"
_NDARRAY, _COMPLEX, _SCALAR = 1, 2, 3
_CHUNKED_KEY = "__msgpack_chunked_array__"
_MOST_DEPTH, _MOST_KEY, _MOST_VALUES, _MOST_KEPT = 60, 1000, 2_000_000, 1000
_MOST_NAMES = 32 * 1024 * 1024
"""Characters of all names together: a long name above many tensors stands in each of theirs."""
_MOST_TRIED = 1000
# Parts of a TrainState that are not weights.
_ROLES = {"opt_state": Role.OPTIMIZER, "step": Role.STATE, "rng": Role.STATE, "dropout_rng": Role.STATE}


@dataclass(frozen=True, slots=True)
class _Piece:
    dtype: str
    shape: tuple[int, ...]
    start: int
    nbytes: int


@dataclass(slots=True)
class _Walk:
    """Goes through the file once. ``pieces`` are those of arrays in several."""

    cursor: ByteCursor
    file: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    pieces: dict[str, list[_Piece]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    left: int = _MOST_VALUES
    characters: int = 0

    def read(self, path: tuple[str, ...]) -> None:
        """The value at the cursor, and all in it."""
        found = self._head()
        if len(path) > _MOST_DEPTH:
            raise Malformed(found.start, f"maps are nested deeper than {_MOST_DEPTH}")
        if found.kind is Kind.MAP:
            self._read_map(found, path)
        elif found.kind is Kind.ARRAY:
            for number in range(found.value):
                self.read((*path, str(number)))
        elif found.kind is Kind.EXTENSION and found.code in (_NDARRAY, _SCALAR):
            self._add(path, [self._array(found)], None, found.start)
        elif found.kind in (Kind.TEXT, Kind.VALUE):
            value = found.value if found.kind is Kind.VALUE else msgpack_walk.text(self.cursor, found, 1 << 20)[:1000]
            if len(self.values) < _MOST_KEPT:
                self.values[self._name(path, found.start)] = value
        else:
            msgpack_walk.skip(self.cursor, found)

    def _head(self) -> Head:
        self.left -= 1
        if self.left < 0:
            raise Malformed(self.cursor.place, f"it has more than {_MOST_VALUES:,} values")
        return msgpack_walk.head(self.cursor)

    def _key(self) -> str:
        return msgpack_walk.text(self.cursor, self._head(), _MOST_KEY)

    def _read_map(self, found: Head, path: tuple[str, ...]) -> None:
        for number in range(found.value):
            key = self._key()
            if number == 0 and key == _CHUNKED_KEY:
                self._read_chunked(found, path)
                return
            self.read((*path, key))

    def _read_chunked(self, found: Head, path: tuple[str, ...]) -> None:
        """What follows the first key of a map that stands for one array: true, then its shape and its pieces."""
        self._head()
        shape: tuple[int, ...] = ()
        pieces: list[_Piece] = []
        for _ in range(found.value - 1):
            key, inner = self._key(), self._head()
            if inner.kind is not Kind.MAP or key not in ("shape", "chunks"):
                raise Malformed(inner.start, f"{key!r:.100} is no part of an array in pieces")
            for number in range(inner.value):
                if self._key() != str(number):
                    raise Malformed(inner.start, f"the {key} of an array in pieces are not numbered in order")
                member = self._head()
                if key == "shape":
                    shape = (*shape[:64], _side(member))
                elif member.kind is Kind.EXTENSION and member.code == _NDARRAY:
                    pieces.append(self._array(member))
                else:
                    raise Malformed(member.start, "a piece of an array is no array")
        check_shape(shape, found.start)
        if len({one.dtype for one in pieces}) != 1 or sum(prod(one.shape) for one in pieces) != prod(shape):
            raise Malformed(found.start, f"the pieces of an array do not make one of the shape {shape!r:.200}")
        self._add(path, pieces, shape, found.start)

    def _array(self, found: Head) -> _Piece:
        """The place of an array, of which the cursor is past the end then."""
        end = self.cursor.place + found.value
        parts, sides = msgpack_walk.head(self.cursor), msgpack_walk.head(self.cursor)
        if (parts.kind, parts.value, sides.kind) != (Kind.ARRAY, 3, Kind.ARRAY) or sides.value > 64:
            raise Malformed(found.start, "an array is not written as its shape, type and bytes")
        shape = tuple(_side(msgpack_walk.head(self.cursor)) for _ in range(sides.value))
        check_shape(shape, found.start)
        dtype = msgpack_walk.text(self.cursor, msgpack_walk.head(self.cursor), 100)
        held = msgpack_walk.head(self.cursor)
        start = self.cursor.place
        if held.kind not in (Kind.BYTES, Kind.TEXT) or start + held.value != end:
            raise Malformed(held.start, "the bytes of an array do not end where it ends")
        needed = prod(shape) if is_packed(dtype) else stored_bytes(dtype, shape)
        if bits(dtype) is None:
            raise Malformed(found.start, f"an array is of the type {dtype!r:.100}, which is not read here")
        if held.value != needed:
            raise Malformed(held.start, f"an array has {held.value:,} bytes, its type and shape need {needed:,}")
        self.cursor.skip(held.value)
        return _Piece(dtype, shape, start, held.value)

    def _add(self, path: tuple[str, ...], pieces: list[_Piece], shape: tuple[int, ...] | None, start: int) -> None:
        name, first = self._name(path, start), pieces[0]
        if name in self.tensors:
            raise Malformed(start, f"the tensor {name[:200]!r} stands twice")
        if len(self.tensors) >= MAX_TENSORS:
            raise Malformed(start, f"it has more than {MAX_TENSORS:,} tensors")
        encoding = CHUNKED if len(pieces) > 1 else BYTE_EACH if is_packed(first.dtype) else RAW
        self.tensors[name] = Tensor(
            name, first.dtype, first.shape if shape is None else shape, self.file,
            None if len(pieces) > 1 else first.start, sum(one.nbytes for one in pieces), encoding=encoding,
            role=_ROLES.get(path[0] if path else "", Role.WEIGHT),
        )  # fmt: skip
        self.pieces[name] = pieces

    def _name(self, path: tuple[str, ...], start: int) -> str:
        name = ".".join(path)
        self.characters += len(name)
        if self.characters > _MOST_NAMES:
            raise Malformed(start, f"its names have more than {_MOST_NAMES:,} characters together")
        return name

    def decoded(self, files: Files, tensor: Tensor) -> Array:
        """The values of an array in several pieces, or of a type that takes less than the byte it has here."""
        held = numpy_dtype(tensor.dtype)
        if held is None or tensor.name not in self.pieces:
            raise UnreadableValues(tensor.file, f"the values of {tensor.name[:200]!r} cannot be found again")
        file = files.open(tensor.file)
        found = [np.frombuffer(file.view(one.start, one.start + one.nbytes), held) for one in self.pieces[tensor.name]]
        return np.concatenate(found).reshape(tensor.shape)


def _side(found: Head) -> int:
    if found.kind is not Kind.VALUE or type(found.value) is not int or found.value < 0:
        raise Malformed(found.start, "a side of a shape is no number from 0")
    return found.value


def matches(file: OpenFile) -> bool:
    """Whether it begins with a map of names, in which an array comes soon."""
    if file.size < 8 or not _is_map(file.read(0, 1)[0]):
        return False
    cursor = ByteCursor(file, limit=1 << 20)
    cursor.order = ">"
    try:
        for number in range(_MOST_TRIED):
            found = msgpack_walk.head(cursor)
            if found.kind is Kind.EXTENSION and found.code == _NDARRAY:
                return cursor.take(1) == b"\x93"
            if number == 1 and found.kind is not Kind.TEXT:
                return False
            msgpack_walk.skip(cursor, found)
    except UnreadableFile:
        pass
    return False


def _is_map(marker: int) -> bool:
    return 0x81 <= marker <= 0x8F or marker in (0xDE, 0xDF)


def read(files: Files, name: str) -> Listing:
    file = files.open(name)
    cursor = ByteCursor(file)
    cursor.order = ">"
    walk = _Walk(cursor, name)
    walk.read(())
    left = file.size - cursor.place
    problems = (f"{left:,} bytes follow the last array",) if left else ()
    said = {"values": walk.values} if walk.values else {}
    decoders = {CHUNKED: walk.decoded, BYTE_EACH: walk.decoded}
    return Listing(FORMAT.name, tuple(walk.tensors.values()), said, decoders=decoders, problems=problems)


FORMAT = Format("flax-msgpack", "Flax parameters in MessagePack", matches, read)
