"""What the history of a repository reaches: the blobs it names, and whether its objects are all there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress

import pygit2
from pygit2.enums import SortMode

from openshelf.domain.tree import MAX_POINTER_BYTES, Blob
from openshelf.errors import StorageFault
from openshelf.storage.repositories.incoming import changed_paths
from openshelf.storage.repositories.processes import environment, git_path
from openshelf.storage.repositories.repository import GitRepository


def reachable_blobs(repository: GitRepository, former: Iterable[str] = ()) -> dict[Blob, str]:
    """Every blob that a pointer file in any commit of any ref names, with one path where it is named.

    ``former`` commits count like refs, as far as their objects are still there. Raises StorageFault where an object
    that a ref reaches is missing.
    """
    found: dict[Blob, str] = {}
    seen: set[str] = set()
    tips = [ref.commit for ref in repository.refs()]
    commits = _commits(repository, tips)
    _collect(repository, commits, found, seen)
    for tip in sorted(set(former) - set(commits)):
        # Pruning may have begun with what no ref reaches.
        with suppress(StorageFault, KeyError, pygit2.GitError):
            _collect(repository, _commits(repository, [tip], tips), found, seen)
    return found


def new_blobs(repository: GitRepository, tips: Sequence[str], known: Sequence[str]) -> set[Blob]:
    """Every blob that the commits name which ``tips`` reach and ``known`` do not. Raises InvalidUpload, TooLarge."""
    found = set()
    for change in changed_paths(repository, tips, known):
        if change.oid and not change.is_submodule:
            kind, size = repository.header(change.oid)
            is_small = kind == "blob" and size <= MAX_POINTER_BYTES
            blob = Blob.from_pointer(repository.read(change.oid)) if is_small else None
            if blob:
                found.add(blob)
    return found


def _collect(repository: GitRepository, commits: Iterable[str], found: dict[Blob, str], seen: set[str]) -> None:
    for commit in commits:
        waiting = [("", repository.entry(commit, "").oid)]
        while waiting:
            prefix, tree = waiting.pop()
            if tree in seen:
                continue
            seen.add(tree)
            for entry in repository.folder(tree, prefix):
                if entry.is_folder:
                    waiting.append((f"{entry.path}/", entry.oid))
                elif entry.blob:
                    found.setdefault(entry.blob, entry.path)


def _commits(repository: GitRepository, tips: Iterable[str], known: Iterable[str] = ()) -> list[str]:
    walker = repository.git.walk(None, SortMode.NONE)
    for tip in tips:
        walker.push(pygit2.Oid(hex=tip))
    for commit in known:
        walker.hide(pygit2.Oid(hex=commit))
    return [str(commit.id) for commit in walker]


def object_faults(repository: GitRepository) -> list[str]:
    """What ``git fsck`` finds wrong with the objects; empty where all are there and whole."""
    arguments = ["-C", str(repository.path), "fsck", "--full", "--no-dangling", "--no-progress"]
    done = subprocess.run([git_path(), *arguments], capture_output=True, text=True, env=environment(), check=False)
    return (done.stderr or done.stdout).strip().splitlines() if done.returncode else []
