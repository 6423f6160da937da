"""git and git-lfs as people use them, with nothing of the machine's own settings."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 60


@dataclass(frozen=True)
class Result:
    code: int
    output: str

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True)
class WorkingCopy:
    """A folder in which git is run; ``home`` keeps git's settings away from those of the machine."""

    folder: Path
    home: Path
    options: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
            "LC_ALL": "C.UTF-8",
            **self.variables,
        }

    def try_git(self, *arguments: str, stdin: str | None = None, **variables: str) -> Result:
        done = subprocess.run(
            ["git", *self.options, *arguments],
            cwd=self.folder,
            env={**self.environment(), **variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Result(done.returncode, done.stdout + done.stderr)

    def git(self, *arguments: str, stdin: str | None = None, **variables: str) -> str:
        """What git prints; it must succeed."""
        result = self.try_git(*arguments, stdin=stdin, **variables)
        assert result.ok, f"git {' '.join(arguments)}: {result.output}"
        return result.output.strip()

    def commit(self, message: str = "change", **files: str | bytes) -> str:
        """Write files and commit them; returns the commit's id. ``a__b`` stands for ``a.b``."""
        return self.commit_files({name.replace("__", "."): content for name, content in files.items()}, message)

    def commit_files(self, files: dict[str, str | bytes], message: str = "change") -> str:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def at(self, folder: Path) -> WorkingCopy:
        return WorkingCopy(folder, self.home, self.options, self.variables)

    def clone(self, address: str, name: str, *options: str) -> WorkingCopy:
        self.git("clone", "--quiet", *options, address, name)
        return self.at(self.folder / name)
