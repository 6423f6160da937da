"""What the history of a repository reaches: the blobs it names, and whether its objects are all there."""

from __future__ import annotations

import subprocess

import pygit2
from pygit2.enums import SortMode

from openshelf.domain.tree import Blob
from openshelf.storage.repositories.processes import environment, git_path
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


def object_faults(repository: GitRepository) -> list[str]:
    """What ``git fsck`` finds wrong with the objects; empty where all are there and whole."""
    arguments = ["-C", str(repository.path), "fsck", "--full", "--no-dangling", "--no-progress"]
    done = subprocess.run([git_path(), *arguments], capture_output=True, text=True, env=environment(), check=False)
    return (done.stderr or done.stdout).strip().splitlines() if done.returncode else []
