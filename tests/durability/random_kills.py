"""A real server that is killed at random while four real clients upload; they retry until they are done.

``run(folder, kills)`` does it and returns what was found. The seed makes the moments of the kills the same again, as
far as a machine does the same again.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from openshelf.app import open_hub
from openshelf.domain.names import RepoId, RepoKind
from openshelf.services import fetch, repos
from openshelf.services.hub import Hub
from openshelf.settings import Settings
from tests.durability import state
from tests.hubs import actor, add_user

CLIENTS = ("xet", "commit", "lfs", "git")
READY_SECONDS = 60.0
CHECK_EVERY = 25
_SETTINGS = {
    "rate_limit_requests": "0",
    "rate_limit_anonymous": "0",
    "reconcile_seconds": "5",
    "log_level": "warning",
}


@dataclass
class Found:
    """What a run has done and found."""

    kills: Counter[str] = field(default_factory=Counter)
    uploads: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    checks: int = 0
    files: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Server:
    """``openshelf serve`` on one data folder and one port, started again and again."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENSHELF_")}
        environment |= {f"OPENSHELF_{name.upper()}": value for name, value in _SETTINGS.items()}
        options = ["--data", str(self.folder / "data"), "--port", str(self.port), "--no-first-user"]
        with (self.folder / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "openshelf", "serve", *options], stdout=log, stderr=log, env=environment
            )

    def wait(self) -> bool:
        """Until it is ready; False where it ended instead."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                return False
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200:
                    return True
            except httpx.TransportError:
                time.sleep(0.02)
        return False

    def kill(self, *, whole: bool) -> None:
        """SIGKILL to the server with all its processes, or to one that serves alone: the server starts another."""
        assert self.process is not None
        children = _children(self.process.pid)
        if whole or not children:
            self.process.kill()
            self.process.wait()
            _wait_until_gone(children)
            self.process = None
        else:
            _kill(children[-1])

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill(whole=True)
            self.process = None


def run(
    folder: Path, kills: int, *, seed: int = 1, seconds: float = 0.0, tell: Callable[[str], None] = lambda _: None
) -> Found:
    """Kill the server so many times, or until ``seconds`` are over; then let the clients finish, and check it all."""
    began, rng, found = time.monotonic(), random.Random(seed), Found()
    token = _begin(folder)
    server = Server(folder)
    server.start()
    clients = {kind: _client(folder, kind, server.url, token) for kind in CLIENTS}
    try:
        while found.kills.total() < kills and not (seconds and time.monotonic() - began > seconds):
            _kill_once(server, rng, found)
            if found.kills.total() % CHECK_EVERY == 0:
                server.kill(whole=True) if server.process else None
                deep = found.kills.total() % (4 * CHECK_EVERY) == 0
                _check(folder, found, deep=deep)
                tell(f"{found.kills.total()} kills, {found.files} files, {len(found.faults)} faults")
        for kind in CLIENTS:
            (folder / kind / "stop").touch()
        if server.process is None or server.process.poll() is not None:
            server.start()
        _finish(clients, folder, found)
    finally:
        for process in clients.values():
            process.kill()
            process.wait()
        server.stop()
    _check(folder, found, deep=True)
    found.seconds = time.monotonic() - began
    return found


def _begin(folder: Path) -> str:
    hub = open_hub(Settings(data=folder / "data"))
    _, token = add_user(hub, "ada")
    for name in ("xet", "commit", "lfs", "git", "shared"):
        repos.create(hub, actor(hub, "ada"), RepoKind.MODEL, name)
    hub.storage.close()
    return token


def _client(folder: Path, kind: str, url: str, token: str) -> subprocess.Popen[bytes]:
    home = folder / kind
    home.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": url,
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "LC_ALL": "C.UTF-8",
        "OPENSHELF_SOAK_FOLDER": str(home),
        "OPENSHELF_SOAK_REMOTE": url.replace("://", f"://ada:{token}@"),
    }
    with (home / "log").open("ab") as log:
        command = [sys.executable, "-m", "tests.durability.client", kind]
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=Path(__file__).parents[2])


def _kill_once(server: Server, rng: random.Random, found: Found) -> None:
    """One life of the server: most are killed while they serve, some while they start."""
    if server.process is None or server.process.poll() is not None:
        server.start()
    if rng.random() < 0.35:
        time.sleep(rng.uniform(0, 1.5))
        found.kills["while it starts"] += 1
        server.kill(whole=True)
        return
    if not server.wait():
        code = server.process.poll() if server.process else None
        if code is None:
            found.faults.append(f"the server was not ready after {READY_SECONDS:.0f} seconds")
        server.kill(whole=True) if code is None else None
        return
    time.sleep(rng.choice((rng.uniform(0, 0.3), rng.uniform(0, 2))))
    whole = rng.random() < 0.75
    found.kills["the whole server" if whole else "one serving process"] += 1
    server.kill(whole=whole)
    if not whole:
        time.sleep(0.2)


def _finish(clients: dict[str, subprocess.Popen[bytes]], folder: Path, found: Found) -> None:
    """Each client ends the upload that it is at."""
    for kind, process in clients.items():
        try:
            process.wait(180)
        except subprocess.TimeoutExpired:
            found.faults.append(f"client {kind} does not finish")
        if process.poll() not in (0, None):
            found.faults.append(f"client {kind} ended with {process.poll()}: {(folder / kind / 'log').read_text()}")
        if (folder / kind / "stuck").exists():
            found.faults.append(f"client {kind}: {(folder / kind / 'stuck').read_text()}")


def _check(folder: Path, found: Found, *, deep: bool) -> None:
    """Nothing serves now: open the data folder, and compare it with what the clients were told."""
    found.checks += 1
    hub = open_hub(Settings(data=folder / "data"))
    try:
        state.reconcile(hub)
        found.faults += [f"after {found.kills.total()} kills: {line}" for line in state.damage(hub, deep=deep)]
        entries = [entry for kind in CLIENTS for entry in ledger(folder, kind)]
        found.uploads = Counter(entry["kind"] for entry in entries)
        found.repeated = sum(1 for entry in entries if entry["tries"] > 1)
        found.files = len(entries)
        for entry in entries if deep else entries[-200:]:
            wrong = _missing(hub, entry)
            if wrong:
                found.faults.append(f"after {found.kills.total()} kills: acknowledged {entry} is {wrong}")
    finally:
        hub.storage.close()


def ledger(folder: Path, kind: str) -> list[dict[str, Any]]:
    """What a client was told."""
    path = folder / kind / "ledger.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    # A client that is writing its last line now has been told, but has not said so.
    return [json.loads(line) for line in lines if line.endswith("}")]


def _missing(hub: Hub, entry: dict[str, Any]) -> str:
    """What is wrong with an acknowledged file; empty where nothing is."""
    ada = actor(hub, "ada")
    try:
        repo = repos.find(hub, ada, RepoKind.MODEL, RepoId(*entry["repo"].split("/")))
        git = hub.storage.repositories.open(repo.id)
        head = git.resolve("main").commit
        for commit in (entry["commit"], head):
            content = fetch.content(hub, repo, git, git.entry(commit, entry["path"]))
            if state.digest(content) != entry["sha256"]:
                return "not what was sent"
    except Exception as error:
        return f"gone: {error}"
    return ""


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in path.read_text().split()]
        except OSError:
            continue
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _wait_until_gone(pids: list[int]) -> None:
    """They die with their parent; nothing may write any more when the next server starts, or the check."""
    deadline = time.monotonic() + 30
    while any(_lives(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.005)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def available() -> str:
    """What is missing on this machine; empty where nothing is."""
    return "" if shutil.which("git-lfs") else "git-lfs is not installed"
