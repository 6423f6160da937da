"""Rate limits and quotas."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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

    def check(self, key: str, limit: int, message: str) -> None:
        """Raises RateLimited where ``take`` would, without counting."""
        if limit and self._count(key, limit, 0).remaining <= 0:
            wait = self._count(key, limit, 0).reset_seconds
            raise RateLimited(f"{message} Try again in {wait} seconds.", wait)

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
