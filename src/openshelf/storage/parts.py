"""Uploads in parts: bytes at given offsets of one temporary file, which becomes a blob when all are there.

Beside it lies a record of the parts that arrived whole, so that an upload can go on where it was. It is a help for
clients and no proof: what counts is the hash of the assembled bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from openshelf.domain.tree import Blob
from openshelf.errors import InvalidUpload
from openshelf.storage.blobs import BlobStore
from openshelf.storage.durable import make_folder
from openshelf.storage.objects import READ_BYTES

_UPLOAD = re.compile(r"[0-9a-f]{16,64}-[0-9a-f]{64}\Z")
_RECORD = ".received"
_MAX_RECORD_BYTES = 1_000_000


class PartStore:
    """Unfinished uploads on local disk, named ``REPO-SHA256``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_folder(root)

    def part_writer(self, upload: str, offset: int) -> PartWriter:
        return PartWriter(self._path(upload), offset)

    def received(self, upload: str) -> frozenset[tuple[int, int]]:
        """Offset and size in bytes of each part that arrived whole."""
        path = self._path(upload)
        try:
            there = path.stat().st_size
            with _record(path).open("rb") as file:
                lines = file.read(_MAX_RECORD_BYTES).splitlines()
        except FileNotFoundError:
            return frozenset()
        parts = [tuple(map(int, line.split())) for line in lines if _LINE.match(line)]
        return frozenset((offset, size) for offset, size in parts if offset + size <= there)

    def finish(
        self, upload: str, expected: Blob, blobs: BlobStore, progress: Callable[[int], None] | None = None
    ) -> Blob:
        """Verify the assembled bytes and keep them as a blob.

        Raises InvalidUpload where they are wrong; every part is then asked for again.
        """
        path = self._path(upload)
        writer = blobs.writer()
        try:
            with path.open("rb") as file:
                while piece := file.read(READ_BYTES):
                    writer.write(piece)
                    if progress:
                        progress(writer.size)
        except FileNotFoundError:
            writer.discard()
            raise InvalidUpload("No part of this upload has arrived; send the parts first.") from None
        except BaseException:
            writer.discard()
            raise
        try:
            blob = writer.keep(expected)
        except InvalidUpload:
            _record(path).unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)
        _record(path).unlink(missing_ok=True)
        return blob

    def discard_older_than(self, seconds: float) -> int:
        """Remove uploads that nothing was added to for so long; returns how many."""
        limit = time.time() - seconds
        old = [path for path in self.root.iterdir() if path.stat().st_mtime < limit and path.suffix != _RECORD]
        for path in old:
            path.unlink(missing_ok=True)
            _record(path).unlink(missing_ok=True)
        return len(old)

    def _path(self, upload: str) -> Path:
        if not _UPLOAD.match(upload):
            raise InvalidUpload(f"{upload!r} is not the name of an upload.")
        return self.root / upload


_LINE = re.compile(rb"\d{1,19} \d{1,19}\Z")


def _record(path: Path) -> Path:
    return path.with_name(path.name + _RECORD)


class PartWriter:
    """Writes one part at its offset; parts may come in any order, at once, and again."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        self._offset = offset
        self._digest = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self._offset + self.size)
            view = view[written:]
            self.size += written

    def close(self, *, whole: bool = False) -> str:
        """Finish the part, and note that it is there where it is ``whole``; returns the ETag for the client."""
        try:
            if whole:
                # A note that outlives the bytes in a power cut would make the client skip what is not there.
                os.fdatasync(self._descriptor)
                self._note()
        finally:
            os.close(self._descriptor)
        return self._digest.hexdigest()

    def _note(self) -> None:
        descriptor = os.open(_record(self._path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, f"{self._offset} {self.size}\n".encode())
        finally:
            os.close(descriptor)
