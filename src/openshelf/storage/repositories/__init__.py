"""Git repositories: the only code that speaks to libgit2, and to git itself."""

from openshelf.storage.repositories.repository import GitRepository
from openshelf.storage.repositories.store import Repositories

__all__ = ["GitRepository", "Repositories"]
