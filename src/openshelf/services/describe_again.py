"""Describing repos anew that an earlier release described: with what it did not look at, or saw otherwise."""

from __future__ import annotations

import threading

import structlog

from openshelf.errors import OpenshelfError
from openshelf.services.accept import record_head
from openshelf.services.describe import VERSION
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import repos

_BATCH = 200

log = structlog.get_logger("openshelf.describe")


def describe_again(hub: Hub, stop: threading.Event) -> int:
    """Describe every repo whose description is older than this release's; returns how many."""
    done = 0
    while not stop.is_set():
        with hub.storage.catalogue.read() as tx:
            ids = repos.described_before(tx, VERSION, _BATCH)
        if not ids:
            break
        for repo_id in ids:
            if stop.is_set():
                break
            _describe(hub, repo_id)
            done += 1
    return done


def _describe(hub: Hub, repo_id: str) -> None:
    with hub.storage.locks.hold(f"repo-{repo_id}"), hub.storage.catalogue.write() as tx:
        repo = repos.by_id(tx, repo_id)
        if repo is None:
            return
        try:
            if repo.head:
                record_head(tx, repo, hub.storage.repositories.open(repo_id), repo.head)
        except (OpenshelfError, OSError, KeyError) as error:
            log.error("repo cannot be described; run `openshelf fsck`", repo=repo_id, reason=str(error))
        repos.update(tx, repo_id, described=VERSION)
