"""Reading revisions: entries, history, and the bytes of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo, Revision
from openshelf.domain.tree import CommitInfo, Entry
from openshelf.errors import DamagedBytes, EntryNotFound, StorageFault
from openshelf.services import chunked
from openshelf.services import repos as repo_service
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import blobs
from openshelf.storage.catalogue.blobs import BlobRow
from openshelf.storage.repositories import GitRepository, history


class _Read(Protocol):
    def __call__(self, start: int, end: int) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file. ``read(start, end)`` gives ``[start, end)`` in bounded pieces.

    ``path``: a local file with exactly these bytes, where there is one. ``xet_hash``: 32 bytes, where the file can
    be fetched by chunks.
    """

    size: int
    etag: str
    read: _Read
    path: Path | None = None
    xet_hash: bytes | None = None


def revision(hub: Hub, repo: Repo, asked: str) -> tuple[GitRepository, Revision]:
    """The open repository and what ``asked`` means in it. Raises RevisionNotFound."""
    git = hub.storage.repositories.open(repo.id)
    return git, git.resolve(asked)


def file(hub: Hub, repo: Repo, asked: str, path: str) -> tuple[GitRepository, Revision, Entry]:
    """The file at ``path``. Raises RevisionNotFound, EntryNotFound (for a folder too)."""
    git, found = revision(hub, repo, asked)
    entry = git.entry(found.commit, path)
    if entry.is_folder:
        raise EntryNotFound(f"{path or '/'} is a folder, not a file", found.commit)
    return git, found, entry


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file at a revision of a repo that the actor may read; the repo comes without its facts."""

    repo: Repo
    revision: Revision
    entry: Entry
    content: Content


def find_file(hub: Hub, actor: Actor, kind: RepoKind, repo_id: RepoId, asked: str, path: str) -> FoundFile:
    """From the names in an address to the bytes, in one look into the catalogue and one into git.

    Raises RepoNotFound, RevisionNotFound, EntryNotFound; DamagedBytes where that is known of the file.
    """
    with hub.storage.catalogue.read() as tx:
        repo = repo_service.find_in(tx, actor, kind, repo_id, with_facts=False)
        git, found, entry = file(hub, repo, asked, path)
        if entry.blob is None:
            inline = Content(entry.size, entry.oid, partial(_read_inline, git, entry.oid))
            return FoundFile(repo, found, entry, inline)
        row = blobs.linked_one(tx, repo.id, entry.blob.sha256)
    if row is None:
        raise _not_stored(repo, entry.blob.sha256)
    if row.damage is not None:
        raise _damaged(row)
    return FoundFile(repo, found, entry, stored_content(hub, row))


def content(hub: Hub, repo: Repo, git: GitRepository, entry: Entry) -> Content:
    """The bytes behind an entry of ``repo``. Raises StorageFault where they should be there and are not."""
    if entry.blob is None:
        return Content(entry.size, entry.oid, partial(_read_inline, git, entry.oid))
    return blob_content(hub, repo, entry.blob.sha256)


def blob_content(hub: Hub, repo: Repo, sha256: str) -> Content:
    """The bytes of a blob that ``repo`` may use."""
    with hub.storage.catalogue.read() as tx:
        row = blobs.linked_one(tx, repo.id, sha256)
    if row is None:
        raise _not_stored(repo, sha256)
    return stored_content(hub, row)


def stored_content(hub: Hub, row: BlobRow) -> Content:
    """The bytes of a stored blob, in whichever form it is kept; those of a damaged one cannot be read."""
    path = hub.storage.blobs.local_path(row.sha256) if row.is_whole and row.damage is None else None
    read = partial(_read_stored, hub, row)
    return Content(row.size, row.sha256, read, path, row.xet_hash)


def xet_hashes(hub: Hub, entries: Iterable[Entry]) -> dict[str, bytes]:
    """sha256 to Xet hash, for those entries that can be fetched by chunks."""
    digests = [entry.blob.sha256 for entry in entries if entry.blob]
    if not digests:
        return {}
    with hub.storage.catalogue.read() as tx:
        rows = blobs.get_many(tx, digests)
    return {sha256: row.xet_hash for sha256, row in rows.items() if row.xet_hash}


def last_commits(git: GitRepository, commit: str, folder: str) -> Mapping[str, CommitInfo]:
    """Name of each entry in ``folder`` to the commit that changed it last."""
    return history.last_commits(git, commit, folder)


def _not_stored(repo: Repo, sha256: str) -> StorageFault:
    return StorageFault(f"Blob {sha256} of {repo.full_name} is not stored; run `openshelf fsck`.")


def _read_inline(git: GitRepository, oid: str, start: int, end: int) -> Iterator[bytes]:
    yield git.read(oid)[start:end]


def _read_stored(hub: Hub, row: BlobRow, start: int, end: int) -> Iterator[bytes]:
    if row.damage is not None:
        raise _damaged(row)
    fault = StorageFault(f"Blob {row.sha256} is not stored; run `openshelf fsck`.")
    # The whole form may give way to the chunked one between the look-up and the first read, and also by that: where it
    # is found to be damaged.
    if row.is_whole:
        pieces = hub.storage.blobs.read(row.sha256, start, end)
        try:
            return _resumed(next(pieces, b""), pieces)
        except StorageFault as found:
            fault = found
    with hub.storage.catalogue.read() as tx:
        fresh = blobs.get(tx, row.sha256)
    if fresh is None or fresh.xet_hash is None or fresh.damage is not None:
        raise fault
    return chunked.read(hub, fresh.xet_hash, start, end)


def _damaged(row: BlobRow) -> DamagedBytes:
    return DamagedBytes(f"blob {row.sha256}", row.damage or "")


def _resumed(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
