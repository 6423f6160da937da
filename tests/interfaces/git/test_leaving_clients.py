"""Clients that leave, stall or come in crowds: git's processes end, and nothing stays behind."""

from __future__ import annotations

import base64
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from anyio import run
from anyio.lowlevel import checkpoint

from openshelf.domain.repos import Repo
from openshelf.errors import Unavailable
from openshelf.services import git_fetch
from openshelf.services.limits import Slots
from tests.interfaces.conftest import World
from tests.interfaces.git.push_request import ZERO, body, pack_of
from tests.interfaces.git.working_copy import WorkingCopy


def _wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to this in time"
        time.sleep(0.05)


def _git_processes(repo: Repo) -> list[str]:
    """Command lines of processes that work on ``repo``."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = os.readlink(path / "cwd")
        except OSError:
            continue
        if repo.id in line or repo.id in where:
            found.append(line)
    return found


def _left_behind(world: World) -> list[Path]:
    return list(world.hub.storage.repositories.quarantines.root.iterdir())


@contextmanager
def _connected(world: World, request: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", world.served.port), timeout=20) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        connection.sendall(request)
        yield connection


def _head_of_request(world: World, repo: Repo, service: str, *headers: str) -> bytes:
    secret = base64.b64encode(f"x:{world.alice}".encode()).decode()
    lines = [
        f"POST /{repo.full_name}.git/{service} HTTP/1.1",
        f"Host: 127.0.0.1:{world.served.port}",
        f"Authorization: Basic {secret}",
        f"Content-Type: application/x-{service}-request",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
def test_a_client_that_leaves_in_the_middle_of_a_push(world: World, here: WorkingCopy, part: float) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    old = copy.git("rev-parse", "HEAD")
    new = copy.commit_files({f"noise-{number}": os.urandom(900_000) for number in range(10)})
    whole = body([(ZERO, new, "refs/heads/half")], pack_of(copy, new, f"^{old}"))
    sent = whole[: max(300, int(len(whole) * part))]
    head = _head_of_request(world, repo, "git-receive-pack", "Transfer-Encoding: chunked")
    with _connected(world, head) as connection:
        for start in range(0, len(sent), 1_000_000):
            connection.sendall(_chunk(sent[start : start + 1_000_000]))
        if part:
            _wait_until(lambda: bool(_left_behind(world)))
    _wait_until(lambda: not _left_behind(world) and not _git_processes(repo))
    assert "refs/heads/half" not in copy.git("ls-remote", "origin")
    copy.git("push", "origin", "HEAD:refs/heads/half")


def test_a_client_that_leaves_in_the_middle_of_a_clone(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    copy.commit_files({f"noise-{number}": os.urandom(900_000) for number in range(14)})
    copy.git("push", "--quiet")
    want = copy.git("rev-parse", "HEAD")
    wanted = b"0011command=fetch0001000fno-progress0032want " + want.encode() + b"\n0009done\n0000"
    head = _head_of_request(world, repo, "git-upload-pack", "Git-Protocol: version=2", f"Content-Length: {len(wanted)}")
    with _connected(world, head + wanted) as connection:
        assert connection.recv(200).startswith(b"HTTP/1.1 200")
        _wait_until(lambda: bool(_git_processes(repo)))
        time.sleep(0.3)
        assert _git_processes(repo), "git waits for a client that does not read"
    _wait_until(lambda: not _git_processes(repo))
    assert httpx.get(f"{world.served.url}/healthz").status_code == 200


def test_a_crowd_is_served_in_turn(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    address = f"{world.served.url}/{repo.full_name}/info/refs?service=git-upload-pack"
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: httpx.get(address, timeout=60).status_code, range(48)))
    assert answers == [200] * 48


def test_who_finds_no_place_in_time_is_told_to_come_back() -> None:
    async def crowd() -> None:
        slots = Slots()
        async with slots.hold("fetch", 1, 0):
            with pytest.raises(Unavailable, match="more work than it can do"):
                async with slots.hold("fetch", 1, 0.1):
                    pass
            async with slots.hold("other", 1, 0):
                await checkpoint()
        async with slots.hold("fetch", 1, 0):
            pass

    run(crowd)
    assert git_fetch.PATIENCE_SECONDS > 0
