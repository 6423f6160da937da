"""How branches stand to each other, counted within bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import pygit2
from pygit2.enums import SortMode

from openshelf.domain.tree import CommitInfo
from openshelf.storage.repositories.history import info
from openshelf.storage.repositories.repository import GitRepository

MAX_COUNTED = 5000


@dataclass(frozen=True, slots=True)
class Distance:
    """Commits that only the one has (``ahead``) and only the other (``behind``), each counted up to MAX_COUNTED."""

    ahead: int
    behind: int


def distance(repository: GitRepository, one: str, other: str) -> Distance:
    """How far ``one`` is ahead of ``other`` and behind it."""
    return _distance(repository.path, one, other)


@lru_cache(maxsize=1024)
def _distance(path: Path, one: str, other: str) -> Distance:
    # Commits never change, so neither does the answer.
    if one == other:
        return Distance(0, 0)
    repository = GitRepository(path)
    return Distance(_count(repository, [one], [other]), _count(repository, [other], [one]))


def only_in(repository: GitRepository, commit: str, others: Iterable[str], limit: int) -> list[CommitInfo]:
    """The newest ``limit`` commits that ``commit`` reaches and none of ``others`` does, newest first."""
    walker = _walk(repository, [commit], others)
    return [info(found) for found in islice(walker, limit)]


def count_only_in(repository: GitRepository, commit: str, others: Iterable[str]) -> int:
    """How many commits ``only_in`` would find, counted up to ``MAX_COUNTED``."""
    return _count(repository, [commit], others)


def _count(repository: GitRepository, tips: Iterable[str], hidden: Iterable[str]) -> int:
    return sum(1 for _ in islice(_walk(repository, tips, hidden), MAX_COUNTED))


def _walk(repository: GitRepository, tips: Iterable[str], hidden: Iterable[str]) -> pygit2.Walker:
    walker = repository.git.walk(None, SortMode.TOPOLOGICAL | SortMode.TIME)
    for tip in tips:
        walker.push(pygit2.Oid(hex=tip))
    for commit in hidden:
        walker.hide(pygit2.Oid(hex=commit))
    return walker
