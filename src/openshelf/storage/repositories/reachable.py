"""Which blobs the history of a repository names."""

from __future__ import annotations

import pygit2
from pygit2.enums import SortMode

from openshelf.domain.tree import Blob
from openshelf.storage.repositories.repository import GitRepository


def reachable_blobs(repository: GitRepository) -> dict[Blob, str]:
    """Every blob that a pointer file in any commit of any ref names, with one path where it is named.

    Raises StorageFault where an object on the way is missing.
    """
    found: dict[Blob, str] = {}
    seen: set[str] = set()
    for commit in _commits(repository):
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
    return found


def _commits(repository: GitRepository) -> list[str]:
    walker = repository.git.walk(None, SortMode.NONE)
    for ref in repository.refs():
        walker.push(pygit2.Oid(hex=ref.commit))
    return [str(commit.id) for commit in walker]
