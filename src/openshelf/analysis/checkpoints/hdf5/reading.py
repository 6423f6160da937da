"""Datasets of an HDF5 file and their values, read by h5py in a child process without files, network or much memory.

libhdf5 is a large library in C that follows links into other files; here it sees the bytes that it asks for, and
nothing else. A listing reads some blocks of 64 KiB wherever the file describes itself, over HTTP too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Array
from openshelf.analysis.checkpoints.hdf5 import messages
from openshelf.analysis.checkpoints.hdf5.messages import ReaderFailed, Request
from openshelf.analysis.files.ranges import RangeReader, UnreadableFile
from openshelf.analysis.reading_process import reading_process

SECONDS = 45.0
LISTING_BYTES = 256 * 1024 * 1024
"""What a listing may read of a file."""
MAX_DIMENSIONS = 32
_PROGRAM = "openshelf.analysis.checkpoints.hdf5.child"
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset. ``offset`` is None where its values are not in one piece of the file as they are; ``nbytes`` is what
    they take there. ``dtype`` is ``object`` for texts, references, records and rows of varying length."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int | None
    nbytes: int
    encoding: str


@dataclass(slots=True)
class Hdf5:
    """What a file holds: datasets in the order of its groups, and texts that Keras writes at its root."""

    datasets: list[Dataset] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def is_hdf5(ranges: RangeReader) -> bool:
    """Whether the signature stands at byte 0, 512, 1024 or 2048, as it may (HDF5 file format, II.A)."""
    head = ranges.read(0, min(2056, ranges.size))
    return any(head[place : place + 8] == b"\x89HDF\r\n\x1a\n" for place in (0, 512, 1024, 2048))


def read_hdf5(ranges: RangeReader) -> Hdf5:
    """The listing of a file. Raises UnreadableFile with what h5py says, ReaderFailed where it did not live to."""
    found = Hdf5()
    names: set[str] = set()
    for word, value in _answers(ranges, Request(ranges.size), LISTING_BYTES):
        try:
            if word == "dataset":
                dataset = _dataset(value, ranges.size)
                if dataset.name in names:
                    raise UnreadableFile(f"{dataset.name[:200]!r} stands in it twice")
                names.add(dataset.name)
                found.datasets.append(dataset)
            elif word == "attribute":
                name, text = value
                found.attributes[str(name)] = str(text)
            elif word == "problem":
                found.problems.append(str(value)[:500])
        except UnreadableFile:
            raise
        except (TypeError, ValueError, KeyError, OverflowError):
            raise ReaderFailed("the process that reads it gave an answer that makes no sense") from None
    return found


def read_values(ranges: RangeReader, path: str, shape: tuple[int, ...], held: np.dtype[Any]) -> Array:
    """The values of the dataset at ``path``, which has the shape and type given. Raises UnreadableFile."""
    wanted = int(np.prod(shape, dtype=object)) * held.itemsize
    content = bytearray()
    for word, piece in _answers(ranges, Request(ranges.size, path), 2 * ranges.size + LISTING_BYTES):
        if word != "piece" or len(content) + len(piece) > wanted:
            raise ReaderFailed("the process that reads it gave an answer that makes no sense")
        content += piece
    if len(content) != wanted:
        raise ReaderFailed(f"{path[:200]!r} has {len(content):,} bytes of values; {wanted:,} were listed")
    return np.frombuffer(content, held).reshape(shape)


def _dataset(said: dict[str, Any], size: int) -> Dataset:
    name, dtype, shape, nbytes = said["name"], said["dtype"], said["shape"], int(said["nbytes"])
    offset = None if said["offset"] is None else int(said["offset"])
    sides = tuple(int(side) for side in shape)
    if len(sides) > MAX_DIMENSIONS or min((0, nbytes, *sides)) < 0:
        raise ValueError(shape)
    if offset is not None and not 0 <= offset <= offset + nbytes <= size:
        raise UnreadableFile(f"{name[:200]!r} goes on to byte {offset + nbytes:,}, the file ends at byte {size:,}")
    return Dataset(str(name), str(dtype), sides, offset, nbytes, str(said["encoding"]))


def _answers(ranges: RangeReader, request: Request, budget: int) -> Iterator[tuple[str, Any]]:
    try:
        with reading_process(_PROGRAM, _ENVIRONMENT, SECONDS) as (inward, outward):
            messages.send_request(outward, request)
            yield from messages.answers(inward, outward, ranges, budget)
    except (BrokenPipeError, ConnectionError):
        raise ReaderFailed("the process that reads it ended early: too much memory or time") from None
