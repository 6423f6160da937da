"""Giving blobs that came whole (by git-lfs, git or a page) the chunked form that Xet uploads have.

The blob is cut as clients cut it. Runs of chunks that are stored already are referred to, the rest goes into new
xorbs. The whole form goes only after the chunked one was read back and hashed; a blob is then kept in one form, however
it came, and later uploads are deduplicated against it. This holds for blobs that share nothing too: their chunks take
about the space of the whole form (0.1 % more where nothing compresses), and the next version of the file shares them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from openshelf.errors import StorageFault, Unavailable
from openshelf.services import arrivals, chunked
from openshelf.services.chunk_runs import KnownChunks, Run
from openshelf.services.hub import Hub, now
from openshelf.services.stored import REMOVAL_LOCK, remove_whole
from openshelf.services.xet_shards import share_public
from openshelf.services.xet_upload import keep_xorb
from openshelf.storage.catalogue import blobs, xorbs
from openshelf.storage.catalogue.blobs import BlobRow
from openshelf.storage.catalogue.xorbs import XetFileRow
from openshelf.xet.chunking import iter_chunks
from openshelf.xet.hashes import MerkleTree, Node, chunk_hash, file_hash_of_root
from openshelf.xet.segments import FileSegment, pack_segments
from openshelf.xet.xorb_builder import XorbBuilder

# Chunks that are compared with stored ones at a time: about 2 GiB, whose hashes take 5 MB.
WINDOW_CHUNKS = 32_768
_PENDING = b""
_PATIENCE_SECONDS = 5.0


def chunk_blob(hub: Hub, sha256: str) -> None:
    """Keep a blob as chunks only. Nothing happens where it is so already, damaged, or unused; safe to repeat.

    Raises StorageFault where stored bytes are damaged, and leaves both forms.
    """
    with hub.storage.catalogue.read() as tx:
        row, holders = blobs.get(tx, sha256), blobs.holders(tx, sha256)
    if row is None or not row.is_whole or not row.size or row.damage is not None or not holders:
        return
    xet_hash = row.xet_hash or _convert(hub, row, holders)
    _verify(hub, row, xet_hash)
    _drop_whole(hub, row, xet_hash)


def _convert(hub: Hub, row: BlobRow, holders: Sequence[str]) -> bytes:
    """Record the blob as a file made of xorbs; returns its Xet hash."""
    tree, draft = MerkleTree(), _Draft(hub, row.sha256, holders)
    first = None
    for window in _windows(hub, row.sha256):
        first = first or window[0][0]
        tree.extend(window)
        draft.add(window, is_whole_file=sum(length for _, length in window) == row.size)
    segments = draft.finish()
    file_hash = file_hash_of_root(tree.root())
    used, moment = {segment.xorb_hash for segment in segments}, now()
    with hub.storage.catalogue.write() as tx:
        if xorbs.touch(tx, used, moment) != len(used):
            raise Unavailable(f"Garbage collection took chunks while blob {row.sha256} was cut; this is tried again.")
        xorbs.save_file(tx, XetFileRow(file_hash, row.size, pack_segments(segments)), used, moment)
        if first:
            xorbs.save_dedup_chunks(tx, [(first, segments[0].xorb_hash)])
        for repo_id in holders:
            share_public(tx, repo_id, used, moment)
        for repo_id in blobs.holders(tx, row.sha256):
            arrivals.record(tx, repo_id, {row.sha256: draft.reused_bytes})
    return file_hash


def _windows(hub: Hub, sha256: str) -> Iterator[list[Node]]:
    """The blob's chunks as (hash, length), so many at a time."""
    nodes = ((chunk_hash(chunk), len(chunk)) for chunk in iter_chunks(hub.storage.blobs.read(sha256)))
    while window := list(islice(nodes, WINDOW_CHUNKS)):
        yield window


def _verify(hub: Hub, row: BlobRow, xet_hash: bytes) -> None:
    digest = hashlib.sha256()
    for piece in chunked.read(hub, xet_hash, 0, row.size):
        digest.update(piece)
    if digest.hexdigest() != row.sha256:
        raise StorageFault(
            f"Blob {row.sha256} read from its chunks has sha256 {digest.hexdigest()}: its whole form is damaged, or "
            "they are. Both were left as they are; run `openshelf fsck`."
        )


def _drop_whole(hub: Hub, row: BlobRow, xet_hash: bytes) -> None:
    with hub.storage.catalogue.write() as tx:
        blobs.save(tx, row.blob, now(), xet_hash=xet_hash)
    # A backup can hold the lock for hours. Housekeeping asks again for what is then still kept in both forms.
    with suppress(Unavailable), hub.storage.locks.hold(REMOVAL_LOCK, timeout=_PATIENCE_SECONDS):
        with hub.storage.catalogue.write() as tx:
            current = blobs.get(tx, row.sha256)
            if current and current.xet_hash and current.is_whole and xorbs.file(tx, current.xet_hash):
                blobs.forget_whole(tx, row.sha256)
        # Not before the chunked form is recorded for good.
        remove_whole(hub, row.sha256)


class _Draft:
    """The segments of a file in the making. Those in the xorb that is being built get its hash when it is full."""

    def __init__(self, hub: Hub, sha256: str, holders: Sequence[str]) -> None:
        self._hub = hub
        self._sha256 = sha256
        self._holders = holders
        self._known = KnownChunks(hub, holders)
        self._builder = XorbBuilder()
        self._segments: list[FileSegment] = []
        self._offset = 0
        self.reused_bytes = 0

    def add(self, window: Sequence[Node], *, is_whole_file: bool) -> None:
        for item in self._known.match(window, is_whole_file=is_whole_file):
            if isinstance(item, Run):
                self._append(FileSegment(item.xorb_hash, item.start_chunk, item.end_chunk, item.length))
                self._offset += item.length
                self.reused_bytes += item.length
            else:
                self._add_new(*item)

    def _add_new(self, name: bytes, length: int) -> None:
        if not self._builder.fits(length):
            self._flush()
        end = self._offset + length
        # The chunk was read and hashed before, and all of the file is hashed once more at the end.
        chunk = self._hub.storage.blobs.objects.read_range(self._sha256, self._offset, end, check=False)
        number = self._builder.append(chunk, name)
        self._append(FileSegment(_PENDING, number, number + 1, length))
        self._offset = end

    def _append(self, segment: FileSegment) -> None:
        last = self._segments[-1] if self._segments else None
        if last and (last.xorb_hash, last.end_chunk) == (segment.xorb_hash, segment.start_chunk):
            length = last.length + segment.length
            self._segments[-1] = FileSegment(last.xorb_hash, last.start_chunk, segment.end_chunk, length)
        else:
            self._segments.append(segment)

    def _flush(self) -> None:
        if not len(self._builder):
            return
        built = self._builder.finish()
        staged = self._hub.storage.xorbs.stage()
        try:
            staged.write(built.body)
            keep_xorb(self._hub, staged, built.xorb_hash, built.index, self._holders)
        finally:
            staged.discard()
        self._known.remember(built.xorb_hash, built.index)
        self._segments = [
            FileSegment(built.xorb_hash, segment.start_chunk, segment.end_chunk, segment.length)
            if segment.xorb_hash == _PENDING
            else segment
            for segment in self._segments
        ]

    def finish(self) -> list[FileSegment]:
        self._flush()
        return self._segments
