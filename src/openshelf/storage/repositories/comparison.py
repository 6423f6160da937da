"""Two commits side by side: what one adds to the other, and where they are in each other's way."""

from __future__ import annotations

from typing import Any

import pygit2

from openshelf.domain.tree import CommitInfo
from openshelf.storage.repositories.history import info
from openshelf.storage.repositories.repository import GitRepository


def merge_base(repository: GitRepository, one: str, other: str) -> str | None:
    """The newest commit that both reach."""
    base = repository.git.merge_base(pygit2.Oid(hex=one), pygit2.Oid(hex=other))
    return str(base) if base else None


def added_commits(repository: GitRepository, base: str, head: str, limit: int) -> list[CommitInfo]:
    """Commits that ``head`` reaches and ``base`` does not, oldest first; the newest ``limit`` of them."""
    walker = repository.git.walk(pygit2.Oid(hex=head), pygit2.enums.SortMode.TOPOLOGICAL)
    walker.hide(pygit2.Oid(hex=base))
    found = [info(commit) for commit, _ in zip(walker, range(limit), strict=False)]
    return found[::-1]


def diff_text(repository: GitRepository, old: str | None, new: str, limit: int) -> str:
    """The difference between two commits as a unified diff, of at most about ``limit`` characters.

    Files kept outside git appear as their pointers. Whole files are left out past the limit, and said to be.
    """
    pieces, size, left = [], 0, 0
    for patch in _diff(repository, old, new):
        text = "" if size > limit or patch is None else str(patch.text or "")
        if size + len(text) > limit or size > limit:
            left += 1
            size = limit + 1
            continue
        pieces.append(text)
        size += len(text)
    if left:
        pieces.append(f"# {left} more files differ\n")
    return "".join(pieces)


def conflicts(repository: GitRepository, ours: str, theirs: str) -> list[str]:
    """Paths that a merge of two commits could not decide."""
    index = repository.git.merge_commits(pygit2.Oid(hex=ours), pygit2.Oid(hex=theirs))
    found: set[str] = set()
    for sides in index.conflicts or ():
        found.update(side.path for side in sides if side is not None)
    return sorted(found)


def _diff(repository: GitRepository, old: str | None, new: str) -> Any:
    tree = repository.git[new].peel(pygit2.Tree)
    if old is None:
        return tree.diff_to_tree(swap=True)
    return repository.git[old].peel(pygit2.Tree).diff_to_tree(tree)
