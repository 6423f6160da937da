"""Openshelf itself: as ``make serve`` starts it, with background jobs off unless asked for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.error
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.client import Target, ask, ask_json, run
from bench.processes import Server, free_port, running
from bench.samples import Sample
from bench.servers.nginx import Nginx, nginx
from bench.servers.peer import Peer

PASSWORD = "a long enough password"
USER = "bench"
LFS = "application/vnd.git-lfs+json"
NO_SHA_INSTRUCTIONS = {"OPENSSL_ia32cap": ":~0x20000000"}


class Openshelf(Peer):
    """One server process on SQLite and local disk, one user. Files go up by git-lfs and come down by ``resolve``."""

    name = "Openshelf"
    does = (
        "verifies the sha256 of every upload, syncs it to disk, asks who may read; keeps bytes once, by file and by "
        "chunk; checks every block and chunk that it reads"
    )
    does_not = "compare a whole file with its sha256 on its way out (the scrub does)"
    repo = f"{USER}/moved"

    def __init__(self, settings: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._settings = {
            "OPENSHELF_EMBEDDED_WORKER": "false",
            "OPENSHELF_RATE_LIMIT_REQUESTS": "0",
            "OPENSHELF_RATE_LIMIT_ANONYMOUS": "0",
            "OPENSHELF_LOG_LEVEL": "warning",
            **(settings or {}),
            **(environment or {}),
        }

    @contextmanager
    def started(self, folder: Path) -> Iterator[None]:
        self.prepare(folder)
        with self.serving(folder) as self.server:
            yield

    def prepare(self, folder: Path) -> None:
        """Make the data folder with one administrator and a write token: a copy of one that is made once a run."""
        folder.mkdir(parents=True, exist_ok=True)
        made, token = folder.parent / "new-data", folder.parent / "token"
        if not token.exists():
            data = ("--data", str(made))
            admin = (sys.executable, "-m", "openshelf", "admin")
            run(*admin, "user", "create", USER, "--admin", "--password-stdin", *data, stdin=PASSWORD.encode())
            token.write_bytes(run(*admin, "token", "create", USER, "--name", "bench", "--role", "write", *data))
        self.data, self.token = folder / "data", token.read_text().strip()
        shutil.copytree(made, self.data)

    @contextmanager
    def serving(self, folder: Path) -> Iterator[Server]:
        """The server alone, on a data folder that is there."""
        port = free_port()
        command = [sys.executable, "-m", "openshelf", "serve", "--data", str(self.data), "--port", str(port)]
        with running(command, port, folder / "openshelf.log", self._settings) as server:
            yield server

    # Moving files

    def upload_to(self, sample: Sample) -> Target:
        self.create(self.repo)
        body = {
            "operation": "upload",
            "transfers": ["basic"],
            "objects": [{"oid": sample.sha256, "size": sample.size}],
        }
        headers = {**self.signed, "Accept": LFS, "Content-Type": LFS}
        answer = ask_json(f"{self.server.url}/{self.repo}.git/info/lfs/objects/batch", body, headers)
        action = answer["objects"][0]["actions"]["upload"]
        return Target(action["href"], action.get("header") or {})

    def finish(self, sample: Sample) -> None:
        pointer = {"path": sample.name, "algo": "sha256", "oid": sample.sha256, "size": sample.size}
        self.commit(self.repo, [{"key": "lfsFile", "value": pointer}])

    def file(self, sample: Sample) -> Target:
        return Target(f"{self.server.url}/{self.repo}/resolve/main/{sample.name}")

    # Speaking the API

    @property
    def signed(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def client_environment(self, home: Path) -> dict[str, str]:
        """What makes huggingface_hub use this hub and an empty cache."""
        return {
            "HF_ENDPOINT": self.server.url,
            "HF_TOKEN": self.token,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }

    def create(self, repo: str, kind: str = "model") -> None:
        """Make a repo unless it is there."""
        body = {"name": repo.partition("/")[2], "type": kind}
        try:
            ask_json(f"{self.server.url}/api/repos/create", body, self.signed)
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise

    def commit(self, repo: str, changes: list[dict[str, Any]]) -> None:
        lines = [{"key": "header", "value": {"summary": "bench"}}, *changes]
        body = "\n".join(json.dumps(line) for line in lines).encode()
        address = f"{self.server.url}/api/models/{repo}/commit/main"
        ask(address, body, {**self.signed, "Content-Type": "application/x-ndjson"})

    def remote(self, repo: str) -> str:
        """The address of a repo for git, with the token in it."""
        return f"{self.server.url.replace('://', f'://{USER}:{self.token}@')}/{repo}"


class OpenshelfPlainSha(Openshelf):
    """The same with the SHA instructions of the processor switched off, for servers that have none."""

    name = "Openshelf, no SHA instructions"
    does = "the same, on a processor without SHA instructions (they are switched off)"

    def __init__(self) -> None:
        super().__init__(environment=NO_SHA_INSTRUCTIONS)


class OpenshelfBehindNginx(Openshelf):
    """nginx in front; Openshelf decides who may read and names a file, nginx sends it (X-Accel-Redirect)."""

    name = "Openshelf behind nginx (X-Accel-Redirect)"
    does = "Openshelf decides who may read, nginx sends the bytes; CPU and memory of both are counted"
    does_not = "compare what nginx sends with checksums (the scrub does)"
    place = "/stored/"

    def __init__(self) -> None:
        super().__init__({"OPENSHELF_ACCEL_LOCATION": self.place, "OPENSHELF_TRUST_FORWARDED": "true"})

    @classmethod
    def missing(cls) -> str:
        return Nginx.missing()

    @contextmanager
    def started(self, folder: Path) -> Iterator[None]:
        self.prepare(folder)
        with self.serving(folder) as hub:
            front = "proxy_http_version 1.1; proxy_set_header Connection '';"
            front += " proxy_request_buffering off; proxy_buffering off;"
            front += " proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;"
            front += " proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;"
            kept = f"location {self.place} {{ internal; alias {self.data}/; }}"
            with nginx(folder / "front", f"location / {{ proxy_pass {hub.url}; {front} }} {kept}") as proxy:
                self.server = Server(proxy.url, proxy.pid, hub.ready_seconds, hub.ready_cpu, (hub.pid,))
                yield


def version() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
