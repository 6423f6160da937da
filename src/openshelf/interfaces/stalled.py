"""Clients that take nothing of an answer, or vanished without a word, are left by the kernel.

The HTTP library waits for ever where a client does not read: it asks for no more of the answer, so no time-out of ours
could end the connection. A limit on the listening socket is inherited by all its connections (tcp(7)).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

_START_SECONDS = 120.0
# A client of which nothing is awaited is asked for a sign of life after a minute, and left two minutes after the first.
_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


def leave_stalled_clients(seconds: int) -> None:
    """Wait until this process listens, then set the limit on what it listens on. The HTTP library does not tell it."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        found = list(_listening())
        for listener in found:
            with listener:
                _limit(listener, seconds)
        if found:
            return
        time.sleep(0.1)


def _listening() -> Iterator[socket.socket]:
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            descriptor = os.dup(int(entry.name))
        except OSError:
            continue
        try:
            found = socket.socket(fileno=descriptor)
        except OSError:
            os.close(descriptor)
            continue
        is_tcp = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
        if is_tcp and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            yield found
        else:
            found.close()


def _limit(listener: socket.socket, seconds: int) -> None:
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEP_ALIVE:
        listener.setsockopt(socket.IPPROTO_TCP, option, value)
