"""Whether the files of a shard have the sha256 that was claimed for them: every byte is read and hashed."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from openshelf.domain.access import read_scope
from openshelf.errors import InvalidUpload, Unavailable
from openshelf.services import chunked
from openshelf.services.hub import Hub
from openshelf.services.xet_access import Caller
from openshelf.services.xorb_indexes import XorbIndexes
from openshelf.storage.catalogue import blobs
from openshelf.xet.hashes import to_hex
from openshelf.xet.segments import FileSegment


@dataclass(slots=True)
class Progress:
    """How far the acceptance of a shard is. Written by the threads that work, read by the one that answers.

    ``verified`` and ``total`` are bytes of files whose sha256 is checked.
    """

    verified: int = 0
    total: int = 0
    is_committing: bool = False
    is_cancelled: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size: int) -> None:
        """Count ``size`` bytes as verified. Raises Unavailable where nobody waits for the answer any more."""
        if self.is_cancelled:
            raise Unavailable("The client left before its upload was checked; send it again.")
        with self._lock:
            self.verified += size


@dataclass(frozen=True, slots=True)
class NewFile:
    """A validated file; ``sha256`` in hex where one is claimed."""

    file_hash: bytes
    segments: tuple[FileSegment, ...]
    size: int
    sha256: str | None
    first_chunk: bytes | None

    @property
    def xorbs(self) -> set[bytes]:
        return {segment.xorb_hash for segment in self.segments}


def verify_digests(
    hub: Hub, caller: Caller, files: Sequence[NewFile], indexes: XorbIndexes, progress: Progress
) -> None:
    """Hash every file whose sha256 is claimed, unless the caller may know that this very pair is verified.

    Raises InvalidUpload where one has another, StorageFault where stored bytes are damaged.
    """
    claimed = {file.sha256: file for file in files if file.sha256}
    with hub.storage.catalogue.read() as tx:
        rows = blobs.visible(tx, read_scope(caller.actor), caller.repo.id, claimed)
    known = {(row.xet_hash, row.sha256) for row in rows.values()}
    pending = [file for file in files if file.sha256 and (file.file_hash, file.sha256) not in known]
    progress.total = sum(file.size for file in pending)
    if not pending:
        return
    # The largest first, so that the threads end at about the same time.
    pending.sort(key=lambda file: file.size, reverse=True)
    with ThreadPoolExecutor(min(len(pending), os.cpu_count() or 1), "xet-verify") as pool:
        futures = [pool.submit(_verify_digest, hub, file, indexes, progress) for file in pending]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            progress.is_cancelled = True
            pool.shutdown(cancel_futures=True)
            raise


def _verify_digest(hub: Hub, file: NewFile, indexes: XorbIndexes, progress: Progress) -> None:
    digest = hashlib.sha256()
    # sha256 finds any damage, so that the chunks' own hashes need not be computed too.
    chunked.feed(hub, file.segments, indexes, digest.update, progress.add)
    if digest.hexdigest() == file.sha256:
        return
    for _ in chunked.chunks(hub, file.segments, indexes):
        progress.add(0)
    raise InvalidUpload(
        f"The file with the Xet hash {to_hex(file.file_hash)} was announced with sha256 {file.sha256}, but its bytes "
        f"have sha256 {digest.hexdigest()}; it may have changed meanwhile. Nothing was registered; upload it again."
    )
