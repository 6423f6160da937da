"""git and git-lfs as a person uses them, in a home of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .live_hub import LiveHub

HAS_LFS = shutil.which("git-lfs") is not None


@dataclass
class Git:
    """``git("clone", url)`` runs in ``folder`` and gives back what it printed on both outputs."""

    home: Path
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.home / ".gitconfig").exists():
            self("config", "--global", "user.name", "Alice")
            self("config", "--global", "user.email", "alice@example.org")
            self("config", "--global", "init.defaultBranch", "main")
            self("config", "--global", "advice.detachedHead", "false")

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            **self.variables,
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, capture_output=True, check=False, timeout=240
        )
        output = (done.stdout + done.stderr).decode(errors="replace")
        assert (done.returncode != 0) == fails, f"git {' '.join(arguments)} ended with {done.returncode}:\n{output}"
        return output

    def at(self, folder: Path | str, **variables: str) -> Git:
        return Git(self.home, self.folder / folder, self.variables | variables)

    def write(self, path: str, content: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def commit(self, files: dict[str, bytes], message: str = "Change") -> str:
        for path, content in files.items():
            self.write(path, content)
        self("add", "--all")
        self("commit", "-q", "-m", message)
        return self("rev-parse", "HEAD").strip()

    def clone(self, url: str, folder: str = "clone", *options: str, lfs: bool = False) -> Git:
        """A clone; with ``lfs`` the hooks and filters of git-lfs are installed in this home."""
        if lfs:
            need_lfs()
            self("lfs", "install", "--skip-repo")
        self("clone", "-q", *options, url, folder)
        return self.at(folder)


def need_lfs() -> None:
    if not HAS_LFS:
        pytest.skip("git-lfs is not there: apt-get install git-lfs")


def address(hub: LiveHub, name: str, token: str | None = None, kind: str = "model", user: str = "alice") -> str:
    """The URL of a repo as people type it: ``http://user:TOKEN@host/[datasets/]ns/name``."""
    prefix = "" if kind == "model" else f"{kind}s/"
    credentials = f"{user}:{token}@" if token else ""
    return f"{hub.url.replace('http://', f'http://{credentials}')}/{prefix}{name}"
