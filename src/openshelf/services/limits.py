"""Rate limits and quotas."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Network, ip_address

import anyio

from openshelf.errors import RateLimited, Unavailable

WINDOW_SECONDS = 300
_MOST_KEYS = 100_000


@dataclass(frozen=True, slots=True)
class RateState:
    """What is left of one window: for the ``RateLimit`` headers (IETF draft-ietf-httpapi-ratelimit-headers)."""

    limit: int
    remaining: int
    reset_seconds: int


@dataclass(slots=True)
class RateLimits:
    """Counts per key in fixed windows of five minutes, in the memory of one process."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counts: dict[str, int] = field(default_factory=dict)
    _window: int = 0

    def take(self, key: str, limit: int, message: str) -> RateState | None:
        """Count one request for ``key``; None where ``limit`` is 0. Raises RateLimited past it."""
        if limit == 0:
            return None
        state = self._count(key, limit, 1)
        if state.remaining < 0:
            raise RateLimited(f"{message} Try again in {state.reset_seconds} seconds.", state.reset_seconds)
        return state

    def give_back(self, key: str) -> None:
        """Uncount what ``take`` counted last for ``key``."""
        with self._lock:
            if self._counts.get(key, 0) > 0:
                self._counts[key] -= 1

    def _count(self, key: str, limit: int, add: int) -> RateState:
        seconds = time.time()
        window = int(seconds // WINDOW_SECONDS)
        with self._lock:
            if window != self._window or len(self._counts) > _MOST_KEYS:
                self._window = window
                self._counts.clear()
            used = self._counts.get(key, 0) + add
            if add:
                self._counts[key] = used
        reset = int((window + 1) * WINDOW_SECONDS - seconds) + 1
        return RateState(limit, limit - used, reset)


def network_of(address: str) -> str:
    """What is counted as one client: an IPv4 address, or the /64 of an IPv6 one, which a single customer gets whole."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found) >> 64 << 64, 64)))


@dataclass(slots=True)
class Slots:
    """Places for work that only so many may do at the same time, in one process."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _taken: dict[str, int] = field(default_factory=dict)

    @asynccontextmanager
    async def hold(self, key: str, limit: int, patience: float) -> AsyncIterator[None]:
        """Hold one of ``limit`` places of ``key``. Raises Unavailable where none is free for ``patience`` seconds."""
        deadline = time.monotonic() + patience
        while not self._take(key, limit):
            if time.monotonic() > deadline:
                raise Unavailable("This hub has more work than it can do at the moment. Try again in a minute.")
            await anyio.sleep(0.05)
        try:
            yield
        finally:
            with self._lock:
                self._taken[key] -= 1

    def _take(self, key: str, limit: int) -> bool:
        with self._lock:
            taken = self._taken.get(key, 0)
            if taken >= max(1, limit):
                return False
            self._taken[key] = taken + 1
            return True
