"""Garbage collection as administrators ask for it on a page: a job, and what the last one said."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from openshelf.domain.people import Actor
from openshelf.services import administration, gc, jobs
from openshelf.services.gc import Collected
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import events

JOB = "collect-garbage"
_KEY = "garbage-run"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run removed, or in a dry run would have."""

    at: datetime
    dry_run: bool
    collected: Collected


def ask(hub: Hub, actor: Actor, *, dry_run: bool) -> None:
    """Have a worker do it soon. Raises Forbidden."""
    administration.check(actor)
    hub.check_writable()
    jobs.enqueue(hub, JOB, "dry run" if dry_run else "run", {"dry_run": dry_run})


def collect_garbage(hub: Hub, *, dry_run: bool) -> Run:
    """Do it now and remember what came of it."""
    run = Run(now(), dry_run, gc.collect(hub, dry_run=dry_run))
    kept = {"at": run.at.timestamp(), "dry_run": dry_run, "collected": asdict(run.collected)}
    with hub.storage.catalogue.write() as tx:
        events.set_meta(tx, _KEY, json.dumps(kept))
    return run


def last(hub: Hub) -> Run | None:
    with hub.storage.catalogue.read() as tx:
        kept = events.get_meta(tx, _KEY)
    if not kept:
        return None
    data = json.loads(kept)
    return Run(datetime.fromtimestamp(data["at"], now().tzinfo), data["dry_run"], Collected(**data["collected"]))
