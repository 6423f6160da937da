"""Blobs: bytes outside git, named by their sha256 and verified before they get the name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from openshelf.domain.tree import Blob
from openshelf.errors import InvalidUpload
from openshelf.storage.objects import Objects, Staged


class BlobWriter:
    """Takes a blob's bytes, and hashes them on the way."""

    def __init__(self, staged: Staged) -> None:
        self._staged = staged
        self._digest = hashlib.sha256()

    @property
    def size(self) -> int:
        return self._staged.size

    def write(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        self._staged.write(data)

    def keep(self, expected: Blob | None = None) -> Blob:
        """Store the bytes under their sha256 and return the blob.

        Raises InvalidUpload, and forgets the bytes, where they are not those ``expected``.
        """
        blob = Blob(self._digest.hexdigest(), self._staged.size)
        if expected is not None and blob != expected:
            self.discard()
            raise InvalidUpload(
                f"The upload was announced as sha256 {expected.sha256} of {expected.size} bytes, but "
                f"{blob.size} bytes with sha256 {blob.sha256} arrived. Nothing was stored; upload it again."
            )
        self._staged.keep(blob.sha256)
        return blob

    def discard(self) -> None:
        self._staged.discard()


class BlobStore:
    """Whole blobs in an object store."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def writer(self) -> BlobWriter:
        return BlobWriter(self.objects.stage())

    def read(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        return self.objects.read(sha256, start, end)

    def local_path(self, sha256: str) -> Path | None:
        return self.objects.local_path(sha256)

    def size(self, sha256: str) -> int | None:
        return self.objects.size(sha256)

    def delete(self, sha256: str) -> bool:
        return self.objects.delete(sha256)

    def is_intact(self, sha256: str) -> bool:
        """Read the whole blob and compare its hash; its checksums, which may be at fault, are not asked."""
        digest = hashlib.sha256()
        for piece in self.objects.read(sha256, check=False):
            digest.update(piece)
        return digest.hexdigest() == sha256
