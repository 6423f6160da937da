"""What was worked out about files and may be forgotten at any time: small files under names of hashes, the oldest go.

Nothing here is synced: after a crash a damaged page is no answer, so it is read as if it were not there.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FOLDER = "views"
MAX_BYTES = 256 * 1024 * 1024
MAX_FILES = 20_000
_SWEEP_EVERY = 64


@dataclass(slots=True)
class ViewCache:
    """At most about ``max_bytes`` in ``max_files`` files below ``folder``."""

    folder: Path
    max_bytes: int = MAX_BYTES
    max_files: int = MAX_FILES
    _kept: int = 0

    def get(self, key: str) -> bytes | None:
        """What was kept under ``key``, or None."""
        path = self._path(key)
        try:
            packed = path.read_bytes()
            os.utime(path)
            check, _, content = packed.partition(b"\n")
            return zlib.decompress(content) if int(check) == zlib.crc32(content) else None
        except (OSError, ValueError, zlib.error):
            return None

    def keep(self, key: str, value: bytes) -> None:
        """Keep ``value`` under ``key``; where the disk refuses, it is not kept."""
        content = zlib.compress(value, 3)
        path = self._path(key)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(b"%d\n" % zlib.crc32(content) + content)
            temporary.replace(path)
        self._kept += 1
        if self._kept % _SWEEP_EVERY == 1:
            self.sweep()

    def sweep(self) -> None:
        """Remove what was used longest ago, until the bounds are kept."""
        found = []
        for path in self.folder.glob("*/*"):
            with suppress(OSError):
                known = path.stat()
                found.append((known.st_mtime, known.st_size, path))
        size, count = sum(one[1] for one in found), len(found)
        for _, length, path in sorted(found, key=lambda one: one[0]):
            if size <= self.max_bytes and count <= self.max_files:
                return
            with suppress(OSError):
                path.unlink()
            size, count = size - length, count - 1

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / name[:2] / name[2:]
