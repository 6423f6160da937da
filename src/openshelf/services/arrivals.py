"""How much of a file was stored already when it came: what deduplication saved, file by file.

A byte counts as stored if this repo, or a public one, had it in its chunk before; of chunks that repeat in what comes
together, all but the first count too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from openshelf.domain.repos import Repo
from openshelf.services.hub import Hub
from openshelf.services.xorb_indexes import XorbIndexes
from openshelf.storage.catalogue import Transaction, arrivals, blobs, xorbs
from openshelf.xet.segments import FileSegment, unpack_segments

MIN_CHUNKED_BYTES = 64 * 1024
"""Blobs above this size are cut into chunks in the background, and compared with stored ones then."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A blob of a repo: its form, and its bytes that were stored already when it came, where that is known."""

    size: int
    is_chunked: bool
    known_bytes: int | None

    @property
    def percent(self) -> int | None:
        """Whole percent, rounded down: 100 means every byte."""
        return None if self.known_bytes is None or not self.size else 100 * self.known_bytes // self.size


@dataclass(frozen=True, slots=True)
class Saved:
    """All blobs of a repo, in all revisions, of which it is known: bytes, and those that were stored already."""

    size: int
    known_bytes: int


def find(hub: Hub, repo: Repo, digests: Iterable[str]) -> dict[str, Arrival]:
    """What is known of those blobs that the repo may use."""
    wanted = set(digests)
    if not wanted:
        return {}
    with hub.storage.catalogue.read() as tx:
        rows = blobs.linked(tx, repo.id, wanted)
        known = arrivals.of_repo(tx, repo.id, rows)
    return {sha256: Arrival(row.size, row.xet_hash is not None, known.get(sha256)) for sha256, row in rows.items()}


def saved(hub: Hub, repo: Repo) -> Saved:
    with hub.storage.catalogue.read() as tx:
        return Saved(*arrivals.totals(tx, repo.id))


def measure(
    hub: Hub,
    tx: Transaction,
    repo_id: str,
    files: Mapping[str, tuple[int, Sequence[FileSegment]]],
    indexes: XorbIndexes,
) -> dict[str, int]:
    """sha256 to bytes stored already, for files that come together, given with their size and segments.

    Ask before the repo is linked to them and what they are made of.
    """
    public = arrivals.public_elsewhere(tx, repo_id, files)
    used = {segment.xorb_hash for _, segments in files.values() for segment in segments}
    is_shared = hub.settings.dedup_scope == "readable"
    new = _NewChunks(arrivals.known_xorbs(tx, repo_id, used, public=is_shared), indexes)
    found = {}
    for sha256, (size, segments) in files.items():
        added = sum(new.add(segment) for segment in segments)
        found[sha256] = size if sha256 in public else size - added
    return found


def note(hub: Hub, tx: Transaction, repo_id: str, digests: Iterable[str]) -> dict[str, int]:
    """What to record of recorded blobs that ``repo_id`` is about to be linked to, and is not yet.

    Those that wait to be cut into chunks are left out: the job that does it finds out.
    """
    wanted = set(digests)
    rows = blobs.get_many(tx, wanted - blobs.link_times(tx, repo_id, wanted).keys())
    chunked = {row.sha256: row for row in rows.values() if row.xet_hash}
    files = {sha256: (row.size, _segments(tx, row.xet_hash)) for sha256, row in chunked.items()}
    found = measure(hub, tx, repo_id, files, XorbIndexes(hub)) if files else {}
    whole = rows.keys() - chunked.keys()
    public = arrivals.public_elsewhere(tx, repo_id, whole)
    found |= {sha256: rows[sha256].size for sha256 in public}
    return found | {sha256: 0 for sha256 in whole - public if rows[sha256].size <= MIN_CHUNKED_BYTES}


def record(tx: Transaction, repo_id: str, known: Mapping[str, int]) -> None:
    """Keep what ``measure`` or ``note`` found; the repo must be linked to the blobs by now."""
    arrivals.record(tx, repo_id, known)


def _segments(tx: Transaction, xet_hash: bytes | None) -> Sequence[FileSegment]:
    row = xorbs.file(tx, xet_hash) if xet_hash else None
    return unpack_segments(row.segments) if row else ()


class _NewChunks:
    """Which chunks of xorbs that are new have been counted."""

    def __init__(self, known: set[bytes], indexes: XorbIndexes) -> None:
        self._known = known
        self._indexes = indexes
        self._seen: dict[bytes, set[int]] = {}
        self._ranges: set[tuple[bytes, int, int]] = set()

    def add(self, segment: FileSegment) -> int:
        """Bytes of a segment that were not counted before and are not stored already."""
        place = (segment.xorb_hash, segment.start_chunk, segment.end_chunk)
        if segment.xorb_hash in self._known or place in self._ranges:
            return 0
        self._ranges.add(place)
        seen = self._seen.setdefault(segment.xorb_hash, set())
        numbers = range(segment.start_chunk, segment.end_chunk)
        if seen.isdisjoint(numbers):
            seen.update(numbers)
            return segment.length
        index = self._indexes(segment.xorb_hash)
        fresh = [number for number in numbers if number not in seen]
        seen.update(fresh)
        return sum(index.raw_length_of(number, number + 1) for number in fresh) if index else 0
