"""Clients that take nothing of an answer, or vanished without a word, are left by the kernel.

The HTTP library waits for ever where a client does not read: it asks for no more of the answer, so no time-out of ours
could end the connection. A limit on the listening socket is inherited by all its connections (tcp(7)).
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

_START_SECONDS = 120.0
# A client of which nothing is awaited is asked for a sign of life after a minute, and left two minutes after the first.
_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


def leave_stalled_clients(seconds: int) -> None:
    """Wait until this process listens, then set the limit on what it listens on. The HTTP library does not tell it."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if _limit_all(seconds):
            return
        time.sleep(0.1)


def _limit_all(seconds: int) -> int:
    """How many listening sockets there are.

    Nothing is duplicated or closed here: to close any descriptor of a file gives up all locks of the process on it
    (fcntl_locking(2)), SQLite's too, and then two processes write to the catalogue at once.
    """
    limited = 0
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            borrowed = socket.socket(fileno=int(entry.name))
        except OSError:
            continue
        try:
            if _is_listening(borrowed):
                _limit(borrowed, seconds)
                limited += 1
        finally:
            borrowed.detach()
    return limited


def _is_listening(found: socket.socket) -> bool:
    is_tcp = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
    return is_tcp and bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _limit(listener: socket.socket, seconds: int) -> None:
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEP_ALIVE:
        listener.setsockopt(socket.IPPROTO_TCP, option, value)
