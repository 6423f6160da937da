"""git as child processes: a clean environment, bounded memory, nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from openshelf.errors import ConfigurationError, StorageFault
from openshelf.storage.durable import fault_said

ADDRESS_SPACE_KIB = 4 * 1024 * 1024
ERROR_BYTES = 8192

# What holds for every git process, whatever the repository's own settings say.
_CONFIG = (
    ("safe.directory", "*"),
    ("core.fsync", "all"),
    ("core.bigFileThreshold", "32m"),
    ("core.packedGitLimit", "512m"),
    ("core.packedGitWindowSize", "32m"),
    ("core.hooksPath", os.devnull),
    ("pack.threads", "1"),
    ("pack.windowMemory", "128m"),
    ("gc.auto", "0"),
)


@lru_cache(maxsize=1)
def git_path() -> str:
    """The git program. Raises ConfigurationError where there is none."""
    found = shutil.which("git") or shutil.which("git", path=os.defpath)
    if found is None:
        raise ConfigurationError("git is not installed, and clones and pushes need it: install the package git.")
    return found


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables for a git process: no settings of the user or the system, no prompts, messages in English."""
    values = {
        "PATH": f"{Path(git_path()).parent}:{os.defpath}",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CONFIG_COUNT": str(len(_CONFIG)),
    }
    for number, (key, value) in enumerate(_CONFIG):
        values[f"GIT_CONFIG_KEY_{number}"] = key
        values[f"GIT_CONFIG_VALUE_{number}"] = value
    return {**values, **(extra or {})}


def command(*arguments: str) -> list[str]:
    """The command line of a git process whose memory is bounded, so that a hostile pack harms only itself."""
    limit = 'ulimit -c 0; ulimit -v "$0"; exec "$@"'
    return ["/bin/sh", "-c", limit, str(ADDRESS_SPACE_KIB), git_path(), *arguments]


def run(
    arguments: Sequence[str], folder: Path, *, extra: Mapping[str, str] | None = None, seconds: float = 3600
) -> bytes:
    """What a git process in ``folder`` prints. Raises StorageFault where it fails or takes too long."""
    try:
        done = subprocess.run(
            command(*arguments),
            cwd=folder,
            env=environment(extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise StorageFault(f"git {arguments[0]} in {folder} did not end within {seconds:.0f} seconds.") from None
    if done.returncode != 0:
        said = done.stderr[-ERROR_BYTES:].decode("utf-8", "replace").strip()
        raise fault_said(said) or StorageFault(f"git {arguments[0]} in {folder} failed with {done.returncode}: {said}")
    return done.stdout


class ErrorFile:
    """Takes what a process writes on standard error, without a pipe that somebody must empty."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object

    def text(self) -> str:
        """The end of what was written."""
        size = os.fstat(self.file.fileno()).st_size
        return os.pread(self.file.fileno(), ERROR_BYTES, max(0, size - ERROR_BYTES)).decode("utf-8", "replace").strip()

    def close(self) -> None:
        self.file.close()
