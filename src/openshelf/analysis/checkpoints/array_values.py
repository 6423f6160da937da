"""The values of arrays that no plain view of the file gives: packed, sparse, conjugated, written as text."""

from __future__ import annotations

import codecs
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import Array
from openshelf.analysis.checkpoints.containers.zip_directory import ZipMember, member_bytes
from openshelf.analysis.checkpoints.errors import UnreadableValues
from openshelf.analysis.checkpoints.files import OpenFile
from openshelf.analysis.checkpoints.pickles.packed import unpacked
from openshelf.analysis.checkpoints.pickles.stored_arrays import Packed, Storage, StoredArray
from openshelf.analysis.checkpoints.pickles.values import Span

MAX_DENSE = 1 << 30
"""Bytes of a sparse array that is written out."""
MAX_KEPT = 256 << 20
"""Bytes of an unpacked file that are kept from one array to the next."""


def values_of(file: OpenFile, name: str, array: StoredArray) -> Array:
    """The values of ``array`` in its shape. Raises UnreadableValues, UnreadableCheckpoint."""
    if array.parts:
        return _dense(file, name, array)
    if array.storage is None:
        raise UnreadableValues(name, "this tensor has a shape, but no values are stored (device meta)")
    held = dtypes.numpy_dtype(array.dtype)
    if held is None or dtypes.is_packed(array.dtype):
        raise UnreadableValues(name, f"packed values of the type {array.dtype} are not decoded")
    if not array.elements:
        return np.zeros(array.shape, held)
    content = _bytes(file, name, array.storage, array.first, array.end)
    if len(content) != array.end - array.first:
        raise UnreadableValues(name, f"{array.end:,} bytes are needed for these values, and fewer are written")
    stored = held.newbyteorder(">") if array.is_big_endian and held.itemsize > 1 else held
    steps = tuple(step * held.itemsize for step in array.strides)
    found: Array = np.ascontiguousarray(np.ndarray(array.shape, stored, content, strides=steps), held)
    for mark in array.kind.split("-"):
        found = np.conj(found) if mark == "conj" else -found if mark == "neg" else found
    return found.reshape(array.shape)


def _bytes(file: OpenFile, name: str, storage: Storage, start: int, end: int) -> bytes | memoryview:
    source = storage.source
    if isinstance(source, ZipMember):
        return member_bytes(file, name, source, start, end)
    if isinstance(source, Packed):
        return _unpacked(file, name, source)[source.start + start : source.start + end]
    if isinstance(source, Span):
        return _latin(name, file.read(source.start, source.start + source.length), source.codec)[start:end]
    if isinstance(source, bytes):
        return source[start:end]
    if storage.offset is None:
        raise UnreadableValues(name, "where these values are stored is not known")
    return file.view(storage.offset + start, storage.offset + end)


def _unpacked(file: OpenFile, name: str, source: Packed) -> bytes:
    if not source.keep:
        whole = unpacked(file, name, source.packing)
        if len(whole) > MAX_KEPT:
            return whole
        source.keep.append(whole)
    return source.keep[0]


def _latin(name: str, written: bytes, codec: str) -> bytes:
    """The bytes that a text of a pickle of protocol 0 to 2 stands for."""
    try:
        if codec == "escape":
            return bytes(codecs.escape_decode(written.strip()[1:-1])[0])
        return written.decode(codec).encode("latin-1")
    except (ValueError, TypeError):
        raise UnreadableValues(name, "these values are written as a text that is no bytes") from None


def _dense(file: OpenFile, name: str, array: StoredArray) -> Array:
    held = dtypes.numpy_dtype(array.dtype)
    if held is None or array.elements * held.itemsize > MAX_DENSE:
        raise UnreadableValues(name, f"a sparse tensor of the shape {array.shape} is not written out")
    parts = {called: values_of(file, name, part) for called, part in array.parts.items()}
    try:
        return _filled(array, np.zeros(array.shape, held), parts)
    except (IndexError, ValueError, TypeError) as error:
        raise UnreadableValues(name, f"the parts of this sparse tensor do not fit: {error}") from None


def _filled(array: StoredArray, found: Array, parts: dict[str, Array]) -> Array:
    if array.kind == "sparse-coo":
        places: Any = tuple(parts["indices"])
    elif array.kind in ("sparse-csr", "sparse-csc") and len(array.shape) == 2:
        counts = np.diff(parts["compressed"])
        if counts.sum() != len(parts["plain"]) or (counts < 0).any():
            raise ValueError("its rows do not add up")
        rows = np.repeat(np.arange(len(counts)), counts)
        places = (rows, parts["plain"]) if array.kind == "sparse-csr" else (parts["plain"], rows)
    else:
        raise ValueError(f"the layout {array.kind} is not written out")
    if any((axis < 0).any() for axis in places):
        raise IndexError("an index is negative")
    np.add.at(found, places, parts["values"])
    return found
