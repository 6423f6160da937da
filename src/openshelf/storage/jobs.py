"""Durable jobs: a queue in one SQLite file, run by DBOS, which goes on after a crash where it was interrupted.

:class:`Jobs` hands jobs in and shows what became of them; it works in any process. :class:`JobRunner` runs them.
DBOS is loaded only when one of them is used: it costs some 30 MB.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openshelf.errors import NotFound, StorageFault, Unavailable
from openshelf.storage.catalogue.engine import translated

if TYPE_CHECKING:
    from dbos import DBOSClient

_RETRY_SECONDS = (5.0, 30.0)
_POLL_SECONDS = 1.0
# A job that takes its process down with it is given up after so many restarts.
_MOST_RECOVERIES = 5
_QUEUE = "openshelf"
_WORKFLOW = "job"
# Jobs outlive releases: this changes only when old payloads can no longer be run.
_VERSION = "1"


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_STATES = {
    "ENQUEUED": JobState.WAITING,
    "DELAYED": JobState.WAITING,
    "PENDING": JobState.RUNNING,
    "SUCCESS": JobState.DONE,
    "ERROR": JobState.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was handed in. ``executor`` names the process that runs it, ``error`` says why it failed."""

    id: str
    name: str
    key: str
    payload: Mapping[str, Any]
    state: JobState
    created_at: datetime
    finished_at: datetime | None
    executor: str | None
    error: str | None


class Jobs:
    """The queue of one data folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._client: DBOSClient | None = None

    def submit(self, job_id: str, name: str, key: str, payload: Mapping[str, Any]) -> None:
        """Hand in a job, durably. Nothing happens where ``job_id`` was handed in before."""
        from dbos import EnqueueOptions, WorkflowSerializationFormat

        options: EnqueueOptions = {
            "workflow_name": _WORKFLOW,
            "queue_name": _QUEUE,
            "workflow_id": job_id,
            "app_version": _VERSION,
            "serialization_type": WorkflowSerializationFormat.PORTABLE,
        }
        with self._connected() as client:
            client.enqueue(options, name, key, dict(payload))

    def list(self, states: Iterable[JobState] = (), *, limit: int = 100) -> list[Job]:
        """Jobs in these states, or in all, newest first."""
        if not self.path.exists():
            return []
        wanted = set(states)
        statuses = [status for status, state in _STATES.items() if state in wanted] if wanted else None
        with self._connected() as client:
            found = client.list_workflows(
                name=_WORKFLOW, status=statuses, limit=limit, sort_desc=True, load_output=True
            )
        return [_job(status) for status in found]

    def count(self) -> dict[JobState, int]:
        """How many jobs there are in each state; cheap, and without loading DBOS."""
        counts = dict.fromkeys(JobState, 0)
        if not self.path.exists():
            return counts
        query = "SELECT status, count(*) FROM workflow_status WHERE name = ? GROUP BY status"
        try:
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
                for status, number in connection.execute(query, (_WORKFLOW,)):
                    counts[_STATES[status]] += number
        except sqlite3.Error as error:
            raise StorageFault(f"The queue of jobs cannot be used: {error}; run `openshelf doctor`.") from error
        return counts

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        found = []
        if self.path.exists():
            with self._connected() as client:
                found = client.list_workflows(workflow_ids=[job_id])
        if not found:
            raise NotFound(f"There is no job {job_id}; `openshelf jobs` lists them.")
        return _job(found[0])

    def cancel(self, job_id: str) -> None:
        """Take a job back that has not begun; one that runs is not repeated. Raises NotFound."""
        self.get(job_id)
        with self._connected() as client:
            client.cancel_workflow(job_id)

    def resume(self, job_id: str) -> None:
        """Queue a job again whose process is gone."""
        with self._connected() as client:
            client.resume_workflow(job_id, queue_name=_QUEUE)

    def forget(self, job_id: str) -> None:
        """Remove the record of a job that has ended."""
        with self._connected() as client:
            client.delete_workflow(job_id)

    def forget_ended(self, age: timedelta) -> int:
        """Remove records of jobs that were done or cancelled so long ago; returns how many."""
        limit, ended = datetime.now(UTC) - age, (JobState.DONE, JobState.CANCELLED)
        old = [job.id for job in self.list(ended, limit=10_000) if job.finished_at and job.finished_at < limit]
        for job_id in old:
            self.forget(job_id)
        return len(old)

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.destroy()
                self._client = None

    @contextmanager
    def _connected(self) -> Iterator[DBOSClient]:
        """The connection, made when it is first needed. Raises Unavailable, StorageFault."""
        with translated("queue of jobs", self.path.parent):
            with self._lock:
                if self._client is None:
                    self._client = self._connect()
            yield self._client

    def _connect(self) -> DBOSClient:
        from dbos import DBOSClient

        if not self.path.exists():
            raise Unavailable("No worker has run yet in this data folder; start the server or a worker.")
        url = f"sqlite:///{self.path}"
        return DBOSClient(system_database_url=url, system_database_pool_size=2, retry_connection_errors=False)


class JobRunner:
    """Runs jobs in threads of this process; there can be one in a process at a time.

    ``executor`` names the process: what it left unfinished when it died is taken up again by the next of that name.
    """

    def __init__(self, path: Path, executor: str, threads: int) -> None:
        self._path = path
        self._executor = executor
        self._threads = threads
        self._running: set[str] = set()

    def start(self, perform: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Begin to run jobs by ``perform(name, payload)``; an error is retried, then kept with the job."""
        from dbos import DBOS, WorkflowSerializationFormat

        _prepare(self._path)
        DBOS(
            config={
                "name": "openshelf",
                "system_database_url": f"sqlite:///{self._path}",
                "sys_db_pool_size": 2 + self._threads,
                "application_version": _VERSION,
                "executor_id": self._executor,
                "max_executor_threads": 2 + self._threads,
                "enable_otlp": False,
                "use_listen_notify": False,
                "scheduler_polling_interval_sec": 3600.0,
                "log_level": "WARNING",
            }
        )
        _take_over_log()

        @DBOS.step(name=_WORKFLOW)
        def attempt(name: str, payload: dict[str, Any]) -> None:
            perform(name, payload)

        @DBOS.workflow(
            name=_WORKFLOW,
            max_recovery_attempts=_MOST_RECOVERIES,
            serialization_type=WorkflowSerializationFormat.PORTABLE,
        )
        def run(name: str, _key: str, payload: dict[str, Any]) -> None:
            job_id = str(DBOS.workflow_id)
            self._running.add(job_id)
            try:
                for seconds in _RETRY_SECONDS:
                    try:
                        return attempt(name, payload)
                    except Exception:
                        # What went wrong is logged by perform.
                        DBOS.sleep(seconds)
                return attempt(name, payload)
            finally:
                self._running.discard(job_id)

        DBOS.launch()
        DBOS.register_queue(
            _QUEUE,
            worker_concurrency=self._threads,
            polling_interval_sec=_POLL_SECONDS,
            on_conflict="always_update",
        )

    def stop(self, seconds: int) -> list[str]:
        """End; jobs get so many seconds to finish. Returns those still running: the next start takes them up."""
        from dbos import DBOS

        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=seconds if self._running else 0)
        return sorted(self._running)


def _prepare(path: Path) -> None:
    """Make the queue's file where there is none, with its tables in it from the first moment that it is seen."""
    if not path.exists():
        from dbos import DBOS

        # What is left there by a crash is discarded with what uploads have left.
        unfinished = path.parent / "temporary" / f"{path.name}-{secrets.token_hex(4)}"
        unfinished.parent.mkdir(exist_ok=True)
        DBOS.migrate(f"sqlite:///{unfinished}")
        with suppress(FileExistsError):
            path.hardlink_to(unfinished)
        unfinished.unlink()
    # The mode is kept in the file: readers such as `openshelf jobs` then never wait for the worker.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _take_over_log() -> None:
    """Let our own log have what DBOS says, but for its tracebacks of failed jobs, which are logged where they fail."""
    logger = logging.getLogger("dbos")
    logger.handlers.clear()
    logger.propagate = True
    logger.addFilter(_is_no_job_failure)


def _is_no_job_failure(record: logging.LogRecord) -> bool:
    return "background workflow" not in str(record.msg)


def _job(status: Any) -> Job:
    name, key, payload = status.input["args"] if status.input else ("unknown", "", {})
    finished = status.completed_at
    return Job(
        id=status.workflow_id,
        name=name,
        key=key,
        payload=payload,
        state=_STATES[status.status],
        created_at=datetime.fromtimestamp(status.created_at / 1000, UTC),
        finished_at=datetime.fromtimestamp(finished / 1000, UTC) if finished else None,
        executor=status.executor_id,
        error=_reason(status),
    )


def _reason(status: Any) -> str | None:
    if status.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return f"Its process ended {_MOST_RECOVERIES} times while it ran."
    return str(status.error) if status.error is not None else None
