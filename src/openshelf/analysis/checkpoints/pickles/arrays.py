"""NumPy arrays in pickles, as ``ndarray.__reduce__`` of NumPy 1 and 2 and as joblib write them."""

from __future__ import annotations

from math import prod
from typing import Any

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.pickles.stored_arrays import Storage, StoredArray, bits, contiguous, fortran
from openshelf.analysis.checkpoints.pickles.stream import PickleStream
from openshelf.analysis.checkpoints.pickles.values import ByteText, Opaque, Pairs, Span, Token, Value
from openshelf.analysis.checkpoints.pickles.walk import Unknown

_RECONSTRUCT = frozenset(f"{package}.multiarray._reconstruct" for package in ("numpy.core", "numpy._core", "numpy")) | {
    "numpy.core._multiarray_umath._reconstruct"
}
_FROM_BUFFER = frozenset(f"{package}.numeric._frombuffer" for package in ("numpy.core", "numpy._core"))
WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_KINDS = {"f": "float", "i": "int", "u": "uint", "c": "complex"}
_MAX_DIMENSIONS = 64
_MAX_SIDE = 1 << 62


def array_of(node: Opaque, file: str) -> StoredArray | Unknown | None:
    """The array that ``node`` describes; Unknown for one of Python objects or records; None for something else."""
    name, args = node.name, node.args
    if not isinstance(args, tuple):
        return None
    try:
        if name in _RECONSTRUCT and isinstance(node.state, tuple) and len(node.state) == 5:
            _, shape, dtype, is_fortran, data = node.state
            return _array(_sides(shape), dtype, is_fortran is True, data, file, node.place)
        if name in _FROM_BUFFER and len(args) == 4:
            return _array(_sides(args[2]), args[1], args[3] == "F", args[0], file, node.place)
        return _wrapped(node) if name == WRAPPER else None
    except UnreadableCheckpoint:
        raise
    except (ValueError, TypeError, OverflowError, KeyError, IndexError):
        raise UnreadableCheckpoint(file, "the description of this NumPy array makes no sense", node.place) from None


def _array(
    shape: tuple[int, ...], dtype: Value, is_fortran: bool, data: Value, file: str, place: int
) -> StoredArray | Unknown:
    called, is_big = dtype_of(dtype)
    if called == "object" or isinstance(data, list):
        return Unknown("it is an array of Python objects, which are not read")
    storage = _storage(data)
    if storage is None:
        return Unknown("the bytes of this NumPy array are not in the pickle as they are")
    strides = fortran(shape) if is_fortran else contiguous(shape)
    found = StoredArray(called, shape, strides, storage, 0, is_big_endian=is_big)
    if found.end > storage.nbytes and not isinstance(storage.source, Span):
        reason = f"a NumPy array needs {found.end:,} bytes, and {storage.nbytes:,} are there"
        raise UnreadableCheckpoint(file, reason, place)
    return found


def _storage(data: Value) -> Storage | None:
    if isinstance(data, Opaque):
        return _encoded(data)
    if isinstance(data, ByteText):
        if data.unescaped is not None:
            return Storage(len(data.unescaped), None, data.unescaped)
        return Storage(data.span.length, data.span.start)
    if isinstance(data, Span) and not data.is_text:
        return Storage(data.length, data.start)
    return None


def _encoded(data: Opaque) -> Storage | None:
    """Bytes that protocols 0 to 2 write as a text: ``_codecs.encode(text, 'latin1')``, or ``bytearray(text, ...)``."""
    args = data.args
    if data.name in ("builtins.bytes", "__builtin__.bytes", "builtins.bytearray", "__builtin__.bytearray") and not args:
        return Storage(0, None, b"")
    if data.name in ("builtins.bytearray", "__builtin__.bytearray") and isinstance(args[0], Span):
        return _storage(args[0])
    if data.name not in ("_codecs.encode", "__builtin__.bytearray", "builtins.bytearray") or len(args) != 2:
        return None
    written, codec = args
    if codec not in ("latin1", "latin-1"):
        return None
    if isinstance(written, Span):
        return Storage(written.length, None, written)
    if not isinstance(written, str):
        return None
    try:
        content = written.encode("latin-1")
    except UnicodeEncodeError:
        return None
    return Storage(len(content), None, content)


def dtype_of(node: Value) -> tuple[str, bool]:
    """The name here of a pickled ``numpy.dtype``, and whether it is big-endian. Raises ValueError, TypeError."""
    if not isinstance(node, Opaque) or node.name != "numpy.dtype" or not node.args:
        raise ValueError
    written = node.args[0]
    if isinstance(written, Token):
        return written.name, False
    state = node.state if isinstance(node.state, tuple) and len(node.state) > 6 else None
    order = state[1] if state else "|"
    if not isinstance(written, str):
        raise ValueError
    size = state[5] if state and type(state[5]) is int and state[5] > 0 else None
    return named_type(written, order if order in ("<", ">", "=") else "|", size)


def named_type(written: str, order: str = "|", size: int | None = None) -> tuple[str, bool]:
    """The name here of a type as NumPy writes it (``<f8``, ``b1``), and whether it is big-endian.

    ``size`` are the bytes of an element where ``written`` does not tell. Raises ValueError.
    """
    if written[:1] in ("<", ">", "|", "="):
        order, written = written[0], written[1:]
    kind, width = written[:1], written[1:]
    if kind == "O":
        return "object", False
    if size is None:
        if not width.isdecimal() or len(width) > 9:
            raise ValueError(f"the element type {written[:40]!r} is not known")
        size = int(width) * (4 if kind == "U" else 1)
    called = "bool" if (kind, size) == ("b", 1) else f"{_KINDS.get(kind, 'void')}{8 * size}"
    return called if dtypes.bits(called) else f"void{8 * size}", order == ">"


def _sides(value: Value) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > _MAX_DIMENSIONS:
        raise ValueError
    if not all(type(side) is int and 0 <= side < _MAX_SIDE for side in value):
        raise ValueError
    return value


def joblib_payload(node: Opaque, stream: PickleStream) -> Value:
    """Passes over the data of an array of joblib, which follow its description; the node keeps where they are.

    ``NumpyArrayWrapper.read_array`` of joblib (0.10 on): since 1.3 a byte says how many bytes of padding come first.
    Raises UnreadableCheckpoint where they are cut off.
    """
    if node.name != WRAPPER or not isinstance(node.state, Pairs):
        return node
    place = stream.place - 1
    try:
        shape, (called, _) = _sides(node.state.get("shape")), dtype_of(node.state.get("dtype"))
        nbytes = 0 if called == "object" else (prod(shape) * bits(called) + 7) // 8
    except (ValueError, TypeError):
        raise UnreadableCheckpoint(stream.name, "the description of this array makes no sense", place) from None
    if called == "object":
        return _inner(node, stream)
    if node.state.get("numpy_array_alignment_bytes") is not None:
        stream.skip(stream.byte())
    span = stream.skip(nbytes)
    node.items = [span]
    return node


def _inner(node: Opaque, stream: PickleStream) -> Value:
    """An array of Python objects: a pickle in the pickle."""
    from openshelf.analysis.checkpoints.pickles.machine import run

    node.items = [run(stream, joblib_payload).value]
    return node


def _wrapped(node: Opaque) -> StoredArray | Unknown | None:
    state: Any = node.state
    if not node.items or not isinstance(node.items[0], Span) or not isinstance(state, Pairs):
        return None
    shape, (called, is_big) = _sides(state.get("shape")), dtype_of(state.get("dtype"))
    span = node.items[0]
    order = fortran(shape) if state.get("order") == "F" else contiguous(shape)
    return StoredArray(called, shape, order, Storage(span.length, span.start), 0, is_big_endian=is_big)
