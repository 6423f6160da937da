"""Models of Keras 3: a ZIP archive with ``metadata.json``, ``config.json`` and ``model.weights.h5``.

Names of tensors are paths inside ``model.weights.h5``. Where that member is stored as it is, as Keras writes it, the
offsets are those of the archive; where it is packed, it is unpacked into memory, up to ``MAX_UNPACKED`` bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from openshelf.analysis.checkpoints.checkpoint import Array, Listing, Tensor
from openshelf.analysis.checkpoints.containers.zip_directory import (
    ZipMember,
    is_zip,
    member_bytes,
    peek_directory,
    read_member,
    read_zip,
)
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, HeldFile, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.hdf5.keras_config import MAX_CONFIG, read_config
from openshelf.analysis.checkpoints.hdf5.reading import read_hdf5
from openshelf.analysis.checkpoints.readers.keras_h5 import ENCODINGS, tensors_of, values_of
from openshelf.analysis.files.ranges import RangeReader

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
PACKED = "zip-hdf5"
_ABOUT = ("keras_version", "date_saved")
MAX_UNPACKED = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Part:
    """A file that lies in one piece inside another."""

    whole: OpenFile
    offset: int
    size: int

    def read(self, start: int, end: int, /) -> bytes:
        return self.whole.read(self.offset + start, self.offset + end)


def matches(file: OpenFile) -> bool:
    if not is_zip(file):
        return False
    # Keras writes this member first: it tells an archive whose end is cut off.
    if file.read(30, min(30 + len(METADATA), file.size)) == METADATA.encode():
        return True
    directory = peek_directory(file)
    return CONFIG.encode() in directory and METADATA.encode() in directory and b"model.weights" in directory


def read(files: Files, name: str) -> Listing:
    file = files.open(name)
    directory = read_zip(file, name)
    if WEIGHTS not in directory.members:
        raise UnreadableCheckpoint(name, f"it has no member {WEIGHTS}; weights kept in another way are not read")
    weights = directory.members[WEIGHTS]
    facts = read_config(read_member(file, directory, CONFIG, MAX_CONFIG).decode("utf-8", "replace"))
    found = read_hdf5(_hdf5(file, name, weights))
    tensors = tensors_of(found.datasets, name, weights.offset)
    if not weights.is_stored:
        tensors = tuple(_packed(tensor) for tensor in tensors)
    about = _about(read_member(file, directory, METADATA, 1024 * 1024))
    assets = [member for member in directory.members if member.startswith("assets/")][:1000]
    problems = [*found.problems, *([facts.problem] if facts.problem else [])]

    def decoded(files: Files, tensor: Tensor) -> Array:
        return values_of(_hdf5(files.open(name), name, weights), tensor)

    return Listing(
        FORMAT.name,
        tensors,
        {**facts.metadata, **about, **({"assets": assets} if assets else {})},
        {"keras": about["keras_version"]} if "keras_version" in about else {},
        facts.architecture,
        dict.fromkeys((*ENCODINGS, PACKED), decoded),
        tuple(f"{name}: {problem}" for problem in problems),
    )


def _hdf5(file: OpenFile, name: str, weights: ZipMember) -> RangeReader:
    """The HDF5 file inside the archive."""
    if weights.is_stored:
        return _Part(file, weights.offset, weights.size)
    if weights.size > MAX_UNPACKED:
        reason = f"{WEIGHTS} has {weights.size:,} bytes once unpacked; at most {MAX_UNPACKED:,} are"
        raise UnreadableCheckpoint(name, reason, weights.offset)
    return HeldFile(name, member_bytes(file, name, weights, 0, weights.size))


def _packed(tensor: Tensor) -> Tensor:
    """A tensor whose file is packed itself, so that it lies nowhere as it is."""
    if tensor.offset is None:
        return tensor
    return structs.replace(tensor, offset=None, encoding=PACKED)


def _about(content: bytes) -> Mapping[str, str]:
    """Texts of ``metadata.json``; nothing where it is no JSON object."""
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value[:100] for key, value in found.items() if key in _ABOUT and isinstance(value, str)}


FORMAT = Format("keras-v3", "a model of Keras 3", matches, read)
