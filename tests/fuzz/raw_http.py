"""HTTP as bytes on a socket, for requests that no client library would send."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

PATIENCE = 30.0


def connect(port: int) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    found.settimeout(PATIENCE)
    return found


def host(port: int) -> bytes:
    return b"Host: 127.0.0.1:%d\r\n" % port


def ask(port: int, request: bytes, *, most: int = 100_000) -> bytes:
    """All that is answered until the server closes the connection, or ``most`` bytes of it."""
    with connect(port) as connection:
        try:
            connection.sendall(request)
        except ConnectionError:
            pass  # the answer came before the request was over
        answer = b""
        while len(answer) < most:
            try:
                piece = connection.recv(65536)
            except ConnectionError:
                break
            if not piece:
                break
            answer += piece
        return answer


def status_of(answer: bytes) -> int:
    """The status of the first answer in these bytes; 0 where the connection was closed without one."""
    words = answer.split(b"\r\n", 1)[0].split(b" ")
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def children_of(process: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def memory_of(process: int) -> int:
    """The bytes that a server and its children take (PSS)."""
    total = 0
    for one in (process, *children_of(process)):
        lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def sockets_of(process: int) -> int:
    """How many sockets a server and its children have open."""
    found = 0
    for one in (process, *children_of(process)):
        for entry in os.scandir(f"/proc/{one}/fd"):
            try:
                found += os.readlink(entry.path).startswith("socket:")
            except OSError:
                continue
    return found


def wait_until(holds: object, what: str, seconds: float = 60.0) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not after {seconds:.0f} seconds"
        time.sleep(0.2)
