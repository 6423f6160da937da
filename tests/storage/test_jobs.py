"""The durable queue of jobs, and workers that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from openshelf.errors import NotFound, StorageFault, Unavailable
from openshelf.storage import jobs as engine
from openshelf.storage.jobs import Job, JobRunner, Jobs, JobState

Perform = Callable[[str, Mapping[str, Any]], None]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_RETRY_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(engine, "_POLL_SECONDS", 0.05)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path / "jobs.db")
    yield made
    made.close()


@contextmanager
def running(jobs: Jobs, perform: Perform, executor: str = "executor-1", threads: int = 2) -> Iterator[JobRunner]:
    runner = JobRunner(jobs.path, executor, threads)
    runner.start(perform)
    try:
        yield runner
    finally:
        runner.stop(0)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def states(jobs: Jobs) -> dict[str, JobState]:
    return {job.id: job.state for job in jobs.list()}


def test_without_a_worker_there_is_nothing(jobs: Jobs) -> None:
    assert jobs.list() == []
    assert set(jobs.count().values()) == {0}
    with pytest.raises(NotFound):
        jobs.get("some:job:1")
    with pytest.raises(Unavailable, match="start the server"):
        jobs.submit("some:job:1", "some", "job", {})


def test_a_damaged_queue_is_said_so(jobs: Jobs) -> None:
    jobs.path.write_bytes(b"no database " * 1000)
    for look in (jobs.list, jobs.count):
        with pytest.raises(StorageFault, match="queue of jobs"):
            look()


def test_jobs_run_once_and_failures_are_kept(jobs: Jobs) -> None:
    done: list[tuple[str, Mapping[str, Any]]] = []

    def perform(name: str, payload: Mapping[str, Any]) -> None:
        done.append((name, payload))
        if name == "bad" or (name == "shaky" and len([n for n, _ in done if n == "shaky"]) < 3):
            raise ValueError("the disk is on fire")

    with running(jobs, perform):
        for _ in range(2):
            jobs.submit("good:a:1", "good", "a", {"number": 1, "text": "é", "list": [1, None]})
        jobs.submit("bad:b:2", "bad", "b", {})
        jobs.submit("shaky:c:3", "shaky", "c", {})
        ended = {"good:a:1": JobState.DONE, "bad:b:2": JobState.FAILED, "shaky:c:3": JobState.DONE}
        wait_for(lambda: states(jobs) == ended)
        jobs.submit("good:a:1", "good", "a", {"number": 2})
        time.sleep(0.2)
    assert jobs.count() == dict.fromkeys(JobState, 0) | {JobState.DONE: 2, JobState.FAILED: 1}
    assert [payload for name, payload in done if name == "good"] == [{"number": 1, "text": "é", "list": [1, None]}]
    assert [name for name, _ in done].count("bad") == 3
    failed = jobs.list([JobState.FAILED])
    assert [(job.id, job.name, job.key, job.error) for job in failed] == [
        ("bad:b:2", "bad", "b", "the disk is on fire")
    ]
    assert jobs.forget_ended(timedelta(days=1)) == 0
    assert jobs.forget_ended(timedelta(0)) == 2
    assert states(jobs) == {"bad:b:2": JobState.FAILED}
    jobs.forget("bad:b:2")
    assert jobs.list() == []


def test_a_waiting_job_can_be_taken_back(jobs: Jobs) -> None:
    began, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def perform(name: str, _payload: Mapping[str, Any]) -> None:
        began.set()
        assert go_on.wait(30)
        done.append(name)

    with running(jobs, perform, threads=1):
        jobs.submit("first:a:1", "first", "a", {})
        assert began.wait(30)
        jobs.submit("second:b:2", "second", "b", {})
        jobs.cancel("second:b:2")
        go_on.set()
        wait_for(lambda: states(jobs)["first:a:1"] is JobState.DONE)
        time.sleep(0.3)
    assert done == ["first"]
    assert states(jobs)["second:b:2"] is JobState.CANCELLED


_WORKER = """
import sys, time
from pathlib import Path
from openshelf.storage import jobs
jobs._POLL_SECONDS = 0.05
folder = Path(sys.argv[1])
def perform(name, payload):
    with (folder / "began").open("a") as file:
        file.write(name)
    time.sleep(float(sys.argv[2]))
    (folder / "ended").write_text(name)
runner = jobs.JobRunner(folder / "jobs.db", sys.argv[3], 1)
runner.start(perform)
(folder / "ready").touch()
time.sleep(60)
"""


def _worker(folder: Path, seconds: float, executor: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _WORKER, str(folder), str(seconds), executor])


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("adopted", [False, True], ids=["the same worker", "another worker"])
def test_a_job_whose_worker_was_killed_runs_again(jobs: Jobs, tmp_path: Path, adopted: bool) -> None:
    first = _worker(tmp_path, 60, "executor-1")
    try:
        wait_for((tmp_path / "ready").exists)
        jobs.submit("long:a:1", "long", "a", {})
        wait_for((tmp_path / "began").exists)
    finally:
        _kill(first)
    (job,) = jobs.list([JobState.RUNNING])
    assert (job.id, job.executor) == ("long:a:1", "executor-1")
    second = _worker(tmp_path, 0, "executor-2" if adopted else "executor-1")
    try:
        if adopted:
            time.sleep(0.5)
            assert not (tmp_path / "ended").exists()
            jobs.resume("long:a:1")
        wait_for((tmp_path / "ended").exists)
        wait_for(lambda: states(jobs) == {"long:a:1": JobState.DONE})
    finally:
        _kill(second)
    assert (tmp_path / "began").read_text() == "longlong"


def test_stopping_leaves_a_long_job_for_the_next_start(jobs: Jobs) -> None:
    began, end = threading.Event(), threading.Event()

    def perform(_name: str, _payload: Mapping[str, Any]) -> None:
        began.set()
        end.wait(30)

    runner = JobRunner(jobs.path, "executor-1", 1)
    runner.start(perform)
    jobs.submit("long:a:1", "long", "a", {})
    assert began.wait(30)
    assert runner.stop(0) == ["long:a:1"]
    assert states(jobs) == {"long:a:1": JobState.RUNNING}
    end.set()
    with running(jobs, lambda _name, _payload: None):
        wait_for(lambda: states(jobs) == {"long:a:1": JobState.DONE})


def test_what_a_job_shows(jobs: Jobs) -> None:
    with running(jobs, lambda _name, _payload: None):
        jobs.submit("a:b:1", "a", "b", {"x": 1})
        wait_for(lambda: states(jobs) == {"a:b:1": JobState.DONE})
    job = jobs.get("a:b:1")
    assert isinstance(job, Job)
    assert (job.name, job.key, job.payload, job.error) == ("a", "b", {"x": 1}, None)
    assert job.finished_at is not None
    assert job.finished_at >= job.created_at
