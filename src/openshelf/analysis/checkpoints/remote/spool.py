"""Bytes from elsewhere that are read more than once: each is fetched once, and kept on the disk while it is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import RLock
from typing import TYPE_CHECKING, Self

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.local_files import LocalFile

if TYPE_CHECKING:
    from openshelf.analysis.checkpoints.remote.http_files import HttpFile

_BLOCK = 64 * 1024
_AT_ONCE = 64
"""Blocks that are asked for in one request."""


@dataclass(slots=True)
class Spool:
    """Files without a name in ``folder`` (else where temporary files are), of which only what was read takes room.

    Files of one key share their bytes, whichever input they belong to.
    """

    folder: Path | None = None
    _files: dict[str, SpooledFile] = field(default_factory=dict, init=False)
    _lock: RLock = field(default_factory=RLock, init=False, repr=False)

    def keep(self, key: str, fetch: Callable[[], HttpFile]) -> SpooledFile:
        """The file of ``key``, which ``fetch`` opens where it is not kept yet."""
        with self._lock:
            if key not in self._files:
                self._files[key] = SpooledFile(fetch(), self.folder)
            return self._files[key]

    def close(self) -> None:
        """Give the room back, as soon as nobody looks at the bytes any more."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(slots=True)
class SpooledFile:
    """A file whose bytes are taken from ``source`` when they are first wanted, and from the disk after that."""

    source: HttpFile
    folder: Path | None = None
    _held: LocalFile | None = field(default=None, init=False)
    _descriptor: int = field(default=-1, init=False)
    _have: bytearray = field(default_factory=bytearray, init=False, repr=False)
    _lock: RLock = field(default_factory=RLock, init=False, repr=False)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def size(self) -> int:
        return self.source.size

    @property
    def identity(self) -> str | None:
        """What no other content shares, where the hub states it."""
        return self.source.identity

    def chunks(self, start: int, end: int, /) -> Hashable | None:
        """What is equal for two ranges of the same chunks of a hub; None where it does not say."""
        return self.source.chunks(start, end)

    def read(self, start: int, end: int, /) -> bytes:
        return bytes(self.view(start, end))

    def view(self, start: int, end: int, /) -> memoryview:
        if not 0 <= start < end or end > self.size:
            return self.source.view(start, end)
        with self._lock:
            held = self._held or self._begin()
            self._fill(start, end)
        return held.view(start, end)

    def release(self, start: int, end: int, /) -> None:
        """Let go of the memory, not of the room on the disk."""
        if self._held is not None:
            self._held.release(start, end)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin(self) -> LocalFile:
        try:
            with NamedTemporaryFile(prefix=".openshelf-fetched-", dir=self.folder, buffering=0) as file:
                file.truncate(self.size)
                self._held = LocalFile(self.name, file.name, os.dup(file.fileno()))
                self._descriptor = os.dup(file.fileno())
        except OSError as error:
            raise self._no_room(error) from None
        self._have = bytearray(-(-self.size // _BLOCK))
        return self._held

    def _fill(self, start: int, end: int) -> None:
        """Fetch the blocks of ``[start, end)`` that are not there yet, runs of them together."""
        first, last = start // _BLOCK, -(-end // _BLOCK)
        while (first := self._have.find(0, first, last)) >= 0:
            there = self._have.find(1, first, last)
            stop = min(there if there >= 0 else last, first + _AT_ONCE)
            self._put(first * _BLOCK, self.source.view(first * _BLOCK, min(stop * _BLOCK, self.size)))
            self._have[first:stop] = b"\1" * (stop - first)

    def _put(self, place: int, content: memoryview) -> None:
        try:
            while content:
                written = os.pwrite(self._descriptor, content, place)
                place, content = place + written, content[written:]
        except OSError as error:
            raise self._no_room(error) from None

    def _no_room(self, error: OSError) -> UnreadableCheckpoint:
        where = self.folder or "the folder for temporary files (TMPDIR)"
        return UnreadableCheckpoint(
            self.name, f"what is fetched of it cannot be kept in {where}: {error.strerror or error}"
        )
