"""Running ``openshelf`` in this process, as a person or a script would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from openshelf.interfaces.cli.main import main

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Commands:
    """``run("admin", "user", "list")`` on one data folder."""

    data: Path

    def try_run(self, *arguments: str, stdin: str = "") -> Said:
        done = CliRunner().invoke(main, [*arguments, "--data", str(self.data)], input=stdin, prog_name="openshelf")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    def run(self, *arguments: str, stdin: str = "") -> str:
        """What the command printed on standard output; it has to succeed."""
        said = self.try_run(*arguments, stdin=stdin)
        assert said.code == 0, said
        return said.out

    def fail(self, *arguments: str, stdin: str = "", code: int = 1) -> str:
        """What the command printed on standard error; it has to fail with this exit code."""
        said = self.try_run(*arguments, stdin=stdin)
        assert said.code == code, said
        assert "Traceback" not in said.err
        return said.err
