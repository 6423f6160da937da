"""Files that are written, and read back once, past the page cache.

Going through it would cost a copy into memory that has to be found for it, three to thirty times the CPU time of the
write itself, and push out what is read often.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from errno import EINVAL
from pathlib import Path

BUFFER_BYTES = 1024 * 1024
PAGE_BYTES = 4096
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class DirectFile:
    """A new file, written from its start to its end.

    Whole buffers go straight to the disk, where the file system can (O_DIRECT); the end of the file, and files
    smaller than a buffer, go by the page cache. Nothing is durable before an fsync.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, _FLAGS, 0o666)
        self._buffer: mmap.mmap | None = None
        self._held = 0
        self._is_direct = False
        self._is_aligned = True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: bytes | memoryview) -> None:
        """Take all of ``data``; what does not fill a buffer waits for more, or for ``flush``."""
        if self._buffer is None:
            self._buffer = mmap.mmap(-1, BUFFER_BYTES)  # memory that begins where a page begins, as O_DIRECT asks for
        at = 0
        with memoryview(data) as view:
            while at < len(view):
                taken = min(len(view) - at, BUFFER_BYTES - self._held)
                with view[at : at + taken] as piece:
                    self._buffer[self._held : self._held + taken] = piece
                self._held += taken
                at += taken
                if self._held == BUFFER_BYTES:
                    self._empty(direct=self._is_aligned)

    def flush(self) -> None:
        """Write what waits, so that it can be read. Further writes go by the page cache."""
        if self._held:
            self._is_aligned = False
            self._empty(direct=False)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._buffer is not None:
            self._buffer.close()
            self._buffer = None

    def _empty(self, *, direct: bool) -> None:
        assert self._buffer is not None
        self._set_direct(direct)
        with memoryview(self._buffer) as whole, whole[: self._held] as held:
            at = 0
            while at < len(held):
                with held[at:] as rest:
                    at += self._write_some(rest)
        self._held = 0

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            # After a short write, or on a file system that says yes and means no.
            if error.errno != EINVAL or not self._is_direct:
                raise
        self._is_aligned = False
        self._set_direct(False)
        return os.write(self._descriptor, data)

    def _set_direct(self, direct: bool) -> None:
        if direct == self._is_direct:
            return
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
        flags = flags | os.O_DIRECT if direct else flags & ~os.O_DIRECT
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags)
        except OSError as error:
            if error.errno != EINVAL:
                raise
            self._is_aligned = False  # not on this file system
            return
        self._is_direct = direct


def read_once(path: Path, start: int, end: int, buffer: mmap.mmap) -> memoryview:
    """The bytes ``[start, end)`` of a file, or as many as it has, as a part of ``buffer``.

    ``buffer`` must hold them with ``PAGE_BYTES`` more on either side.
    """
    first = start - start % PAGE_BYTES
    length = -(-(end - first) // PAGE_BYTES) * PAGE_BYTES
    descriptor = _open_direct(path)
    try:
        filled = 0
        with memoryview(buffer) as whole:
            while filled < end - first:
                with whole[filled:length] as room:
                    count = os.preadv(descriptor, [room], first + filled)
                filled += count
                if not count or filled % PAGE_BYTES:
                    break  # the end of the file
    finally:
        os.close(descriptor)
    return memoryview(buffer)[start - first : max(start - first, min(filled, end - first))]


def _open_direct(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
    except OSError as error:
        if error.errno != EINVAL:
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
