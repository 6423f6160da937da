"""The past of a repository: commits of a branch, and the last commit of each entry of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pygit2
from pygit2.enums import SortMode

from openshelf.domain.tree import CommitInfo
from openshelf.storage.repositories.repository import GitRepository

MAX_WALK = 20_000


def log(repository: GitRepository, commit: str, *, offset: int = 0, limit: int = 100) -> list[CommitInfo]:
    """Commits that ``commit`` reaches, newest first."""
    return [info(found) for found in islice(_walk(repository, commit), offset, offset + limit)]


def count(repository: GitRepository, commit: str, at_most: int = MAX_WALK) -> int:
    """How many commits ``commit`` reaches, counted up to ``at_most``."""
    return sum(1 for _ in islice(_walk(repository, commit), at_most))


def commit_info(repository: GitRepository, commit: str) -> CommitInfo:
    return info(repository.git[commit].peel(pygit2.Commit))


def last_commits(repository: GitRepository, commit: str, folder: str) -> Mapping[str, CommitInfo]:
    """For each name in ``folder``, the newest commit that changed it.

    Names that did not change within the last ``MAX_WALK`` commits get the oldest commit looked at.
    """
    return _last_commits(repository.path, commit, folder)


def reaches(repository: GitRepository, commit: str, ancestor: str) -> bool:
    """Whether ``ancestor`` is ``commit`` or lies in its past."""
    return commit == ancestor or repository.git.descendant_of(commit, ancestor)


def info(commit: Any) -> CommitInfo:
    """A commit of libgit2 in our words."""
    title, _, rest = commit.message.strip("\n").partition("\n")
    return CommitInfo(
        id=str(commit.id),
        title=title.strip(),
        message=rest.strip(),
        author=commit.author.name or "",
        email=commit.author.email or "",
        date=datetime.fromtimestamp(commit.commit_time, UTC),
        parents=tuple(str(parent) for parent in commit.parent_ids),
    )


def _walk(repository: GitRepository, commit: str) -> Iterator[Any]:
    return iter(repository.git.walk(pygit2.Oid(hex=commit), SortMode.TOPOLOGICAL | SortMode.TIME))


@lru_cache(maxsize=128)
def _last_commits(path: Path, commit: str, folder: str) -> Mapping[str, CommitInfo]:
    # Commits never change, so neither does the answer.
    repository = GitRepository(path)
    names = _Names(repository)
    wanted = names.of(_folder_id(repository.git[commit].peel(pygit2.Commit), folder))
    missing, found = dict(wanted), dict[str, CommitInfo]()
    current: Any = None
    for current in islice(_walk(repository, commit), MAX_WALK):
        if not missing:
            break
        here, before = _folder_id(current, folder), [_folder_id(parent, folder) for parent in current.parents]
        if here in before:
            continue
        present, pasts = names.of(here), [names.of(tree) for tree in before]
        changed = [
            name
            for name, oid in missing.items()
            if present.get(name) == oid and all(past.get(name) != oid for past in pasts)
        ]
        if changed:
            found.update(dict.fromkeys(changed, info(current)))
            for name in changed:
                del missing[name]
    if missing and current is not None:
        found.update(dict.fromkeys(missing, info(current)))
    return MappingProxyType(found)


def _folder_id(commit: Any, folder: str) -> str | None:
    """The git id of a folder's tree in ``commit``; None where it is not there."""
    tree = commit.tree
    if folder:
        try:
            tree = tree[folder]
        except KeyError:
            return None
    return str(tree.id) if isinstance(tree, pygit2.Tree) else None


class _Names:
    """Name to git id of what lies in trees; those looked at last are kept, for a commit's tree is its child's past."""

    def __init__(self, repository: GitRepository) -> None:
        self._git = repository.git
        self._known: dict[str | None, dict[str, str]] = {}

    def of(self, tree: str | None) -> dict[str, str]:
        known = self._known.get(tree)
        if tree is None or known is not None:
            return known or {}
        if len(self._known) > 8:
            self._known.clear()
        names = self._known[tree] = {str(item.name): str(item.id) for item in self._git[tree].peel(pygit2.Tree)}
        return names
