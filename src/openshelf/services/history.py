"""The commits of a revision."""

from __future__ import annotations

from openshelf.domain.tree import CommitInfo
from openshelf.storage.repositories import GitRepository, history

MAX_PAGE = 1000


def log(git: GitRepository, commit: str, *, offset: int = 0, limit: int = 100) -> list[CommitInfo]:
    """Commits that ``commit`` reaches, newest first."""
    return history.log(git, commit, offset=offset, limit=min(limit, MAX_PAGE))


def one(git: GitRepository, commit: str) -> CommitInfo:
    """What one commit says of itself."""
    return history.commit_info(git, commit)
