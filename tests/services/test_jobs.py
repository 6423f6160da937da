"""From the outbox to the work done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from openshelf.domain.people import Session
from openshelf.errors import Conflict, NotFound, Unavailable
from openshelf.services import housekeeping, jobs, repos
from openshelf.services.hub import Hub, now
from openshelf.storage import jobs as engine
from openshelf.storage.catalogue import credentials, events, refs
from openshelf.storage.catalogue.ids import new_id
from openshelf.storage.jobs import JobState
from tests.hubs import add_user
from tests.services.bytes_in_hub import start


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_RETRY_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(engine, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(jobs, "_POLL_SECONDS", 0.05)


class Worker:
    """A worker in a thread; what it does is in ``done``."""

    def __init__(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub = hub
        self.done: list[Mapping[str, Any]] = []
        self.fail = False
        self.stop = threading.Event()
        monkeypatch.setitem(jobs.JOBS, "test", self._perform)
        self.thread = threading.Thread(target=jobs.run_worker, args=(hub, self.stop))

    def __enter__(self) -> Worker:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop.set()
        self.thread.join()

    def _perform(self, _hub: Hub, payload: Mapping[str, Any]) -> None:
        if self.fail:
            raise Unavailable("not today")
        self.done.append(payload)


@pytest.fixture
def worker(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    with Worker(hub, monkeypatch) as running:
        yield running


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def states(hub: Hub) -> list[JobState]:
    return [job.state for job in hub.storage.jobs.list()]


def test_what_is_asked_for_together_is_done_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        jobs.enqueue(hub, "test", "same", {"number": number})
    jobs.enqueue(hub, "test", "other", {"number": 3})
    assert jobs.count_outbox(hub) == 3
    with Worker(hub, monkeypatch) as worker:
        wait_for(lambda: len(worker.done) == 2)
        wait_for(lambda: states(hub) == [JobState.DONE] * 2)
        assert jobs.count_outbox(hub) == 0
        jobs.enqueue(hub, "test", "same", {"number": 4})
        wait_for(lambda: len(worker.done) == 3)
    assert sorted(payload["number"] for payload in worker.done) == [2, 3, 4]


def test_a_crash_after_handing_in_hands_in_nothing_twice(hub: Hub, worker: Worker) -> None:
    with hub.storage.catalogue.write() as tx:
        events.enqueue(tx, "test", "key", {}, now())
        (row,) = events.waiting(tx)
    wait_for(lambda: len(worker.done) == 1)
    hub.storage.jobs.submit(f"test:key:{row.seq}", "test", "key", {})
    time.sleep(0.3)
    assert len(worker.done) == 1


def test_failures_stay_visible_until_they_are_tried_again(hub: Hub, worker: Worker) -> None:
    worker.fail = True
    jobs.enqueue(hub, "test", "key", {"a": 1})
    wait_for(lambda: states(hub) == [JobState.FAILED])
    (failed,) = hub.storage.jobs.list()
    assert failed.error == "not today"
    with pytest.raises(Conflict):
        jobs.cancel(hub, failed.id)
    worker.fail = False
    jobs.retry(hub, failed.id)
    wait_for(lambda: states(hub) == [JobState.DONE])
    with pytest.raises(Conflict):
        jobs.retry(hub, hub.storage.jobs.list()[0].id)
    with pytest.raises(NotFound):
        jobs.retry(hub, failed.id)
    assert worker.done == [{"a": 1}]


def test_failures_are_tried_again_after_a_day(hub: Hub, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.fail = True
    jobs.enqueue(hub, "test", "key", {"a": 1})
    wait_for(lambda: states(hub) == [JobState.FAILED])
    worker.fail = False
    assert housekeeping.try_again(hub, threading.Event()) == 0
    monkeypatch.setattr(housekeeping, "now", lambda: now() + timedelta(days=2))
    assert housekeeping.try_again(hub, threading.Event()) == 1
    wait_for(lambda: worker.done == [{"a": 1}])


def test_a_job_of_another_release_is_kept_as_failed(hub: Hub, worker: Worker) -> None:
    jobs.enqueue(hub, "from-the-future", "key", {})
    wait_for(lambda: states(hub) == [JobState.FAILED])
    assert "knows no job" in str(hub.storage.jobs.list()[0].error)


def test_workers_take_different_names_and_one_leads(hub: Hub) -> None:
    with jobs._executor(hub) as first, jobs._executor(hub) as second:
        assert (first, second) == ("executor-1", "executor-2")
    with jobs._executor(hub) as again:
        assert again == "executor-1"


def test_jobs_of_a_dead_worker_are_adopted(hub: Hub, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.enqueue(hub, "test", "key", {})
    wait_for(lambda: states(hub) == [JobState.DONE])
    (job,) = hub.storage.jobs.list()
    assert job.executor == "executor-1"
    resumed: list[str] = []
    running = [replace(job, state=JobState.RUNNING, executor=name) for name in ("executor-1", "executor-9")]
    monkeypatch.setattr(engine.Jobs, "list", lambda *_args, **_options: running)
    monkeypatch.setattr(engine.Jobs, "resume", lambda _jobs, job_id: resumed.append(job_id))
    assert jobs.adopt(hub) == 1
    assert resumed == [job.id]


def test_a_worker_reconciles_when_it_starts(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    _, repo = start(hub)
    head = hub.storage.repositories.open(repo.id).resolve("main").commit
    with hub.storage.catalogue.write() as tx:
        refs.record(tx, repo.id, "refs/heads/main", "1" * 40, now())

    def recorded() -> str:
        with hub.storage.catalogue.read() as tx:
            return refs.recorded(tx, repo.id)["refs/heads/main"]

    with Worker(hub, monkeypatch):
        wait_for(lambda: recorded() == head)


def test_a_broken_repo_does_not_keep_others_from_being_reconciled(hub: Hub) -> None:
    actor, repo = start(hub)
    other = repos.create(hub, actor, repo.kind, "other")
    with hub.storage.catalogue.write() as tx:
        for repo_id in (repo.id, other.id):
            refs.record(tx, repo_id, "refs/heads/main", "1" * 40, now())
    hub.storage.repositories.delete(repo.id)
    assert housekeeping.reconcile_all(hub, threading.Event()) == 1


def test_what_is_stale_is_discarded(hub: Hub) -> None:
    temporary = hub.storage.root / "temporary"
    (temporary / "staged-1-old").write_bytes(b"x")
    (temporary / "folder").mkdir()
    (temporary / "folder" / "file").write_bytes(b"x")
    upload = f"{'a' * 24}-{'b' * 64}"
    writer = hub.storage.parts.part_writer(upload, 0)
    writer.write(b"part")
    writer.close()
    assert housekeeping.discard_stale(hub, threading.Event()) == 0
    assert hub.storage.discard_stale(-1, -1) == 3
    assert list(temporary.iterdir()) == []
    assert list((hub.storage.root / "parts").iterdir()) == []


def test_ended_sessions_are_forgotten(hub: Hub) -> None:
    account, _ = add_user(hub, "ada")
    moment = now()
    with hub.storage.catalogue.write() as tx:
        for number, ends in enumerate((moment - timedelta(days=1), moment + timedelta(days=1))):
            session = Session(new_id(), account.id, moment, moment, ends, "")
            credentials.insert_session(tx, session, bytes([number]) * 32)
    assert housekeeping.forget_expired(hub, threading.Event()) == 1
