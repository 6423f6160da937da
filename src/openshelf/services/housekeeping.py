"""What has to be done regularly, by one process at a time: reconcile, tidy up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from openshelf.services.accept import reconcile
from openshelf.services.describe_again import describe_again
from openshelf.services.git_push import discard_stale_quarantines
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import blobs, credentials, events, repos
from openshelf.storage.jobs import JobState

_HOUR = 3600.0
_DAY = 24 * _HOUR
STALE_UPLOAD_SECONDS = 7 * _DAY
STALE_TEMPORARY_SECONDS = 2 * _DAY
_TICK_SECONDS = 1.0

log = structlog.get_logger("openshelf.housekeeping")


@dataclass(frozen=True, slots=True)
class Routine:
    """Work that is done when a worker starts and then every so many seconds; returns how much there was to do."""

    name: str
    seconds: Callable[[Hub], float]
    work: Callable[[Hub, threading.Event], int]


def reconcile_all(hub: Hub, stop: threading.Event) -> int:
    """Bring the catalogue to what git says, repo by repo; returns how many refs differed."""
    with hub.storage.catalogue.read() as tx:
        ids = repos.all_ids(tx)
    differing = 0
    for repo_id in ids:
        if stop.is_set():
            break
        try:
            differing += reconcile(hub, repo_id)
        except Exception as error:
            log.error("repo cannot be reconciled; run `openshelf fsck`", repo=repo_id, reason=str(error))
    return differing


def forget_expired(hub: Hub, _stop: threading.Event) -> int:
    """Remove sessions and invitations that are past their time."""
    with hub.storage.catalogue.write() as tx:
        return credentials.delete_expired(tx, now())


def discard_stale(hub: Hub, _stop: threading.Event) -> int:
    """Remove what interrupted uploads and pushes have left."""
    uploads = hub.storage.discard_stale(STALE_TEMPORARY_SECONDS, STALE_UPLOAD_SECONDS)
    return uploads + discard_stale_quarantines(hub, STALE_TEMPORARY_SECONDS)


def try_again(hub: Hub, _stop: threading.Event) -> int:
    """Ask once more for jobs that failed a day ago: the disk was full, or a backup kept them waiting too long."""
    limit = now() - timedelta(days=1)
    old = [job for job in hub.storage.jobs.list([JobState.FAILED]) if job.finished_at and job.finished_at < limit]
    for job in old:
        with hub.storage.catalogue.write() as tx:
            events.enqueue(tx, job.name, job.key, job.payload, now())
        hub.storage.jobs.forget(job.id)
    return len(old)


def let_go_of_second_forms(hub: Hub, _stop: threading.Event) -> int:
    """Ask for the whole form of blobs to go that have their chunks too: a backup was in the way when it should."""
    with hub.storage.catalogue.write() as tx:
        waiting = blobs.in_two_forms(tx)
        for sha256 in waiting:
            events.enqueue(tx, "chunk-blob", sha256, {"sha256": sha256}, now())
    return len(waiting)


def forget_jobs(hub: Hub, _stop: threading.Event) -> int:
    """Remove the records of jobs that are done or were cancelled, after a day; failed ones stay visible."""
    return hub.storage.jobs.forget_ended(timedelta(days=1))


ROUTINES: tuple[Routine, ...] = (
    Routine("reconcile", lambda hub: float(max(hub.settings.reconcile_seconds, 1)), reconcile_all),
    Routine("describe repos anew", lambda _hub: _HOUR, describe_again),
    Routine("forget expired sessions", lambda _hub: _HOUR, forget_expired),
    Routine("discard stale uploads", lambda _hub: _HOUR, discard_stale),
    Routine("try failed jobs again", lambda _hub: _HOUR, try_again),
    Routine("let go of second forms", lambda _hub: _HOUR, let_go_of_second_forms),
    Routine("forget ended jobs", lambda _hub: _HOUR, forget_jobs),
)


def run(hub: Hub, stop: threading.Event) -> None:
    """Do every routine now, and again whenever it is due, until ``stop`` is set."""
    due = {routine.name: 0.0 for routine in ROUTINES}
    while not stop.is_set():
        for routine in ROUTINES:
            if time.monotonic() >= due[routine.name] and not stop.is_set() and not hub.is_read_only:
                _do(hub, routine, stop)
                due[routine.name] = time.monotonic() + routine.seconds(hub)
        stop.wait(_TICK_SECONDS)


def _do(hub: Hub, routine: Routine, stop: threading.Event) -> None:
    started = time.monotonic()
    try:
        done = routine.work(hub, stop)
    except Exception:
        log.exception("routine failed", routine=routine.name)
        return
    tell = log.info if done else log.debug
    tell("routine done", routine=routine.name, changes=done, seconds=round(time.monotonic() - started, 3))
