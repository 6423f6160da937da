"""Where look-ups run: on the event loop while they are quick, in threads after a slow one."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from openshelf.interfaces.http import quick
from openshelf.interfaces.http.quick import QuickCalls


def where() -> int:
    return threading.get_ident()


def slow() -> int:
    time.sleep(quick.SLOW_SECONDS * 2)
    return where()


def fails() -> int:
    raise KeyError("nothing")


def test_quick_ones_stay_on_the_loop() -> None:
    async def go() -> None:
        calls = QuickCalls()
        assert {await calls.run(where) for _ in range(3)} == {where()}

    asyncio.run(go())


def test_after_a_slow_one_the_next_go_to_threads_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "AWAY_SECONDS", 0.1)

    async def go() -> None:
        calls = QuickCalls()
        assert await calls.run(slow) == where()
        assert await calls.run(where) != where()
        await asyncio.sleep(0.12)
        assert await calls.run(where) == where()

    asyncio.run(go())


def test_a_slow_one_in_a_thread_delays_nobody_else() -> None:
    async def go() -> None:
        calls = QuickCalls()
        await calls.run(slow)
        begun = time.monotonic()
        waiting = [asyncio.ensure_future(calls.run(slow)) for _ in range(8)]
        await asyncio.sleep(0)
        assert time.monotonic() - begun < quick.SLOW_SECONDS
        await asyncio.gather(*waiting)

    asyncio.run(go())


def test_errors_reach_who_asked_from_both_places() -> None:
    async def go() -> None:
        calls = QuickCalls()
        for before in (where, slow):
            await calls.run(before)
            with pytest.raises(KeyError, match="nothing"):
                await calls.run(fails)

    asyncio.run(go())
