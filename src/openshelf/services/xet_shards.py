"""Taking shards: files made of xorbs are checked to the last byte, then recorded all at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from openshelf.domain.access import ReadScope
from openshelf.domain.tree import Blob
from openshelf.errors import InvalidUpload, RepoNotFound, TooLarge
from openshelf.services import arrivals
from openshelf.services.accept import check_quota
from openshelf.services.hub import Hub, now
from openshelf.services.sizes import readable_size
from openshelf.services.xet_access import Caller, dedup_scope
from openshelf.services.xet_digests import NewFile, Progress, verify_digests
from openshelf.services.xorb_indexes import XorbIndexes
from openshelf.storage.catalogue import Transaction, blobs, events, repos, xorbs
from openshelf.storage.catalogue.xorbs import XetFileRow
from openshelf.xet.errors import UnknownXorbError, XetFormatError
from openshelf.xet.files import validate_file
from openshelf.xet.hashes import to_hex
from openshelf.xet.segments import FileSegment, pack_segments
from openshelf.xet.shards import Shard, ShardFile, ShardXorb, parse_shard

_NO_SHA256 = bytes(32)

# A small shard can refer to one chunk of zeros a million times, and all that it says is hashed. Sparse files do so too.
_MOST_EXPANSION = 1000
_FREE_BYTES = 64 * 1024**3
# Only the last chunk of a file may have less than 8 KiB.
_SHORT_CHUNK = 4096
_FEW_CHUNKS = 16


@dataclass(frozen=True, slots=True)
class Registration:
    """What a shard brought: whether anything was new, the bytes of its files, and those that were stored already."""

    is_new: bool
    file_bytes: int
    deduplicated_bytes: int


def register(hub: Hub, caller: Caller, data: bytes, progress: Progress) -> Registration:
    """Accept every file of a shard, or none. Blocks until all bytes with a claimed sha256 are hashed.

    Raises InvalidUpload, TooLarge, QuotaExceeded with messages for the person who uploads; StorageFault.
    """
    try:
        shard = parse_shard(data)
    except XetFormatError as error:
        raise InvalidUpload(f"The upload was refused: {error}. Update the client and upload again.") from None
    used = {segment.xorb_hash for file in shard.files for segment in file.segments}
    wanted = used.union(xorb.xorb_hash for xorb in shard.xorbs)
    with hub.storage.catalogue.read() as tx:
        usable = _usable(tx, hub, caller, wanted)
    _check_complete(wanted, usable)
    _check_claims(hub, shard.files, used)
    indexes = XorbIndexes(hub)
    files = _validate(shard, indexes)
    _check_room(hub, caller, files)
    verify_digests(hub, caller, files, indexes, progress)
    progress.is_committing = True
    known = _known_bytes(hub, caller, files, indexes)
    with hub.storage.catalogue.write() as tx:
        if repos.by_id(tx, caller.repo.id) is None:
            raise RepoNotFound(caller.repo.full_name)
        _check_complete(wanted, _usable(tx, hub, caller, wanted))
        is_new = _record(tx, caller, files, wanted, known, now())
    file_bytes = sum(file.size for file in files)
    sent = sum(xorb.raw_ends[-1] for xorb in shard.xorbs)
    return Registration(is_new, file_bytes, max(0, file_bytes - sent))


def _usable(tx: Transaction, hub: Hub, caller: Caller, hashes: Iterable[bytes]) -> set[bytes]:
    return xorbs.visible_hashes(tx, dedup_scope(hub, caller.actor), caller.repo.id, hashes)


def _check_complete(wanted: set[bytes], usable: set[bytes]) -> None:
    missing = sorted(wanted - usable)
    if missing:
        raise InvalidUpload(
            "Your client's shard cache refers to xorbs this hub does not have. Delete ~/.cache/huggingface/xet and "
            f"upload again. ({len(missing)} are missing, the first is {to_hex(missing[0])}.)"
        )


def _validate(shard: Shard, indexes: XorbIndexes) -> list[NewFile]:
    """The files of a shard, each once. Raises InvalidUpload for whatever is not as it must be."""
    found: dict[tuple[bytes, str | None], NewFile] = {}
    try:
        for xorb in shard.xorbs:
            _check_listed(xorb, indexes)
        for file in shard.files:
            size = validate_file(file, indexes)
            sha256 = file.sha256.hex() if file.sha256 and file.sha256 != _NO_SHA256 else None
            first = _first_chunk(file.segments, indexes)
            found[file.file_hash, sha256] = NewFile(file.file_hash, file.segments, size, sha256, first)
    except UnknownXorbError as error:
        _check_complete({error.xorb_hash}, set())
    except XetFormatError as error:
        raise InvalidUpload(f"The upload was refused: {error}. Nothing of it was registered; upload again.") from None
    return list(found.values())


def _check_listed(xorb: ShardXorb, indexes: XorbIndexes) -> None:
    index = indexes(xorb.xorb_hash)
    if index is None:
        raise UnknownXorbError(f"xorb {to_hex(xorb.xorb_hash)} is not stored here", xorb.xorb_hash)
    if (xorb.hashes, xorb.raw_ends) != (index.hashes, index.raw_ends):
        raise XetFormatError(f"the shard lists chunks for xorb {to_hex(xorb.xorb_hash)} that it does not have")


def _first_chunk(segments: Sequence[FileSegment], indexes: XorbIndexes) -> bytes | None:
    index = indexes(segments[0].xorb_hash) if segments else None
    return index.chunk_hash(segments[0].start_chunk) if index else None


def _check_claims(hub: Hub, files: Sequence[ShardFile], used: set[bytes]) -> None:
    """Refuse what would take too long, by what the shard says of itself, before anything is computed from it."""
    limit, total = hub.settings.max_file_bytes, 0
    for file in files:
        size = sum(segment.length for segment in file.segments)
        chunks = sum(segment.end_chunk - segment.start_chunk for segment in file.segments)
        if limit and size > limit:
            raise TooLarge(
                f"A file of {readable_size(size)} is in this upload; this hub takes files of at most "
                f"{readable_size(limit)}. Split it into smaller files."
            )
        if chunks > size // _SHORT_CHUNK + _FEW_CHUNKS:
            raise InvalidUpload(
                f"A file of {readable_size(size)} is cut into {chunks} chunks; Xet chunks have at least 8 KiB. "
                "Update the client and upload again."
            )
        total += size
    with hub.storage.catalogue.read() as tx:
        stored = xorbs.stored_bytes(tx, used)
    if total > _FREE_BYTES + _MOST_EXPANSION * stored:
        raise TooLarge(
            f"The files of this upload have {readable_size(total)}, nearly all of it repetitions of "
            f"{readable_size(stored)}. This hub does not take so much of the same; compress the files."
        )


def _check_room(hub: Hub, caller: Caller, files: Sequence[NewFile]) -> None:
    sizes = {file.sha256: file.size for file in files if file.sha256}
    with hub.storage.catalogue.read() as tx:
        linked = blobs.linked(tx, caller.repo.id, sizes)
    check_quota(hub, caller.repo, sum(size for sha256, size in sizes.items() if sha256 not in linked))


def _known_bytes(hub: Hub, caller: Caller, files: Sequence[NewFile], indexes: XorbIndexes) -> dict[str, int]:
    come = {file.sha256: (file.size, file.segments) for file in files if file.sha256}
    with hub.storage.catalogue.read() as tx:
        return arrivals.measure(hub, tx, caller.repo.id, come, indexes)


def _record(
    tx: Transaction,
    caller: Caller,
    files: Sequence[NewFile],
    wanted: set[bytes],
    known: Mapping[str, int],
    moment: datetime,
) -> bool:
    rows = {XetFileRow(file.file_hash, file.size, pack_segments(file.segments)): file.xorbs for file in files}
    is_new = xorbs.save_files(tx, rows, moment) > 0
    xorbs.save_dedup_chunks(tx, {(f.first_chunk, f.segments[0].xorb_hash) for f in files if f.first_chunk})
    found = {Blob(file.sha256, file.size): file.file_hash for file in files if file.sha256}
    digests = {blob.sha256 for blob in found}
    blobs.save_xet(tx, found, moment)
    unlinked = digests - blobs.linked(tx, caller.repo.id, digests).keys()
    is_new |= bool(unlinked)
    blobs.link(tx, caller.repo.id, digests, moment)
    arrivals.record(tx, caller.repo.id, {sha256: known[sha256] for sha256 in unlinked})
    for sha256, blob in blobs.get_many(tx, digests).items():
        if blob.is_whole:
            # It is kept twice now; the job lets go of the whole form.
            events.enqueue(tx, "chunk-blob", sha256, {"sha256": sha256}, moment)
    share_public(tx, caller.repo.id, wanted, moment)
    xorbs.touch(tx, wanted, moment)
    return is_new


def share_public(tx: Transaction, repo_id: str, hashes: Iterable[bytes], moment: datetime) -> None:
    """Link those xorbs to a repo whose files refer to them that everybody may use, and renew its own links.

    A link lets everybody who reads the repo deduplicate against the whole xorb, so a file's reference to a part of a
    private one makes none: it would tell of chunks that only the private repo has.
    """
    xorbs.link(tx, repo_id, xorbs.visible_hashes(tx, ReadScope(), repo_id, hashes), moment)
