"""The worker: background jobs inside a server process, or as a process of their own."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import structlog

from openshelf.services import jobs
from openshelf.services.hub import Hub

_TRY_AGAIN_SECONDS = 5.0
# What the services may take to stop, and a little more.
_STOP_SECONDS = jobs.STOP_SECONDS + 4.0

log = structlog.get_logger("openshelf.worker")


class EmbeddedWorker:
    """A worker in a thread of a server process; of several server processes one has it at a time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._stop = threading.Event()
        self._left: list[str] = []
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> bool:
        """End the worker; False where a job could not be waited for. It is taken up again by the next worker."""
        self._stop.set()
        self._thread.join(_STOP_SECONDS)
        return not self._left and not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._hub.storage.locks.try_hold("worker-embedded") as held:
                if held:
                    self._work()
            self._stop.wait(_TRY_AGAIN_SECONDS)

    def _work(self) -> None:
        try:
            self._left = jobs.run_worker(self._hub, self._stop)
        except Exception:
            log.exception("the worker failed; it starts again in a moment")


def run(hub: Hub) -> bool:
    """Run jobs until SIGTERM or SIGINT; False where a job could not be waited for. Raises Unavailable if read-only."""
    hub.check_writable()
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return not jobs.run_worker(hub, stop)
