"""The commits of a revision."""

from __future__ import annotations

from openshelf.domain.tree import CommitInfo
from openshelf.storage.repositories import GitRepository, file_history, history
from openshelf.storage.repositories.file_history import FileHistory

MAX_PAGE = 1000
MAX_WALKED = 1_000_000


def log(git: GitRepository, commit: str, *, offset: int = 0, limit: int = 100) -> list[CommitInfo]:
    """Commits that ``commit`` reaches, newest first."""
    return history.log(git, commit, offset=offset, limit=min(limit, MAX_PAGE))


def one(git: GitRepository, commit: str) -> CommitInfo:
    """What one commit says of itself."""
    return history.commit_info(git, commit)


def of_path(git: GitRepository, commit: str, path: str, *, walked: int = 0, limit: int = 50) -> FileHistory:
    """Commits that changed a file or folder, newest first, beginning after ``walked`` commits of the past."""
    return file_history.file_history(git, commit, path, walked=min(walked, MAX_WALKED), limit=limit)
