"""Work in the background: asked for in a transaction, done at least once, by any worker, across crashes.

A service asks for a job with ``storage.catalogue.events.enqueue`` in the transaction that makes it necessary. A
worker moves these rows of the outbox to the durable queue, and runs what is queued. A job may run again after a
crash, so each is safe to repeat.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import structlog

from openshelf.errors import Conflict, OpenshelfError, Unavailable
from openshelf.services import housekeeping, scrub
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import events
from openshelf.storage.jobs import Job, JobRunner, JobState

_POLL_SECONDS = 1.0
_ADOPT_SECONDS = 60.0
_BATCH = 200
_MOST_EXECUTORS = 64
STOP_SECONDS = 8

log = structlog.get_logger("openshelf.jobs")


def _chunk_blob(hub: Hub, payload: Mapping[str, Any]) -> None:
    from openshelf.services.chunk_blob import chunk_blob

    chunk_blob(hub, str(payload["sha256"]))


def _check_bytes(hub: Hub, payload: Mapping[str, Any]) -> None:
    scrub.check(hub, str(payload["kind"]), str(payload["subject"]))


def _collect_garbage(hub: Hub, payload: Mapping[str, Any]) -> None:
    from openshelf.services.garbage_runs import collect_garbage

    collect_garbage(hub, dry_run=bool(payload["dry_run"]))


def _repack(hub: Hub, payload: Mapping[str, Any]) -> None:
    from openshelf.services.repack import repack

    repack(hub, str(payload["repo_id"]))


def _read_weights(hub: Hub, payload: Mapping[str, Any]) -> None:
    from openshelf.services.read_weights import read_weights

    read_weights(hub, str(payload["repo_id"]))


JOBS: dict[str, Callable[[Hub, Mapping[str, Any]], None]] = {
    "check-bytes": _check_bytes,
    "chunk-blob": _chunk_blob,
    "collect-garbage": _collect_garbage,
    "read-weights": _read_weights,
    "repack": _repack,
}
"""What each job does with its payload. Jobs load what they need when they run."""


def enqueue(hub: Hub, name: str, key: str, payload: Mapping[str, Any]) -> None:
    """Ask for a job on its own; jobs with one name and ``key`` are the same work, done once if they wait together."""
    with hub.storage.catalogue.write() as tx:
        events.enqueue(tx, name, key, payload, now())


def run_worker(hub: Hub, stop: threading.Event) -> list[str]:
    """Run jobs until ``stop`` is set; returns the ids of those that had to be left, to be taken up again.

    One of all workers, whichever comes first, also empties the outbox and does what has to be done regularly.
    """
    with _executor(hub) as executor:
        runner = JobRunner(hub.storage.jobs.path, executor, hub.settings.job_threads)
        runner.start(lambda name, payload: perform(hub, name, payload))
        log.info("worker started", executor=executor, threads=hub.settings.job_threads)
        try:
            _lead(hub, executor, stop)
        finally:
            left = runner.stop(STOP_SECONDS)
        log.info("worker stopped", executor=executor, left=left)
    return left


def cancel(hub: Hub, job_id: str) -> None:
    """Take back a job that waits. Raises NotFound, and Conflict where it has ended."""
    if hub.storage.jobs.get(job_id).state not in (JobState.WAITING, JobState.RUNNING):
        raise Conflict(f"Job {job_id} has ended; only jobs that wait or run can be cancelled.")
    hub.storage.jobs.cancel(job_id)


def retry(hub: Hub, job_id: str) -> Job:
    """Ask again for a job that failed or was cancelled. Raises NotFound, and Conflict for any other."""
    job = hub.storage.jobs.get(job_id)
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        raise Conflict(f"Job {job_id} is {job.state}; only jobs that failed or were cancelled can be tried again.")
    enqueue(hub, job.name, job.key, job.payload)
    hub.storage.jobs.forget(job_id)
    return job


def perform(hub: Hub, name: str, payload: Mapping[str, Any]) -> None:
    """Do one job. Raises what the job raises; the queue then tries again, or keeps the failure."""
    function = JOBS.get(name)
    if function is None:
        raise Unavailable(f"This release knows no job called {name!r}.")
    started = time.monotonic()
    try:
        function(hub, payload)
    except Exception as error:
        expected = isinstance(error, OpenshelfError)
        log.warning("job failed", job=name, payload=dict(payload), reason=str(error), exc_info=not expected)
        raise
    log.info("job done", job=name, payload=dict(payload), seconds=round(time.monotonic() - started, 3))


def dispatch(hub: Hub) -> int:
    """Move what waits in the outbox to the durable queue; returns how many rows."""
    with hub.storage.catalogue.read() as tx:
        rows = events.waiting(tx, _BATCH)
    # Rows with one key ask for the same work. The id makes a second hand-in, after a crash, do nothing.
    latest = {(row.job, row.key): row for row in rows}
    for row in latest.values():
        hub.storage.jobs.submit(f"{row.job}:{row.key}:{row.seq}", row.job, row.key, row.payload)
    if rows:
        with hub.storage.catalogue.write() as tx:
            for row in rows:
                events.remove(tx, row.seq)
    return len(rows)


def adopt(hub: Hub) -> int:
    """Queue again what workers left unfinished that are gone for good; returns how many."""
    running = hub.storage.jobs.list([JobState.RUNNING], limit=1000)
    adopted = 0
    for executor in {job.executor for job in running if job.executor}:
        with hub.storage.locks.try_hold(executor) as is_gone:
            for job in running:
                if is_gone and job.executor == executor:
                    hub.storage.jobs.resume(job.id)
                    adopted += 1
    return adopted


def count_outbox(hub: Hub) -> int:
    """How many rows of the outbox no worker has taken up yet."""
    with hub.storage.catalogue.read() as tx:
        return events.count_waiting(tx)


def _lead(hub: Hub, executor: str, stop: threading.Event) -> None:
    """Lead the workers as soon as nobody else does, and until ``stop``."""
    while not stop.is_set():
        with hub.storage.locks.try_hold("worker-leader") as leads:
            if leads:
                log.debug("worker leads", executor=executor)
                regular = [
                    threading.Thread(target=housekeeping.run, args=(hub, stop), name="housekeeping"),
                    threading.Thread(target=scrub.run_when_due, args=(hub, stop), name="scrub", daemon=True),
                ]
                for thread in regular:
                    thread.start()
                _dispatch_until(hub, stop)
                regular[0].join()
                # git may be in the middle of a large repository; all that is lost is that one.
                regular[1].join(STOP_SECONDS)
        stop.wait(5 * _POLL_SECONDS)


def _dispatch_until(hub: Hub, stop: threading.Event) -> None:
    next_adoption = 0.0
    while not stop.is_set():
        try:
            if time.monotonic() >= next_adoption:
                adopt(hub)
                next_adoption = time.monotonic() + _ADOPT_SECONDS
            busy = not hub.is_read_only and dispatch(hub) == _BATCH
        except Exception:
            log.exception("the outbox cannot be emptied; trying again")
            busy = False
        if not busy:
            stop.wait(_POLL_SECONDS)


@contextmanager
def _executor(hub: Hub) -> Iterator[str]:
    """A name that no other living worker has; a worker that is started again gets that of its predecessor."""
    with ExitStack() as stack:
        for number in range(1, _MOST_EXECUTORS + 1):
            name = f"executor-{number}"
            with ExitStack() as attempt:
                if attempt.enter_context(hub.storage.locks.try_hold(name)):
                    stack.push(attempt.pop_all())
                    break
        else:
            raise Unavailable(f"{_MOST_EXECUTORS} workers run already on this data folder.")
        yield name
