"""CPU time of single requests inside one process, without a socket: ``python -m bench.in_process DATA ADDRESS...``.

For whoever makes a request cheaper: what a server spends on HTTP and the kernel is not in it, and neither is what other
programs do to the wall clock. ``--profile`` prints where the time goes instead.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from anyio import to_thread
from starlette.types import ASGIApp, Message

_WARM_UP = 5
_TOP = 45


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.in_process", description=__doc__)
    parser.add_argument("data", type=Path, help="a data folder that is there")
    parser.add_argument("addresses", nargs="+", help="paths with their queries; HEAD:PATH asks for headers alone")
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--cookie", default="", help="a Cookie header, for what signed-in people see")
    parser.add_argument("--token", default="", help="an access token")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    os.environ |= {
        "OPENSHELF_DATA": str(asked.data),
        "OPENSHELF_EMBEDDED_WORKER": "false",
        "OPENSHELF_RATE_LIMIT_REQUESTS": "0",
        "OPENSHELF_RATE_LIMIT_ANONYMOUS": "0",
        "OPENSHELF_LOG_LEVEL": "warning",
    }
    from openshelf.app import create_app

    headers = [(b"host", b"localhost"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip")]
    if asked.cookie:
        headers.append((b"cookie", asked.cookie.encode()))
    if asked.token:
        headers.append((b"authorization", f"Bearer {asked.token}".encode()))
    asyncio.run(_measure(create_app(), asked.addresses, headers, asked.requests, profile=asked.profile))
    return 0


async def _measure(
    app: ASGIApp, addresses: list[str], headers: list[tuple[bytes, bytes]], count: int, *, profile: bool
) -> None:
    for address in addresses:
        method, found, path = address.partition(":")
        method, path = (method, path) if found and method.isupper() else ("GET", address)
        for _ in range(_WARM_UP):
            status, size = await _ask(app, method, path, headers)
        if profile:
            await _profile(app, method, path, headers, count)
            continue
        costs = []
        for _ in range(count):
            before = time.process_time()
            await _ask(app, method, path, headers)
            costs.append((time.process_time() - before) * 1000)
        least, middle = min(costs), median(costs)
        print(f"{least:8.2f} ms least {middle:8.2f} ms median  {status} {size:8d} bytes  {method} {path}", flush=True)


async def _profile(app: ASGIApp, method: str, path: str, headers: list[tuple[bytes, bytes]], count: int) -> None:
    async def inline(call: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        return call(*arguments)

    # What goes to threads runs here, where the profiler sees it.
    to_thread.run_sync, before = inline, to_thread.run_sync  # type: ignore[assignment]
    profile = cProfile.Profile(time.thread_time)
    with profile:
        for _ in range(count):
            await _ask(app, method, path, headers)
    to_thread.run_sync = before
    print(f"{method} {path}, {count} times")
    pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(_TOP)


async def _ask(app: ASGIApp, method: str, address: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Status and size of the answer."""
    path, _, query = address.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    seen = [0, 0]

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen[0] = message["status"]
        elif message["type"] == "http.response.body":
            seen[1] += len(message.get("body", b""))

    await app(scope, receive, send)
    return seen[0], seen[1]


if __name__ == "__main__":
    sys.exit(main())
