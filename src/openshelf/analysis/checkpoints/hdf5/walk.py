"""Datasets of an HDF5 file, by h5py. Imported in the confined process alone.

Only hard links are followed, each group once. What leads to other files is refused: external links, external storage,
virtual datasets.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from openshelf.analysis.files.ranges import UnreadableFile

MAX_OBJECTS = 500_000
MAX_DEPTH = 64
MAX_PATH = 4096
MAX_PROBLEMS = 20
MAX_TEXT = 32 * 1024 * 1024
MAX_VALUES = 512 * 1024 * 1024
"""The most bytes of values that one dataset may have to be decoded."""
# h5py looks these up when it reads its first text, and by then there are no files to load them from.
for _name in ("ascii", "utf-8", "latin-1"):
    codecs.lookup(_name)
_PIECE = 8 * 1024 * 1024
_TEXTS = ("keras_version", "backend", "model_config", "training_config")
_CHUNKED, _COMPACT, _UNWRITTEN, _CONVERTED = "hdf5-chunked", "hdf5-compact", "hdf5-unwritten", "hdf5-converted"
# Sign, exponent and mantissa of bfloat16 where HDF5 describes it as a float of its own: place and width, and the bias.
_BFLOAT16 = ((15, 7, 8, 0, 7), 127)


def listing(file: Any) -> Iterator[dict[str, Any]]:
    """Attributes of the root, datasets and problems, as messages. Raises UnreadableFile and what h5py raises."""
    with h5py.File(file, "r") as root:
        yield from _attributes(root)
        yield from _datasets(root)


def values(file: Any, path: str) -> Iterator[bytes]:
    """The values of the dataset at ``path`` in pieces, little-endian, in C order."""
    with h5py.File(file, "r") as root:
        found = _hard(root, path)
        _check_own(path, found.id)
        dtype = found.dtype
        if dtype.kind == "V" and dtype.itemsize == 2:
            dtype = np.dtype("<u2")
        if dtype.kind not in "fiubc":
            raise UnreadableFile(f"values of the type {dtype} are not decoded")
        size = int(np.prod(found.shape, dtype=object)) * dtype.itemsize if found.shape is not None else 0
        if size > MAX_VALUES:
            raise UnreadableFile(f"{path[:200]!r} has {size:,} bytes of values; at most {MAX_VALUES:,} are decoded")
        if not size:
            return
        if not found.shape:
            yield _bytes(found[()], dtype)
            return
        step = found.chunks[0] if found.chunks else 1
        row = size // found.shape[0]
        rows = max(1, _PIECE // (row * step)) * step
        for start in range(0, found.shape[0], rows):
            content = _bytes(found[start : start + rows], dtype)
            yield from (content[place : place + _PIECE] for place in range(0, len(content), _PIECE))


def _bytes(found: Any, dtype: Any) -> bytes:
    held = np.asarray(found)
    held = held.view(dtype) if held.dtype.kind == "V" else held
    return np.ascontiguousarray(held.astype(held.dtype.newbyteorder("<"), copy=False)).tobytes()


def _attributes(root: Any) -> Iterator[dict[str, Any]]:
    for name in _TEXTS:
        if name not in root.attrs:
            continue
        value = root.attrs[name]
        if isinstance(value, bytes):
            value = value.decode("utf-8", "backslashreplace")
        if isinstance(value, str) and len(value) <= MAX_TEXT:
            yield {"attribute": [name, value]}


def _datasets(root: Any) -> Iterator[dict[str, Any]]:
    """All datasets, the members of a group where the group stands."""
    open_groups = [("", root.id, iter(list(root.id)))]
    seen = {_place(root.id)}
    count = problems = 0
    while open_groups:
        path, group, members = open_groups[-1]
        raw = next(members, None)
        if raw is None:
            open_groups.pop()
            continue
        count += 1
        if count > MAX_OBJECTS:
            raise UnreadableFile(f"it has more than {MAX_OBJECTS:,} objects")
        name = f"{path}/{_text(raw)}" if path else _text(raw)
        if len(name) > MAX_PATH or len(open_groups) > MAX_DEPTH:
            raise UnreadableFile(f"an object lies deeper than {MAX_DEPTH} groups, or has too long a path")
        if not _is_hard(group, raw, name):
            problems += 1
            if problems <= MAX_PROBLEMS:
                yield {"problem": f"{name[:200]!r} is a link by name; it is not followed"}
            continue
        found = h5py.h5o.open(group, raw)
        if isinstance(found, h5py.h5d.DatasetID):
            yield {"dataset": _dataset(name, found)}
        elif isinstance(found, h5py.h5g.GroupID) and _place(found) not in seen:
            seen.add(_place(found))
            open_groups.append((name, found, iter(list(found))))


def _is_hard(group: Any, raw: bytes, name: str) -> bool:
    """Whether a link says where its object lies. Raises UnreadableFile for one that leads to another file."""
    kind = group.links.get_info(raw).type
    if kind == h5py.h5l.TYPE_EXTERNAL:
        target = _text(group.links.get_val(raw)[0])
        raise UnreadableFile(f"{name[:200]!r} is a link to the file {target[:200]!r}; it is not followed")
    return bool(kind == h5py.h5l.TYPE_HARD)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _place(found: Any) -> tuple[int, int]:
    info = h5py.h5o.get_info(found)
    return info.fileno, info.addr


def _hard(root: Any, path: str) -> Any:
    """The dataset at ``path``, with no link by name on the way."""
    found = root.id
    for part in path.split("/"):
        if found.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
            raise UnreadableFile(f"{path[:200]!r} is a link; it is not followed")
        found = h5py.h5o.open(found, part.encode())
    return h5py.Dataset(found)


def _check_own(name: str, found: Any) -> Any:
    """The plist of a dataset whose values lie in this file. Raises UnreadableFile for any other."""
    plist = found.get_create_plist()
    if plist.get_layout() == h5py.h5d.VIRTUAL:
        raise UnreadableFile(f"{name[:200]!r} is a virtual dataset, made of other ones; it is not read")
    if plist.get_external_count():
        raise UnreadableFile(f"the values of {name[:200]!r} lie in another file; it is not read")
    return plist


def _dataset(name: str, found: Any) -> dict[str, Any]:
    layout = _check_own(name, found).get_layout()
    dtype, is_exact, is_big = _type(found)
    shape = h5py.Dataset(found).shape
    offset, stored, encoding = found.get_offset(), found.get_storage_size(), "raw"
    if dtype == "object":
        offset, encoding = None, "hdf5-object"
    elif layout == h5py.h5d.CHUNKED:
        encoding = _CHUNKED
    elif layout == h5py.h5d.COMPACT:
        encoding = _COMPACT
    elif not is_exact:
        encoding = _CONVERTED
    elif offset is None:
        encoding = _UNWRITTEN
    elif is_big:
        encoding = "big-endian"
    plain = encoding in ("raw", "big-endian")
    return {
        "name": name, "dtype": dtype, "shape": [0] if shape is None else list(shape),
        "offset": offset if plain else None, "nbytes": stored, "encoding": encoding,
    }  # fmt: skip


def _type(found: Any) -> tuple[str, bool, bool]:
    """The name of the element type, whether NumPy has it bit by bit, and whether it is big-endian.

    Texts, references, rows of varying length and records are ``object``.
    """
    stored = found.get_type()
    if isinstance(stored, h5py.h5t.TypeFloatID) and (stored.get_fields(), stored.get_ebias()) == _BFLOAT16:
        return "bfloat16", stored.get_size() == 2, stored.get_order() == h5py.h5t.ORDER_BE
    try:
        dtype = found.dtype
    except TypeError:
        return "object", False, False
    if dtype.kind == "V" and dtype.itemsize == 2 and isinstance(stored, h5py.h5t.TypeOpaqueID):
        said = h5py.Dataset(found).attrs.get("dtype")
        return ("bfloat16", True, False) if said == "bfloat16" else ("object", False, False)
    if dtype.kind not in "fiubc":
        return "object", False, False
    is_exact = bool(stored.equal(h5py.h5t.py_create(dtype, logical=True)))
    return dtype.newbyteorder("=").name, is_exact, dtype.byteorder == ">"
