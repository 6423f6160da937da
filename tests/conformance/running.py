"""Clients as the tests name them, and one operation of one client in its own process."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .environments import LOCKS, python_of
from .live_hub import LiveHub

SCRIPTS = Path(__file__).parent / "clients" / "scripts"


@dataclass(frozen=True)
class Client:
    """A program of other people: an environment, the package whose version counts, and what it is told."""

    title: str
    environment: str
    package: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        return locked_version(self.environment, self.package) if self.package else ""

    @property
    def heading(self) -> str:
        """The column of the published table."""
        return self.title.format(version=self.version)


def locked_version(environment: str, package: str) -> str:
    for line in (LOCKS / f"{environment}.lock").read_text().splitlines():
        if line.startswith(f"{package}=="):
            return line.split("==")[1].split()[0]
    raise LookupError(f"{package} is not in {environment}.lock")


@dataclass(frozen=True)
class Operation:
    """A function of a script; its docstring is the row of the published table."""

    name: str
    title: str

    @property
    def short(self) -> str:
        return self.name.rpartition(".")[2]


def operations(family: str) -> list[Operation]:
    """The public functions of ``scripts/{family}.py`` or ``scripts/{family}/*.py``, read without importing them."""
    single = SCRIPTS / f"{family}.py"
    files = [single] if single.exists() else sorted((SCRIPTS / family).glob("[!_]*.py"))
    found = []
    for path in files:
        module = ".".join(path.relative_to(SCRIPTS).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found.append(Operation(f"{module}.{node.name}", ast.get_docstring(node) or node.name))
    return found


def variables(hub: LiveHub, home: Path, *, token: str | None = None, url: str | None = None) -> dict[str, str]:
    """The environment of a client program: the hub, a token, and a home that nobody has used before."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": url or hub.url,
        "HF_TOKEN": hub.people.alice if token is None else token,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "DISABLE_SAFETENSORS_CONVERSION": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
    }


def run_operation(
    client: Client,
    operation: str,
    hub: LiveHub,
    folder: Path,
    *,
    url: str | None = None,
    extra: Mapping[str, str] | None = None,
    timeout: float = 240,
) -> dict[str, Any]:
    """The JSON line that the operation printed: ``outcome`` and ``facts``, or ``why`` it failed."""
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    environment = variables(hub, folder / "home", url=url) | {
        "OPENSHELF_TEST_USER": "alice",
        "OPENSHELF_TEST_ORGANISATION": hub.people.organisation,
        "OPENSHELF_TEST_TOKEN_READ": hub.people.alice_reads,
        "OPENSHELF_TEST_TOKEN_OTHER": hub.people.bob,
        "OPENSHELF_TEST_FOLDER": str(work),
        **client.variables,
        **(extra or {}),
    }
    command = [str(python_of(client.environment)), str(SCRIPTS / "run.py"), operation]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=work, check=False, timeout=timeout
    )
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not last.startswith("{"):
        return {"outcome": "fail", "why": f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"}
    result: dict[str, Any] = json.loads(last)
    result["stderr"] = done.stderr
    return result
