"""Writing one file whose layout is known before its values: values are put in their places, in any order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from openshelf.analysis.checkpoints.writers.safetensors import NotWritable

UNFINISHED = ".unfinished"


class PlacedWriter:
    """Writes into ``PATH.unfinished``; ``finish`` gives the file its name. Leaving the ``with`` block removes it.

    ``fixed`` are bytes by their place in the file, ``places`` the first byte and the size of each tensor.
    """

    def __init__(
        self, path: Path, size: int, fixed: Iterable[tuple[int, bytes]], places: Mapping[str, tuple[int, int]]
    ) -> None:
        self.path = path
        self.places = places
        self._part = path.with_name(path.name + UNFINISHED)
        self._written = dict.fromkeys(places, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor: int | None = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            if size:
                # Room for everything is taken now: a full disk is told of before the work, not after.
                os.posix_fallocate(self._descriptor, 0, size)
            for place, content in fixed:
                self._put(place, content)
        except OSError as error:
            self.abort()
            raise OSError(error.errno, error.strerror, str(path)) from None
        except BaseException:
            self.abort()
            raise

    def write(self, name: str, offset: int, data: bytes | memoryview) -> None:
        """Bytes of the tensor ``name`` from its byte ``offset`` on. Each byte is to be written once."""
        place, nbytes = self.places[name]
        content = memoryview(data).cast("B")
        if offset < 0 or offset + len(content) > nbytes:
            raise NotWritable(f"bytes {offset:,} to {offset + len(content):,} of {name!r}, which has {nbytes:,} bytes")
        self._put(place + offset, content)
        self._written[name] += len(content)

    def finish(self) -> tuple[str, ...]:
        """Sync the file and give it its name, which is returned. Raises NotWritable where values are missing."""
        for name, count in self._written.items():
            if count != self.places[name][1]:
                raise NotWritable(f"{name!r} has {self.places[name][1]:,} bytes, and {count:,} were written")
        self._end()
        if self._descriptor is not None:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
        self._part.replace(self.path)
        return (self.path.name,)

    def _end(self) -> None:
        """What can be written only once all values are."""

    def _put(self, place: int, content: bytes | memoryview) -> None:
        assert self._descriptor is not None  # neither finished nor given up
        left = memoryview(content)
        while left:
            count = os.pwrite(self._descriptor, left, place)
            left, place = left[count:], place + count

    def abort(self) -> None:
        """Remove what was written and not finished."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()
