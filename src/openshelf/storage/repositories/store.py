"""Where repositories lie: ``ROOT/xx/REPO.git``, named by the repo's id, so that a rename moves nothing."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pygit2

from openshelf.errors import RepoNotFound, StorageFault
from openshelf.storage.durable import make_folder, sync_file_system, sync_path
from openshelf.storage.repositories.quarantine import Quarantines
from openshelf.storage.repositories.repository import GitRepository

_CONFIG: dict[str, str | bool | int] = {
    "core.fsync": "all",
    "core.logAllRefUpdates": False,
    "gc.auto": 0,
    "receive.autogc": False,
    "receive.fsckObjects": True,
    "transfer.fsckObjects": True,
    "transfer.hideRefs": "refs/openshelf",
    "uploadpack.allowFilter": True,
    "uploadpack.allowAnySHA1InWant": False,
    "uploadpack.allowReachableSHA1InWant": True,
    "repack.writeBitmaps": True,
}

# Only this process's own repositories are opened, whoever owns the files; no user's git settings apply.
pygit2.settings.owner_validation = False
for _level in (
    pygit2.enums.ConfigLevel.PROGRAMDATA,
    pygit2.enums.ConfigLevel.SYSTEM,
    pygit2.enums.ConfigLevel.XDG,
    pygit2.enums.ConfigLevel.GLOBAL,
):
    pygit2.settings.search_path[_level] = ""


class Repositories:
    """All git repositories of the hub, and the quarantine of packs on their way in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_folder(root)
        self.quarantines = Quarantines(root / "quarantine")

    def path(self, repo_id: str) -> Path:
        if not repo_id.isalnum():
            raise RepoNotFound
        return self.root / repo_id[-2:] / f"{repo_id}.git"

    def create(self, repo_id: str) -> GitRepository:
        """Make an empty bare repository whose HEAD is ``main``."""
        path = self.path(repo_id)
        make_folder(path.parent)
        repository = pygit2.init_repository(str(path), bare=True, initial_head="main")
        for key, value in _CONFIG.items():
            repository.config[key] = value
        sync_file_system(path)
        return GitRepository(path)

    def open(self, repo_id: str) -> GitRepository:
        """Raises StorageFault where the catalogue knows a repo whose repository is gone."""
        path = self.path(repo_id)
        if not path.is_dir():
            raise StorageFault(f"The git repository {path} is missing; run `openshelf fsck`.")
        return GitRepository(path)

    def exists(self, repo_id: str) -> bool:
        return self.path(repo_id).is_dir()

    def delete(self, repo_id: str) -> None:
        """Take the repository away in one step, then remove its files."""
        path = self.path(repo_id)
        if not path.is_dir():
            return
        doomed = path.with_name(f"{repo_id}.{secrets.token_hex(4)}.deleted")
        path.rename(doomed)
        sync_path(path.parent)
        shutil.rmtree(doomed, ignore_errors=True)

    def ids(self) -> Iterator[str]:
        for path in sorted(self.root.glob("??/*.git")):
            yield path.name.removesuffix(".git")
