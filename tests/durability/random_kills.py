"""A real server that is killed at random while four real clients upload; they retry until they are done.

``run(folder, kills)`` does it and returns what was found. It may be ended at any time, by SIGTERM too: what was counted
lies in ``found.json``, and the next run on the same folder goes on from there.
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
from tests.durability.nursery import Forked, Nursery
from tests.hubs import actor, add_user
from tests.interfaces.git.working_copy import WorkingCopy

CLIENTS = ("xet", "commit", "lfs", "git")
READY_SECONDS = 60.0
WORKERS = 2
"""While one of the processes is killed, the other goes on: so it is that there is something to be killed in."""
CHECK_EVERY = 50
DEEP_EVERY = 200
FINISH_SECONDS = 300.0
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

    @classmethod
    def kept(cls, folder: Path) -> Found:
        """What former runs on this folder have counted."""
        path = folder / "found.json"
        if not path.exists():
            return cls()
        values = json.loads(path.read_text())
        return cls(**values | {name: Counter(values[name]) for name in ("kills", "uploads")})

    def keep(self, folder: Path) -> None:
        fresh = folder / "found.json.new"
        fresh.write_text(json.dumps(vars(self)))
        fresh.replace(folder / "found.json")


def environment() -> dict[str, str]:
    """What servers find in theirs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENSHELF_")}
    return kept | {f"OPENSHELF_{name.upper()}": value for name, value in _SETTINGS.items()}


@dataclass
class Server:
    """``openshelf serve`` on one data folder and one port, started again and again."""

    folder: Path
    port: int = 0
    workers: int = 1
    nursery: Nursery | None = None
    process: subprocess.Popen[bytes] | Forked | None = None

    def __post_init__(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        options = ["--data", str(self.folder / "data"), "--port", str(self.port), "--no-first-user"]
        options += ["--workers", str(self.workers)]
        if self.nursery is not None:
            self.process = self.nursery.start(options, self.folder / "hub.log")
            return
        with (self.folder / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "openshelf", "serve", *options], stdout=log, stderr=log, env=environment()
            )

    def wait(self) -> bool:
        """Until it is ready; False where it ended instead."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                return False
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False, verify=False).status_code == 200:
                    return True
            except httpx.TransportError:
                time.sleep(0.02)
        return False

    def kill(self, *, whole: bool, number: int = 0) -> None:
        """SIGKILL to the server with all its processes, or to one that serves alone: the server starts another."""
        assert self.process is not None
        children = _children(self.process.pid)
        if whole or not children:
            self.process.kill()
            self.process.wait()
            _wait_until_gone(children)
            self.process = None
            self._check_that_nobody_serves()
        else:
            _kill(children[number % len(children)])

    def _check_that_nobody_serves(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                    return
            time.sleep(0.01)
        raise AssertionError("a serving process outlives the server that was killed")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill(whole=True)
            self.process = None


def run(
    folder: Path,
    kills: int,
    *,
    seed: int = 1,
    seconds: float = 0.0,
    tell: Callable[[str], None] = lambda _: None,
    is_over: Callable[[], bool] = lambda: False,
) -> Found:
    """Kill the server so many times in all; then let the clients finish, and check it all.

    Ends sooner after ``seconds``, or when ``is_over`` says so.
    """
    found = Found.kept(folder)
    began, rng = time.monotonic() - found.seconds, random.Random(seed + found.kills.total())
    token = begin(folder)
    nursery = Nursery(environment())
    server = Server(folder, workers=WORKERS, nursery=nursery)
    server.start()
    clients = {kind: client(folder, kind, server.url, token) for kind in CLIENTS}
    try:
        while found.kills.total() < kills and not is_over() and not (seconds and time.monotonic() - began > seconds):
            before = found.kills.total()
            _kill_once(server, rng, found)
            found.seconds = time.monotonic() - began
            if found.kills.total() % CHECK_EVERY == 0 and found.kills.total() > before:
                server.kill(whole=True) if server.process else None
                _check(folder, found, deep=found.kills.total() % DEEP_EVERY == 0)
                tell(f"{found.kills.total()} kills, {found.files} files, {len(found.faults)} faults")
            found.keep(folder)
        for kind in CLIENTS:
            (folder / kind / "stop").touch()
        if server.process is None or server.process.poll() is not None:
            server.start()
        _finish(clients, folder, found)
    finally:
        for process in clients.values():
            kill_group(process)
        server.stop()
        nursery.close()
    _check(folder, found, deep=True)
    found.seconds = time.monotonic() - began
    found.keep(folder)
    return found


def begin(folder: Path) -> str:
    """The token of the clients; a new hub has their repos made."""
    kept = folder / "token"
    if kept.exists():
        return kept.read_text()
    hub = open_hub(Settings(data=folder / "data"))
    _, token = add_user(hub, "ada")
    # No repo is called "commit": huggingface_hub takes the first /commit/ of an address for the end of the name.
    for name in ("xet", "texts", "lfs", "git", "shared"):
        repos.create(hub, actor(hub, "ada"), RepoKind.MODEL, name)
    hub.storage.close()
    kept.write_text(token)
    return token


def client(folder: Path, kind: str, url: str, token: str) -> subprocess.Popen[bytes]:
    home = folder / kind
    home.mkdir(exist_ok=True)
    for mark in ("stop", "stuck"):
        (home / mark).unlink(missing_ok=True)
    variables = WorkingCopy(home, home).environment() | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": url,
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_XET_CLIENT_RETRY_BASE_DELAY": "200ms",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "OPENSHELF_SOAK_FOLDER": str(home),
        "OPENSHELF_SOAK_REMOTE": url.replace("://", f"://ada:{token}@"),
    }
    with (home / "log").open("ab") as log:
        command = [sys.executable, "-m", "tests.durability.client", kind]
        root = Path(__file__).parents[2]
        return subprocess.Popen(command, env=variables, stdout=log, stderr=log, cwd=root, start_new_session=True)


def _kill_once(server: Server, rng: random.Random, found: Found) -> None:
    """One life of the server: most are killed while they serve, some while they start."""
    if server.process is None or server.process.poll() is not None:
        server.start()
    if rng.random() < 0.15:
        time.sleep(rng.uniform(0, 1.5))
        if server.process is None or server.process.poll() is not None:
            return
        found.kills["while it starts"] += 1
        server.kill(whole=True)
        return
    if not server.wait():
        code = server.process.poll() if server.process else None
        if code is None:
            found.faults.append(f"the server was not ready after {READY_SECONDS:.0f} seconds")
        server.kill(whole=True) if code is None else None
        return
    time.sleep(rng.choice((rng.uniform(0, 0.3), rng.uniform(0, 1.5), rng.uniform(0, 3))))
    if server.process is None or server.process.poll() is not None:
        return
    whole = rng.random() < 0.2
    found.kills["the whole server" if whole else "one serving process"] += 1
    server.kill(whole=whole, number=rng.randrange(WORKERS))


def _finish(clients: dict[str, subprocess.Popen[bytes]], folder: Path, found: Found) -> None:
    """Each client ends the upload that it is at."""
    deadline = time.monotonic() + FINISH_SECONDS
    for kind, process in clients.items():
        try:
            code = process.wait(max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            found.faults.append(f"client {kind} does not finish: {_end_of(folder / kind / 'said')}")
            continue
        if code != 0:
            found.faults.append(f"client {kind} ended with {code}: {_end_of(folder / kind / 'log')}")
        if (folder / kind / "stuck").exists():
            found.faults.append(f"client {kind}: {_end_of(folder / kind / 'stuck')}")


def _end_of(path: Path) -> str:
    return path.read_text()[-1000:] if path.exists() else ""


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """A client and the git that it runs."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


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
        wrong = faults_of(hub, entries if deep else entries[-200:])
        found.faults += [f"after {found.kills.total()} kills: {line}" for line in wrong]
    finally:
        hub.storage.close()


def ledger(folder: Path, kind: str) -> list[dict[str, Any]]:
    """What a client was told."""
    path = folder / kind / "ledger.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    # A client that is writing its last line now has been told, but has not said so.
    return [json.loads(line) for line in lines if line.endswith("}")]


def faults_of(hub: Hub, entries: list[dict[str, Any]]) -> list[str]:
    """What is wrong with acknowledged files: each must be in its commit, and with the same bytes at the head."""
    ada, found = actor(hub, "ada"), []
    for name in sorted({entry["repo"] for entry in entries}):
        repo = repos.find(hub, ada, RepoKind.MODEL, RepoId(*name.split("/")))
        git = hub.storage.repositories.open(repo.id)
        head = git.resolve("main").commit
        for entry in entries:
            if entry["repo"] != name:
                continue
            try:
                there = git.entry(head, entry["path"])
                if git.entry(entry["commit"], entry["path"]).oid != there.oid:
                    found.append(f"acknowledged {entry} is another file at the head")
                elif state.digest(fetch.content(hub, repo, git, there)) != entry["sha256"]:
                    found.append(f"acknowledged {entry} is not what was sent")
            except Exception as error:
                found.append(f"acknowledged {entry} is gone: {error}")
    return found


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
