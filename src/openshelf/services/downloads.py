"""How often repos are downloaded: from the counter in memory (``download_counter`` has the rule) to the catalogue."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from openshelf.domain.repos import Repo
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import repos

FLUSH_SECONDS = 15.0

log = structlog.get_logger("openshelf.downloads")


def flush(hub: Hub) -> int:
    """Write what was counted; returns how many repos it was for. Nothing is lost where it fails."""
    if hub.is_read_only:
        return 0
    counts = hub.downloads.take()
    if not counts:
        return 0
    try:
        with hub.storage.catalogue.write() as tx:
            repos.add_downloads(tx, counts, now().date())
    except BaseException:
        hub.downloads.give_back(counts)
        raise
    return len(counts)


@contextmanager
def counting(hub: Hub, every: float = FLUSH_SECONDS) -> Iterator[None]:
    """Write the counts every so many seconds while the block runs, and at its end."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(every):
            _try_flush(hub)

    thread = threading.Thread(target=run, name="downloads", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _try_flush(hub)


def all_time(hub: Hub, repo: Repo) -> int:
    """Downloads of a repo since it was made."""
    with hub.storage.catalogue.read() as tx:
        return repos.downloads_since(tx, repo.id, now().date(), days=None)


def by_week(hub: Hub, repo: Repo, weeks: int = 12) -> list[int]:
    """Downloads of each of the last weeks, the present one last."""
    today = now().date()
    with hub.storage.catalogue.read() as tx:
        days = repos.downloads_by_day(tx, repo.id, today - timedelta(days=7 * weeks - 1))
    found = [0] * weeks
    for day, count in days.items():
        found[weeks - 1 - min((today - day).days // 7, weeks - 1)] += count
    return found


def _try_flush(hub: Hub) -> None:
    try:
        flush(hub)
    except Exception:  # counts wait for the next time, whatever is wrong with the catalogue
        log.exception("downloads could not be written")
