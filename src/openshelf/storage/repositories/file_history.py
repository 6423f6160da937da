"""The commits that changed one file or folder, a bounded piece of the past at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import DiffOption, SortMode

from openshelf.domain.tree import CommitInfo
from openshelf.storage.repositories.history import info
from openshelf.storage.repositories.repository import GitRepository

MAX_WALK = 1500
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class FileChange:
    """A commit that changed ``path``; ``is_gone`` where it took it away, ``was`` the name that it had before."""

    commit: CommitInfo
    path: str
    is_gone: bool = False
    was: str = ""


@dataclass(frozen=True, slots=True)
class FileHistory:
    """``changes``, newest first. ``walked`` commits of the past are behind us; ``path`` is the name further back.

    ``is_whole``: there is no past further back that could have changed it.
    """

    changes: tuple[FileChange, ...]
    walked: int
    path: str
    is_whole: bool


def file_history(
    repository: GitRepository, commit: str, path: str, *, walked: int = 0, limit: int = 50, most: int = MAX_WALK
) -> FileHistory:
    """Commits that ``commit`` reaches and that changed ``path``, looking at ``most`` of them after ``walked``.

    A commit changed it if none of its parents has the same there. A file that came under another name is followed if
    it came as it was.
    """
    return _file_history(repository.path, commit, path, walked, limit, most)


@lru_cache(maxsize=256)
def _file_history(where: Path, commit: str, path: str, walked: int, limit: int, most: int) -> FileHistory:
    # Commits never change, so neither does the answer.
    repository = GitRepository(where)
    changes: list[FileChange] = []
    places = _Places(path)
    walker = repository.git.walk(pygit2.Oid(hex=commit), SortMode.TOPOLOGICAL | SortMode.TIME)
    for current in islice(walker, walked, walked + most):
        walked += 1
        here, parents = places.at(current), list(current.parents)
        before = [places.at(parent) for parent in parents]
        if here in before or (here is None and not before):
            continue
        was = _renamed_from(current, parents, path, here) if here and not any(before) else ""
        changes.append(FileChange(info(current), path, here is None, was))
        if was:
            path, places = was, _Places(was)
        if len(changes) >= limit:
            break
    return FileHistory(tuple(changes), walked, path, next(iter(walker), None) is None)


class _Places:
    """What lies at one path in the trees of commits; a commit's tree is its child's past, so each is asked twice."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: dict[Any, tuple[str, int] | None] = {}

    def at(self, commit: Any) -> tuple[str, int] | None:
        """The git id and mode of the entry; None where there is none."""
        key = commit.tree_id
        if key not in self._known:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            self._known[key] = self._look(commit.tree)
        return self._known[key]

    def _look(self, tree: Any) -> tuple[str, int] | None:
        try:
            item = tree[self._path]
        except (KeyError, ValueError, pygit2.GitError):
            return None
        return str(item.id), int(item.filemode)


def _renamed_from(commit: Any, parents: list[Any], path: str, here: tuple[str, int]) -> str:
    """The path that went in the commit in which ``path`` came with the same content; empty where there is none."""
    if len(parents) != 1 or isinstance(commit.tree[path], pygit2.Tree):
        return ""
    diff = parents[0].tree.diff_to_tree(commit.tree, flags=DiffOption.SKIP_BINARY_CHECK)
    gone = (delta.old_file for delta in diff.deltas if delta.status_char() == "D")
    found = next((file for file in gone if str(file.id) == here[0]), None)
    return bytes(found.raw_path).decode("utf-8", "replace") if found else ""
