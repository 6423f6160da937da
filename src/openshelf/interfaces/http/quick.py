"""Look-ups that take less time than handing them to a thread.

The threads of a pool and the event loop take the interpreter's lock from each other: of the 2.5 ms that ``HEAD`` of a
file once took at 16 connections, 1.5 ms went there. So a look-up in the catalogue and in git runs on the loop, as long
as such look-ups are quick. Where one was slow, on a cold disk say, the next ones go to threads for a while, so that a
slow disk delays who waits for it and nobody else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import to_thread
from starlette.requests import Request

P = ParamSpec("P")
T = TypeVar("T")

SLOW_SECONDS = 0.02
AWAY_SECONDS = 1.0


@dataclass(slots=True)
class QuickCalls:
    """Decides for one server process where its look-ups run."""

    _away_until: float = 0.0

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``call`` returns or raises; it must only read, and hold no lock that is held for long elsewhere."""
        begun = time.monotonic()
        if begun < self._away_until:
            return await to_thread.run_sync(partial(call, *args, **kwargs))
        try:
            return call(*args, **kwargs)
        finally:
            ended = time.monotonic()
            if ended - begun > SLOW_SECONDS:
                self._away_until = ended + AWAY_SECONDS


def quick_calls(request: Request) -> QuickCalls:
    """Those of the process that answers ``request``."""
    found: QuickCalls = request.app.state.quick_calls
    return found
