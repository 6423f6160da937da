"""Orbax checkpoints: a JSON tree of names, and a zarr array in a folder for each, or all of them in one OCDBT store.

Source: Orbax, checkpoint format guide; zarr specification, version 2. The tree stands in ``_METADATA`` of an item of a
step. Names and shapes are listed; values are read where zarr keeps them in one chunk that is not packed. What OCDBT
holds is listed by name and, where the tree tells it, shape. A name that leads out of the checkpoint is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from math import prod
from posixpath import dirname, join
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import BIG_ENDIAN, RAW, Listing, Role, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format

TREE = "tree_metadata"
ZARR, OCDBT = "zarr", "ocdbt"
MAX_TREE = 64 * 1024 * 1024
MAX_ARRAY = 64 * 1024
MAX_TENSORS = 200_000
MAX_DIMENSIONS = 32
_HEAD = 4096


def matches(file: OpenFile) -> bool:
    head = file.read(0, min(_HEAD, file.size)).lstrip()
    return head.startswith(b"{") and f'"{TREE}"'.encode() in head


def read(files: Files, name: str) -> Listing:
    tree = _json(files, name, MAX_TREE)
    entries = tree.get(TREE)
    if not isinstance(entries, dict) or len(entries) > MAX_TENSORS:
        raise UnreadableCheckpoint(name, f"its {TREE} is no object of at most {MAX_TENSORS:,} names")
    folder = dirname(name)
    sizes: Counter[str] = Counter()
    for file, size in files.sizes().items():
        sizes[dirname(file)] += size
    is_store = bool(tree.get("use_ocdbt", False))
    tensors: dict[str, Tensor] = {}
    for entry in entries.values():
        keys = _keys(name, entry)
        called = ".".join(keys)
        if called in tensors:
            raise UnreadableCheckpoint(name, f"the name {called[:200]!r} stands in it twice")
        if is_store:
            tensors[called] = _stored(name, called, entry)
        else:
            tensors[called] = _zarr(files, join(folder, called), called, sizes)
    problems = (f"{name}: types and values lie in an OCDBT store, which is not read",) if is_store else ()
    metadata = {"use_ocdbt": is_store, "use_zarr3": bool(tree.get("use_zarr3", False))}
    return Listing(FORMAT.name, tuple(tensors.values()), metadata, problems=problems)


def _keys(name: str, entry: Any) -> list[str]:
    """The path of a value in the tree. Raises UnreadableCheckpoint where it would lead out of the folder."""
    path = entry.get("key_metadata") if isinstance(entry, dict) else None
    if not isinstance(path, list) or not 0 < len(path) <= 100:
        raise UnreadableCheckpoint(name, "an entry of its tree has no proper key_metadata")
    keys = [part.get("key") if isinstance(part, dict) else None for part in path]
    found = [str(key) for key in keys if isinstance(key, str | int)]
    if len(found) < len(keys) or any(len(key) > 1000 for key in found):
        raise UnreadableCheckpoint(name, "a key of its tree is no text of at most 1,000 characters")
    called = ".".join(found)
    parts = called.replace("\\", "/").split("/")
    if called.startswith("/") or "\0" in called or any(part in ("", ".", "..") for part in parts):
        raise UnreadableCheckpoint(name, f"the name {called[:200]!r} leads outside the checkpoint")
    return found


def _stored(name: str, called: str, entry: Mapping[str, Any]) -> Tensor:
    """A value of which the tree alone is known; one without a shape counts for nothing."""
    value = entry.get("value_metadata")
    shape = _sides(value.get("write_shape")) if isinstance(value, dict) else None
    role = Role.STATE if shape is None else _role(called)
    return Tensor(called, "unknown", shape or (), name, None, 0, None, OCDBT, role)


def _zarr(files: Files, folder: str, called: str, sizes: Mapping[str, int]) -> Tensor:
    described = join(folder, ".zarray")
    array = _json(files, described, MAX_ARRAY)
    shape, chunks = _sides(array.get("shape")), _sides(array.get("chunks"))
    if shape is None or chunks is None or len(shape) != len(chunks):
        raise UnreadableCheckpoint(described, "it has no proper shape and chunks")
    dtype, is_big = _dtype(described, array.get("dtype"))
    is_plain = array.get("compressor") is None and not array.get("filters") and array.get("order") == "C"
    needed = dtypes.stored_bytes(dtype, shape)
    if is_plain and shape == chunks and needed:
        separator = array.get("dimension_separator", ".")
        chunk = join(folder, ("/" if separator == "/" else ".").join("0" * len(shape)) or "0")
        size = files.open(chunk).size
        if size != needed:
            raise UnreadableCheckpoint(chunk, f"it has {size:,} bytes, its array needs {needed:,}", min(size, needed))
        return Tensor(called, dtype, shape, chunk, 0, needed, None, BIG_ENDIAN if is_big else RAW, _role(called))
    stored = max(0, sizes.get(folder, 0) - files.open(described).size)
    return Tensor(called, dtype, shape, described, None, stored, None, ZARR, _role(called))


def _dtype(file: str, found: Any) -> tuple[str, bool]:
    """The name of the type, and whether it is big-endian."""
    if isinstance(found, str) and dtypes.bits(found) is not None:
        return found, False
    try:
        held = np.dtype(found) if isinstance(found, str) else None
    except (TypeError, ValueError, SyntaxError):
        held = None
    if held is None or dtypes.bits(held.name) is None:
        raise UnreadableCheckpoint(file, f"its type {found!r:.100} is not known here")
    return held.name, held.byteorder == ">"


def _sides(found: Any) -> tuple[int, ...] | None:
    if not isinstance(found, list) or len(found) > MAX_DIMENSIONS:
        return None
    if not all(type(side) is int and 0 <= side < 1 << 48 for side in found) or prod(found) >= 1 << 60:
        return None
    return tuple(found)


def _role(called: str) -> Role:
    first = called.split(".")
    if any(part in ("opt_state", "optimizer", "opt_states") for part in first):
        return Role.OPTIMIZER
    return Role.STATE if first[-1] in ("step", "rng", "rngs", "key") else Role.WEIGHT


def _json(files: Files, name: str, most: int) -> dict[str, Any]:
    file = files.open(name)
    if file.size > most:
        raise UnreadableCheckpoint(name, f"it has {file.size:,} bytes; at most {most:,} are read")
    try:
        found = json.loads(file.read(0, file.size))
    except (ValueError, RecursionError) as error:
        raise UnreadableCheckpoint(name, f"it is not JSON: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise UnreadableCheckpoint(name, "it is no JSON object")
    return found


FORMAT = Format("orbax", "the tree of an Orbax checkpoint", matches, read)
