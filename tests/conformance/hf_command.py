"""The `hf` command of one client environment, in a home of its own."""

from __future__ import annotations

import re
import subprocess
import uuid
from pathlib import Path

import pytest

from .environments import program_of
from .hub_view import HubView
from .live_hub import LiveHub
from .published_table import NOT_OFFERED
from .running import Client, variables

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class HfCommand:
    """``hf("upload", name, "file")`` runs it and gives back its output; a failure fails the test."""

    def __init__(self, client: Client, hub: LiveHub, view: HubView, folder: Path) -> None:
        self.client, self.hub, self.view, self.folder = client, hub, view, folder
        self.version = tuple(int(part) for part in client.version.split(".")[:2])
        self.environment = variables(hub, folder / "home") | dict(client.variables)
        self.program = str(program_of(client.environment, "hf"))

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [self.program, *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            stdin=subprocess.DEVNULL,
        )
        output = _COLOUR.sub("", done.stdout + done.stderr)
        assert (done.returncode != 0) == fails, f"hf {' '.join(arguments)} ended with {done.returncode}:\n{output}"
        return output if fails else _COLOUR.sub("", done.stdout)

    def need(self, *command: str) -> None:
        """Skip where this version has no such command; the client itself is asked."""
        done = subprocess.run(
            [self.program, *command, "--help"], env=self.environment, capture_output=True, text=True, check=False
        )
        # The old client prints the help of the group above, so the whole command must be on the usage line.
        if done.returncode or " ".join(command) not in _COLOUR.sub("", done.stdout).split("\n\n")[0]:
            pytest.skip(f"{NOT_OFFERED}: no `hf {' '.join(command)}`")

    @property
    def repo_command(self) -> str:
        return "repo" if self.version < (1, 0) else "repos"

    def name(self) -> str:
        return f"alice/cli-{uuid.uuid4().hex[:10]}"

    def repo(self, files: dict[str, bytes] | None = None, kind: str = "model", private: bool = False) -> str:
        name = self.name()
        self.view.create(name, kind, private)
        if files:
            self.view.upload(name, files, kind)
        return name

    def write(self, path: str, content: bytes) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target
