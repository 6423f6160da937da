"""Commits made through the API: what to send how, and the commit itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pathspec import GitIgnoreSpec

from openshelf.domain.access import Access, access_to, may_propose
from openshelf.domain.events import Event, EventKind
from openshelf.domain.names import check_path, check_text, pull_number
from openshelf.domain.people import Actor
from openshelf.domain.pulls import Pull, PullStatus
from openshelf.domain.repos import Repo, Revision
from openshelf.domain.tree import (
    MAX_POINTER_BYTES,
    AddBlob,
    AddInline,
    AddStored,
    Blob,
    Change,
    CopyFile,
    DeleteFile,
    DeleteFolder,
    Entry,
)
from openshelf.errors import (
    Conflict,
    EntryNotFound,
    Forbidden,
    Invalid,
    InvalidChange,
    PullNotFound,
    RevisionNotFound,
    StaleParent,
    TooLarge,
)
from openshelf.services import repos as repo_service
from openshelf.services.accept import RefUpdate, author_of, check_blobs, move_refs
from openshelf.services.attributes import lfs_patterns
from openshelf.services.hub import Hub, now
from openshelf.services.sizes import readable_size
from openshelf.storage.catalogue import Transaction, blobs, events, refs
from openshelf.storage.repositories import GitRepository, history
from openshelf.storage.repositories.repository import Author

MAX_CHANGES = 25_000
_MAX_IGNORE_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file that a client wants to send: size in bytes and its first bytes."""

    path: str
    size: int
    sample: bytes


@dataclass(frozen=True, slots=True)
class UploadMode:
    """How to send it. ``etag`` is that of the file now at this path: git id, or sha256 if outside git."""

    path: str
    mode: Literal["regular", "lfs"]
    ignore: bool
    etag: str | None


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit that was accepted; ``pull`` where it opened one."""

    commit: str
    ref: str
    pull: Pull | None = None


def check_may_commit(hub: Hub, actor: Actor, repo: Repo, revision: str, *, propose: bool) -> None:
    """Raises Forbidden or NotSignedIn unless ``actor`` may commit to ``revision``, or propose against it."""
    hub.check_writable()
    number = pull_number(revision)
    if access_to(actor, repo) >= Access.WRITE:
        return
    if propose and may_propose(actor, repo):
        return
    if number is not None and may_propose(actor, repo):
        with hub.storage.catalogue.read() as tx:
            pull = refs.pull(tx, repo.id, number)
        if pull is None:
            raise PullNotFound(number)
        if actor.account and pull.author_id == actor.account.id:
            return
        raise Forbidden(f"Only {pull.author} and those who may write to {repo.full_name} may push to {revision}.")
    repo_service.check(actor, repo, Access.WRITE, repo.full_name)


def plan_upload(
    hub: Hub, repo: Repo, revision: str, files: Sequence[PlannedFile], ignore: str | None = None
) -> list[UploadMode]:
    """Say for each file whether it goes into git, outside git, or is ignored. Raises RevisionNotFound.

    What is there already is told by its etag, so that clients need not send it again; not so what is damaged.
    """
    git = hub.storage.repositories.open(repo.id)
    commit = git.resolve(revision).commit
    outside = lfs_patterns(git.read_path(commit, ".gitattributes", _MAX_IGNORE_BYTES) or b"")
    if ignore is None:
        ignore = (git.read_path(commit, ".gitignore", _MAX_IGNORE_BYTES) or b"").decode("utf-8", "replace")
    ignored = GitIgnoreSpec.from_lines(ignore[:_MAX_IGNORE_BYTES].splitlines())
    existing = git.some_entries(commit, [check_path(file.path) for file in files])
    damaged = _damaged(hub, existing.values())
    modes = []
    for file in files:
        there = existing.get(file.path)
        if there and there.blob and there.blob.sha256 in damaged:
            there = None
        large = outside.match_file(file.path) or file.size > hub.settings.max_inline_bytes or _is_binary(file)
        etag = there.etag if there and not there.is_folder else None
        modes.append(UploadMode(file.path, "lfs" if large else "regular", ignored.match_file(file.path), etag))
    return modes


def _damaged(hub: Hub, entries: Iterable[Entry]) -> set[str]:
    digests = [entry.blob.sha256 for entry in entries if entry.blob]
    if not digests:
        return set()
    with hub.storage.catalogue.read() as tx:
        return {sha256 for sha256, row in blobs.get_many(tx, digests).items() if row.damage is not None}


def inline_store(hub: Hub, repo: Repo) -> Callable[[str, bytes], Change]:
    """A function that makes the change which adds a file, and takes its bytes out of memory where they are many.

    It raises InvalidChange for a file that must be kept outside git.
    """
    git = hub.storage.repositories.open(repo.id)

    def store(path: str, content: bytes) -> Change:
        _check_inline(hub, path, len(content))
        if len(content) <= MAX_POINTER_BYTES:
            return AddInline(path, content)
        return AddStored(path, git.store(content), len(content))

    return store


def commit(
    hub: Hub,
    actor: Actor,
    repo: Repo,
    revision: str,
    changes: Sequence[Change],
    title: str,
    description: str = "",
    *,
    parent: str | None = None,
    propose: bool = False,
) -> Committed:
    """Make one commit on a branch or pull ref, or on a new pull ref where ``propose`` is set.

    It is acknowledged (returned) only when everything it names is stored, verified and on disk. ``parent``: the
    commit that the change was made for; where it was made already, for a client that did not hear of it and asks
    again, that commit is the answer. Raises StaleParent, RevisionNotFound, EntryNotFound, BlobNotFound,
    InvalidPath, InvalidChange, QuotaExceeded, Forbidden.
    """
    check_may_commit(hub, actor, repo, revision, propose=propose)
    changes, named = _check_changes(hub, actor, repo, changes)
    if not title.strip():
        raise InvalidChange("A commit needs a title; send a summary.")
    check_text(title + description, "The message of the commit")
    message = f"{title.strip()}\n\n{description.strip()}".strip() + "\n"
    with hub.storage.locks.hold(f"repo-{repo.id}"):
        git = hub.storage.repositories.open(repo.id)
        head = target(git, revision)
        if parent is not None and not _same_commit(git, parent, head.commit):
            if not propose and head.ref and _is_repeated(git, head.commit, parent, changes, author_of(actor), message):
                return Committed(head.commit, head.ref)
            raise StaleParent
        new = git.write_commit(head.commit, changes, author_of(actor), message)
        if propose:
            return _open_pull(hub, actor, repo, git, head, new, title, description, named)
        if head.ref is None:
            raise RevisionNotFound(revision)
        if new != head.commit:
            move_refs(hub, actor, repo, git, [RefUpdate(head.ref, head.commit, new)], named)
        return Committed(new, head.ref)


def open_pull(hub: Hub, actor: Actor, repo: Repo, title: str, description: str = "") -> Pull:
    """A draft pull against the default branch, without a commit of its own yet."""
    check_may_commit(hub, actor, repo, "main", propose=True)
    with hub.storage.locks.hold(f"repo-{repo.id}"):
        git = hub.storage.repositories.open(repo.id)
        head = target(git, "main")
        done = _open_pull(hub, actor, repo, git, head, head.commit, title, description, (), PullStatus.DRAFT)
    if done.pull is None:
        raise Conflict("The pull request was not opened; try again.")
    return done.pull


def _open_pull(
    hub: Hub,
    actor: Actor,
    repo: Repo,
    git: GitRepository,
    head: Revision,
    commit_id: str,
    title: str,
    description: str,
    named: Iterable[str],
    status: PullStatus = PullStatus.OPEN,
) -> Committed:
    if actor.account is None:
        raise Forbidden("Sign in to open a pull request.")
    if not title.strip():
        raise Invalid("A pull request needs a title.")
    check_text(title + description, "The title or description of the pull request")
    moment, author = now(), actor.account
    with hub.storage.catalogue.read() as tx:
        taken = [number for ref in git.refs() if (number := pull_number(ref.name))]
        number = max([refs.next_pull_number(tx, repo.id), *(n + 1 for n in taken)])
    base = head.ref or "refs/heads/main"
    pull = Pull(repo.id, number, title.strip(), description, author.id, author.name, status, base, moment)

    def record(tx: Transaction) -> None:
        refs.insert_pull(tx, pull)
        events.append(tx, Event(EventKind.PULL_OPENED, moment, author.id, repo.id, {"number": number}))

    move_refs(hub, actor, repo, git, [RefUpdate(pull.ref, None, commit_id)], named, also=record)
    return Committed(commit_id, pull.ref, pull)


def _check_changes(hub: Hub, actor: Actor, repo: Repo, changes: Sequence[Change]) -> tuple[list[Change], list[str]]:
    """The changes with sizes filled in and pointer files taken for what they are, and the blobs they name."""
    if len(changes) > MAX_CHANGES:
        raise TooLarge(f"One commit may have at most {MAX_CHANGES} changes; this one has {len(changes)}. Split it.")
    taken: list[Change] = []
    for change in changes:
        if not (isinstance(change, DeleteFolder) and change.path == ""):
            check_path(change.path)
        match change:
            case AddInline(path, content):
                _check_inline(hub, path, len(content))
                pointer = Blob.from_pointer(content)
                taken.append(AddBlob(path, pointer.sha256, pointer.size) if pointer else change)
            case AddStored() | AddBlob() | CopyFile() | DeleteFile() | DeleteFolder():
                taken.append(change)
    copied = _copied_blobs(hub, repo, taken)
    digests = {change.sha256 for change in taken if isinstance(change, AddBlob)}
    with hub.storage.catalogue.read() as tx:
        sizes = {sha256: row.size for sha256, row in blobs.get_many(tx, digests).items()}
    wanted = [
        Blob(change.sha256, change.size if change.size is not None else sizes.get(change.sha256, 0))
        for change in taken
        if isinstance(change, AddBlob)
    ]
    found = check_blobs(hub, actor, repo, [*wanted, *copied])
    filled = [
        AddBlob(change.path, change.sha256, found[change.sha256].size) if isinstance(change, AddBlob) else change
        for change in taken
    ]
    return filled, sorted(digests | {blob.sha256 for blob in copied})


def _copied_blobs(hub: Hub, repo: Repo, changes: Sequence[Change]) -> set[Blob]:
    """The blobs behind copied files: their source may be a revision that no ref keeps them for."""
    copies = [change for change in changes if isinstance(change, CopyFile)]
    git = hub.storage.repositories.open(repo.id) if copies else None
    found = set()
    for copy in copies:
        assert git is not None
        entry = git.entry(git.resolve(copy.source_revision).commit, copy.source_path)
        if entry.blob:
            found.add(entry.blob)
    return found


def _check_inline(hub: Hub, path: str, size: int) -> None:
    limit = hub.settings.max_inline_bytes
    if size > limit:
        raise InvalidChange(
            f"{path} has {readable_size(size)}; files above {readable_size(limit)} must be sent through LFS or Xet."
        )


def target(git: GitRepository, revision: str) -> Revision:
    """A branch or pull ref to commit on. Raises RevisionNotFound for anything else."""
    found = git.resolve(revision)
    if found.ref is None or not found.ref.startswith(("refs/heads/", "refs/pr/")):
        raise RevisionNotFound(revision)
    return found


def _same_commit(git: GitRepository, asked: str, commit_id: str) -> bool:
    try:
        return git.resolve(asked).commit == commit_id
    except RevisionNotFound:
        return False


def _is_repeated(
    git: GitRepository, head: str, parent: str, changes: Sequence[Change], author: Author, message: str
) -> bool:
    """Whether ``head`` is just what these changes make of ``parent``: a commit's id says all that is in it."""
    made = history.commit_info(git, head)
    try:
        if made.parents != (git.resolve(parent).commit,):
            return False
        return git.write_commit(made.parents[0], changes, author, message, at=made.date.timestamp()) == head
    except (RevisionNotFound, EntryNotFound, InvalidChange):
        return False


def _is_binary(file: PlannedFile) -> bool:
    sample = file.sample
    if b"\0" in sample:
        return True
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        # A sample may end in the middle of a character; that alone does not make it binary.
        is_cut = len(sample) < file.size and error.end == len(sample) and len(sample) - error.start <= 3
        return not is_cut
    return False
