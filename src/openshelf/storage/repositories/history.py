"""The past of a repository: commits of a branch, and the last commit of each entry of a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
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


def last_commits(repository: GitRepository, commit: str, folder: str) -> dict[str, CommitInfo]:
    """For each name in ``folder``, the newest commit that changed it.

    Names that did not change within the last ``MAX_WALK`` commits get the oldest commit looked at.
    """
    return dict(_last_commits(repository.path, commit, folder))


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


@lru_cache(maxsize=512)
def _last_commits(path: Path, commit: str, folder: str) -> tuple[tuple[str, CommitInfo], ...]:
    # Commits never change, so neither does the answer.
    repository = GitRepository(path)
    wanted = _names(repository.git[commit].peel(pygit2.Commit), folder)
    found: dict[str, CommitInfo] = {}
    current: Any = None
    for current in islice(_walk(repository, commit), MAX_WALK):
        here = _names(current, folder)
        pasts = [_names(parent, folder) for parent in current.parents]
        changed = [
            name
            for name, oid in wanted.items()
            if name not in found and here.get(name) == oid and all(past.get(name) != oid for past in pasts)
        ]
        for name in changed:
            found[name] = info(current)
        if len(found) == len(wanted):
            break
    for name in wanted:
        if name not in found and current is not None:
            found[name] = info(current)
    return tuple(found.items())


def _names(commit: Any, folder: str) -> dict[str, str]:
    tree = commit.tree
    if folder:
        try:
            tree = tree[folder]
        except KeyError:
            return {}
        if not isinstance(tree, pygit2.Tree):
            return {}
    return _tree_names(str(tree.id), tree)


def _tree_names(_oid: str, tree: Iterable[Any]) -> dict[str, str]:
    return {item.name: str(item.id) for item in tree}
