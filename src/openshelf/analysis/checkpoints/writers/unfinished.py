"""Files that get their names only when all is in them: what the writers of all formats share.

The layout of every format is known before the values are, so values are put in their places in any order.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from openshelf.analysis.checkpoints import dtypes

_ENDING = ".unfinished"


class NotWritable(ValueError):
    """Tensors that a format cannot hold, or values that do not fit what was planned."""


@dataclass(frozen=True, slots=True)
class PlannedTensor:
    """A tensor whose values will follow. ``dtype`` as in ``dtypes``."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return dtypes.stored_bytes(self.dtype, self.shape) or 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the values of a tensor go: ``nbytes`` from byte ``offset`` of ``file`` on."""

    file: str
    offset: int
    nbytes: int


class UnfinishedFiles(AbstractContextManager["UnfinishedFiles"]):
    """Writes ``NAME.unfinished`` for each file of ``folder`` that is begun; ``finish`` gives them their names.

    Leaving the ``with`` block without ``finish`` removes what was written. ``write`` may be called by several threads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places: dict[str, Place] = {}
        self.written: dict[str, int] = {}
        self._descriptors: dict[str, int] = {}
        self._counting = threading.Lock()

    def begin(self, file: str, size: int) -> None:
        """Take the room for a file: a full disk is told of before hours of work, not after. Raises OSError."""
        part = self._part(file)
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._descriptors[file] = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
            if size:
                os.posix_fallocate(self._descriptors[file], 0, size)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.folder / file)) from None

    def expect(self, name: str, place: Place) -> None:
        """Announce the values of a tensor, without which nothing is finished."""
        self.places[name] = place
        self.written[name] = 0

    def write(self, name: str, offset: int, data: bytes | memoryview) -> None:
        """Bytes of the tensor ``name`` from its byte ``offset`` on. Each byte is to be written once."""
        place, content = self.places[name], memoryview(data).cast("B")
        end = offset + len(content)
        if offset < 0 or end > place.nbytes:
            raise NotWritable(f"bytes {offset:,} to {end:,} of {name!r}, which has {place.nbytes:,} bytes")
        self.put(place.file, place.offset + offset, content)
        with self._counting:
            self.written[name] += len(content)

    def put(self, file: str, offset: int, content: bytes | memoryview) -> None:
        """Bytes of a file that are no values."""
        descriptor, left = self._descriptors[file], memoryview(content)
        while left:
            count = os.pwrite(descriptor, left, offset)
            left, offset = left[count:], offset + count

    def finish(self) -> tuple[str, ...]:
        """Sync the files and give them their names, which are returned. Raises NotWritable where values are missing."""
        for name, count in self.written.items():
            if count != self.places[name].nbytes:
                raise NotWritable(f"{name!r} has {self.places[name].nbytes:,} bytes, and {count:,} were written")
        self.complete()
        for descriptor in self._descriptors.values():
            os.fsync(descriptor)
        names = tuple(self._descriptors)
        self._close()
        for file in names:
            self._part(file).replace(self.folder / file)
        return names

    def complete(self) -> None:
        """What can be put only once all values are there; for formats that have such a thing."""

    def abort(self) -> None:
        """Remove what was written and not finished."""
        names = tuple(self._descriptors)
        self._close()
        for file in names:
            self._part(file).unlink(missing_ok=True)

    def _close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def _part(self, file: str) -> Path:
        return self.folder / (file + _ENDING)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()
