"""Packs on their way in: received apart from the repository, checked, and moved into it as a whole.

A quarantine is a folder ``QUARANTINE/REPO-RANDOM`` with a ``pack`` folder inside; the repository's own objects can be
read from it, but nobody sees its objects from the repository. What a crash leaves there is discarded later.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from openshelf.errors import InvalidUpload, StorageFault
from openshelf.storage.durable import fault_said, make_folder, sync_path
from openshelf.storage.repositories.processes import ErrorFile, command, environment
from openshelf.storage.repositories.repository import GitRepository

FINISH_SECONDS = 3600
MAX_TREE_BYTES = 100_000_000
# The index comes last: git looks for packs by their index, so the pack appears as a whole.
_PARTS = (".pack", ".rev", ".idx")
# Old histories have these, and they harm nobody; names in trees are checked with their paths, to name them.
_TOLERATED = (
    "badTimezone zeroPaddedFilemode missingSpaceBeforeDate missingSpaceBeforeEmail hasDot hasDotdot hasDotgit"
).split()


@dataclass(frozen=True, slots=True)
class ObjectHeader:
    """An object of a pack: its id, its type in git's word, its size in bytes."""

    oid: str
    kind: str
    size: int


class Quarantine:
    """One push's pack. Write its bytes, ``finish``, look at ``repository``, then ``keep`` or ``discard``."""

    def __init__(self, repository: GitRepository, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._target = repository.path / "objects"
        (folder / "pack").mkdir(parents=True)
        self._variables = {
            "GIT_DIR": str(repository.path.absolute()),
            "GIT_OBJECT_DIRECTORY": str(folder.absolute()),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self._target.absolute()),
        }
        self._errors = ErrorFile()
        tolerated = ",".join(f"{rule}=ignore" for rule in _TOLERATED)
        options = ["--stdin", "--fix-thin", "--rev-index", f"--strict={tolerated}", f"--max-input-size={max_bytes}"]
        self._process = subprocess.Popen(
            command("index-pack", *options),
            cwd=folder,
            env=environment(self._variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors.file,
            start_new_session=True,
        )

    def write(self, data: bytes) -> bool:
        """Give ``data`` to git; False where git has given up already, and ``finish`` will say why."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
        except BrokenPipeError:
            return False
        return True

    def finish(self) -> None:
        """Wait until the pack is complete and every object in it is sound. Raises InvalidUpload with git's reason."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            code = self._process.wait(FINISH_SECONDS)
        except subprocess.TimeoutExpired:
            raise InvalidUpload(f"Unpacking took more than {FINISH_SECONDS} seconds; push in smaller steps.") from None
        if code != 0:
            raise fault_said(self._errors.text()) or InvalidUpload(_reason(self._errors.text()))

    def headers(self) -> Iterator[ObjectHeader]:
        """All objects of the pack, read without holding them."""
        listing = ["cat-file", "--batch-all-objects", "--unordered", "--buffer"]
        form = "--batch-check=%(objectname) %(objecttype) %(objectsize)"
        # Without the repository's objects, so that only those of the pack are listed.
        variables = {**self._variables, "GIT_ALTERNATE_OBJECT_DIRECTORIES": ""}
        with subprocess.Popen(
            command(*listing, form),
            cwd=self.folder,
            env=environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    oid, kind, size = line.decode().split()
                    yield ObjectHeader(oid, kind, int(size))
            finally:
                if process.poll() is None:
                    process.stdout.close()
        if process.returncode != 0:
            raise StorageFault(f"git cat-file failed with {process.returncode} in {self.folder}.")

    def view(self, repository: GitRepository) -> None:
        """Let an open repository read the objects of the quarantine too."""
        repository.git.odb.add_disk_alternate(str(self.folder.absolute()))

    def keep(self) -> None:
        """Move the pack into the repository, durably."""
        target = self._target / "pack"
        make_folder(target)
        for suffix in _PARTS:
            for path in (self.folder / "pack").glob(f"pack-*{suffix}"):
                sync_path(path)
                if not (target / path.name).exists():
                    path.rename(target / path.name)
        sync_path(target)

    def discard(self) -> None:
        """Stop git and forget what came; nothing happens to a pack that was kept."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Quarantines:
    """The folder of all quarantines, on the file system of the repositories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_folder(root)

    def open(self, repository: GitRepository, max_bytes: int) -> Quarantine:
        name = f"{repository.path.stem}-{secrets.token_hex(8)}"
        return Quarantine(repository, self.root / name, max_bytes)

    def discard_older_than(self, seconds: float) -> int:
        """Remove quarantines that nothing was written to for so long; returns how many."""
        limit = time.time() - seconds
        old = [folder for folder in self.root.iterdir() if _changed_at(folder) < limit]
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        return len(old)


def _changed_at(folder: Path) -> float:
    """When something in ``folder`` changed last; the distant future for what is vanishing just now."""
    try:
        return max(path.stat().st_mtime for path in (folder, folder / "pack", *(folder / "pack").iterdir()))
    except FileNotFoundError:
        return folder.stat().st_mtime if folder.exists() else float("inf")


def _reason(said: str) -> str:
    """git's last words in one line."""
    lines = [line.removeprefix("fatal: ").removeprefix("error: ").strip() for line in said.splitlines()]
    return "; ".join(line for line in lines if line)[-1000:] or "git index-pack ended without a word"
