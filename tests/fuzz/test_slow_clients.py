"""Clients that are slow, silent, gone or many: whoever behaves is answered beside them, and memory stays bounded."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from openshelf.errors import Unavailable
from openshelf.interfaces.http import bodies
from tests.fuzz.raw_http import ask, connect, host, memory_of, sockets_of, status_of, wait_until
from tests.fuzz.shelf import upload
from tests.hubs import add_user
from tests.served import Served, serve

# What the constants say is meant for the internet; here a client has stalled after three seconds.
START = (
    "-c",
    "import openshelf.interfaces.cli.serve as serve, openshelf.interfaces.http.bodies as bodies\n"
    "serve._STALL_SECONDS, bodies.STALL_SECONDS = 3, 3.0\n"
    "from openshelf.interfaces.cli.main import main\n"
    "main()",
)
MIB = 1024 * 1024
LARGE = 48 * MIB
STUCK, SLOW_WRITERS, HALF_HEADERS = 40, 40, 100
IDLE = 2000
# An answer that nobody takes holds a piece in Python and what the HTTP library has taken of it ahead.
PER_STUCK_READER = 16 * MIB
PER_IDLE_CONNECTION = 32 * 1024


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("slow"), start=START) as found:
        add_user(found.hub, "root-admin")
        _, token = add_user(found.hub, "alice")
        sha256 = upload(found, token, os.urandom(MIB) * (LARGE // MIB))
        assert sha256
        os.environ["SLOW_TOKEN"] = token
        yield found
        assert "] fault " not in found.log.read_text()


@pytest.fixture(scope="module")
def token() -> str:
    return os.environ["SLOW_TOKEN"]


def answers(served: Served) -> None:
    """Whoever behaves is answered: a page, the API, and bytes."""
    with httpx.Client(base_url=served.url, trust_env=False, timeout=60) as client:
        for _ in range(3):
            assert client.get("/alice/first").status_code == 200
            assert client.get("/api/models/alice/first").status_code == 200
            part = client.get("/alice/first/resolve/main/w", headers={"range": "bytes=5-9"})
            assert (part.status_code, len(part.content)) == (206, 5)


def stuck_reader(served: Served) -> socket.socket:
    """Asks for a large file, takes its beginning and nothing more."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    found.settimeout(60)
    found.connect(("127.0.0.1", served.port))
    found.sendall(b"GET /alice/first/resolve/main/w HTTP/1.1\r\n" + host(served.port) + b"\r\n")
    assert found.recv(12) == b"HTTP/1.1 200"
    return found


def slow_writer(served: Served, href: str) -> socket.socket:
    """Begins to send a large file, and stops."""
    found = connect(served.port)
    path = href.removeprefix(served.url).encode()
    head = b"PUT " + path + b" HTTP/1.1\r\n" + host(served.port) + b"Content-Length: %d\r\n\r\n" % LARGE
    found.sendall(head + b"x" * 100)
    return found


def place_for(served: Served, token: str, size: int) -> str:
    oid = hashlib.sha256(str(size).encode()).hexdigest()
    asked = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": size}]}
    headers = {"authorization": f"Bearer {token}"}
    address = f"{served.url}/alice/first/info/lfs/objects/batch"
    answer = httpx.post(address, json=asked, headers=headers, trust_env=False, timeout=60).json()
    return str(answer["objects"][0]["actions"]["upload"]["href"])


def test_stuck_and_slow_clients_hold_up_nobody_and_are_left(served: Served, token: str) -> None:
    answers(served)
    before, sockets = memory_of(served.pid), sockets_of(served.pid)
    with ExitStack() as held:
        href = place_for(served, token, LARGE)
        for _ in range(SLOW_WRITERS):
            held.enter_context(slow_writer(served, href))
        for _ in range(HALF_HEADERS):
            held.enter_context(connect(served.port)).sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.")
        for _ in range(STUCK):
            held.enter_context(stuck_reader(served))
        answers(served)
        grown = memory_of(served.pid) - before
        assert grown < STUCK * PER_STUCK_READER, f"{grown / MIB:.0f} MiB for {STUCK} stuck readers"
        answers(served)
        # None of these clients ever closes its connection: the server ends it.
        left = sockets + HALF_HEADERS
        wait_until(lambda: sockets_of(served.pid) <= left, "stalled clients are left")
    wait_until(lambda: sockets_of(served.pid) <= sockets, "connections are closed")
    answers(served)


def test_two_thousand_idle_connections(served: Served) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * IDLE:
        pytest.skip(f"this machine allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * IDLE), hard))
    answers(served)
    before = memory_of(served.pid)
    request = b"GET /healthz HTTP/1.1\r\n" + host(served.port) + b"\r\n"
    with ExitStack() as held:
        # More than the backlog of the socket, which once was the bound of all connections.
        opened = [held.enter_context(connect(served.port)) for _ in range(IDLE + 100)]
        for connection in opened[:IDLE]:
            connection.sendall(request)
        for connection in opened[:IDLE]:
            assert connection.recv(12) == b"HTTP/1.1 200"
        answers(served)
        grown = memory_of(served.pid) - before
    assert grown < IDLE * PER_IDLE_CONNECTION, f"{grown / MIB:.0f} MiB for {IDLE} idle connections"
    answers(served)


SMUGGLED = b"\r\n0\r\n\r\nGET /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
REFUSED = {
    "two lengths": b"POST /v1/telemetry HTTP/1.1\r\nHOSTContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "a signed length": b"POST /v1/telemetry HTTP/1.1\r\nHOSTContent-Length: +4\r\n\r\nabcd",
    "an unknown coding": b"POST /v1/telemetry HTTP/1.1\r\nHOSTTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": b"POST /v1/telemetry HTTP/1.1\r\nHOSTTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"POST /v1/telemetry HTTP/1.1\r\nHOSTTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk": b"POST /v1/telemetry HTTP/1.1\r\nHOSTTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nHOSTX-A: a\r\n b\r\n\r\n",
    "a zero byte": b"GET /healthz HTTP/1.1\r\nHOSTX-A: a\0b\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHOSTHost: other\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10 + b"\r\n\r\n",
    # What is read at once may go past the limit of 2 MiB by as much again.
    "a huge header": b"GET /healthz HTTP/1.1\r\nHOSTX-A: " + b"a" * 9_000_000 + b"\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\nHOST" + b"X-A: a\r\n" * 2000 + b"\r\n",
    "a long address": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHOST\r\n",
    "an address that is no text": b"GET /\xff\xfe HTTP/1.1\r\nHOST\r\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_requests_that_could_be_read_in_two_ways_are_refused(served: Served, what: str) -> None:
    answer = ask(served.port, REFUSED[what].replace(b"HOST", host(served.port)))
    assert 400 <= status_of(answer) < 500, answer[:500]
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    answers(served)


@pytest.mark.parametrize("turned", [False, True])
def test_two_lengths_smuggle_nothing(served: Served, turned: bool) -> None:
    """The HTTP parser takes the coding alone; whatever comes after that end is no request (RFC 9112, 6.3)."""
    lines = [b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"]
    head = b"".join(reversed(lines) if turned else lines)
    answer = ask(served.port, b"POST /v1/telemetry HTTP/1.1\r\n" + host(served.port) + head + SMUGGLED)
    assert answer.count(b"HTTP/1.1 ") == 1, answer


def test_pipelined_requests_are_answered_in_turn(served: Served) -> None:
    one = b"GET /healthz HTTP/1.1\r\n" + host(served.port)
    answer = ask(served.port, one + b"\r\n" + one.replace(b"healthz", b"readyz") + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b"ok\n") < answer.index(b'"ready"')


BODIES = {
    "POST /v1/telemetry": "",
    "POST /api/validate-yaml": "application/json",
    "POST /api/repos/create": "application/json",
    "POST /api/models/alice/first/commit/main": "application/x-ndjson",
    "POST /api/models/alice/first/preupload/main": "application/json",
    "POST /api/models/alice/first/paths-info/main": "application/x-www-form-urlencoded",
    "POST /alice/first/info/lfs/objects/batch": "application/vnd.git-lfs+json",
    "POST /alice/first/git-upload-pack": "application/x-git-upload-pack-request",
    "POST /alice/first/git-receive-pack": "application/x-git-receive-pack-request",
    "POST /login": "application/x-www-form-urlencoded",
    "POST XET/v1/shards": "application/octet-stream",
    "POST XET/v1/xorbs/default/" + "ab" * 32: "application/octet-stream",
    "PUT LFS": "application/octet-stream",
}


@pytest.mark.parametrize("route", BODIES)
def test_a_body_beyond_the_limit_is_refused_before_it_comes(served: Served, token: str, route: str) -> None:
    """Announced: at once. In chunks: where the limit is passed, for those limits that a test can reach."""
    head = _head(served, token, route)
    answer = ask(served.port, head + b"Content-Length: 999999999999\r\n\r\n")
    # git shows no text of a failed POST, so a fetch is answered with a packet that says what is wrong.
    assert status_of(answer) in (400, 413) or b"ERR This upload has" in answer, answer[:500]
    if "telemetry" in route or "batch" in route or "login" in route:
        limit = 4 * MIB + 1
        chunk = b"%x\r\n" % MIB + b"a" * MIB + b"\r\n"
        answer = ask(served.port, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * (limit // MIB + 2))
        assert status_of(answer) in (0, 400, 413), answer[:500]
    answers(served)


def _head(served: Served, token: str, route: str) -> bytes:
    method, _, path = route.partition(" ")
    if path == "LFS":
        path = place_for(served, token, 1000).removeprefix(served.url)
    if path.startswith("XET"):
        headers = {"authorization": f"Bearer {token}"}
        address = f"{served.url}/api/models/alice/first/xet-write-token/main"
        given = httpx.get(address, headers=headers, trust_env=False, timeout=60).json()
        token = given["accessToken"]
        path = path.replace("XET", given["casUrl"].removeprefix(served.url))
    kind = f"Content-Type: {BODIES[route]}\r\n" if BODIES[route] else ""
    return f"{method} {path} HTTP/1.1\r\n{kind}Authorization: Bearer {token}\r\n".encode() + host(served.port)


def test_bodies_held_in_memory_have_a_common_bound() -> None:
    """Nobody has to sign in to send a body, so all that wait together may take no more than their share."""
    held = bodies.HeldBodies(100)
    held.take(60)
    held.take(40)
    with pytest.raises(Unavailable):
        held.take(1)
    held.give_back(40)
    held.take(1)


def test_whole_bodies_give_their_room_back(served: Served) -> None:
    """More than the bound, one after another."""
    body = json.dumps({"content": "x" * (30 * MIB)}).encode()
    with httpx.Client(base_url=served.url, trust_env=False, timeout=120) as client:
        for _ in range(bodies.MOST_HELD_BYTES // len(body) + 2):
            assert client.post("/api/validate-yaml", content=body).status_code in (200, 400, 413, 422)
