"""Reading files that are kept as chunks."""

from __future__ import annotations

from collections.abc import Iterator

from openshelf.errors import StorageFault
from openshelf.services.hub import Hub


def read(hub: Hub, xet_hash: bytes, start: int, end: int) -> Iterator[bytes]:
    """The bytes ``[start, end)`` of a Xet file, each chunk checked against its hash, in bounded pieces."""
    raise StorageFault(f"{hub.storage.root}: chunked reading of {xet_hash.hex()} {start}-{end}")
