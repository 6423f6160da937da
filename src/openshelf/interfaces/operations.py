"""What operators' tools ask: is it alive, is it ready, how does it do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from openshelf.errors import OpenshelfError
from openshelf.interfaces.http.description import TEXT, Operation, as_json, mapping, record
from openshelf.interfaces.http.requests import hub_of
from openshelf.services import jobs, scrub, usage
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import accounts

OUTBOX = Gauge("openshelf_outbox_waiting", "Jobs asked for that no worker has taken up yet.")
JOBS = Gauge("openshelf_jobs", "Jobs by state; those that are done are forgotten after a day.", ["state"])
DAMAGED = Gauge("openshelf_damaged", "Blobs, xorbs and repositories that are known to be damaged.", ["kind"])
SCRUB_END = Gauge("openshelf_scrub_end_timestamp_seconds", "When the last reading of everything ended; 0 for none.")
SCRUB_BYTES = Gauge("openshelf_scrub_read_bytes", "Bytes that the current or the last reading of everything has read.")
DISK_FREE = Gauge("openshelf_disk_free_bytes", "Room on the file system of the data folder.")
DISK = Gauge("openshelf_disk_bytes", "Size of the file system of the data folder.")
STORED = Gauge("openshelf_stored_bytes", "Bytes kept outside git, by the form in which they lie on the disk.", ["form"])
READ_ONLY = Gauge("openshelf_read_only", "1 while changes are refused.")


def healthz(_request: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


def readyz(request: Request) -> Response:
    """The hub can work: its catalogue answers and its data folder can be written to."""
    hub, problems = hub_of(request), {}
    try:
        with hub.storage.catalogue.read() as tx:
            accounts.count_users(tx)
    except (OpenshelfError, OSError) as error:
        problems["catalogue"] = str(error)
    try:
        hub.storage.blobs.writer().discard()
    except OSError as error:
        problems["storage"] = str(error.strerror)
    return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)


def metrics(request: Request) -> Response:
    """Prometheus metrics: of this process, and of the whole hub its jobs, storage and damage."""
    hub = hub_of(request)
    _measure_jobs(hub)
    _measure_storage(hub)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _measure_jobs(hub: Hub) -> None:
    OUTBOX.set(jobs.count_outbox(hub))
    for state, number in hub.storage.jobs.count().items():
        JOBS.labels(state.value).set(number)


def _measure_storage(hub: Hub) -> None:
    disk = shutil.disk_usage(hub.storage.root)
    DISK_FREE.set(disk.free)
    DISK.set(disk.total)
    READ_ONLY.set(hub.is_read_only)
    for form, size in usage.stored_bytes(hub).items():
        STORED.labels(form).set(size)
    for kind, number in scrub.count_damage(hub).items():
        DAMAGED.labels(kind.value).set(number)
    last = scrub.last_pass(hub)
    if last:
        SCRUB_END.set(last.finished_at or 0)
        SCRUB_BYTES.set(last.bytes_read)


def described() -> Iterator[Operation]:
    """The routes in the OpenAPI description."""
    ready = as_json(record({"ready": {"type": "boolean"}, "problems": mapping(TEXT)}))
    plain_text = {"text/plain": TEXT}
    told = (
        ("/healthz", "The process answers", {200: plain_text}),
        ("/readyz", "The hub can work", {200: ready, 503: ready}),
        ("/metrics", "Metrics for Prometheus", {200: plain_text}),
    )
    for path, summary, answers in told:
        yield Operation("GET", path, "Operation", summary, answers, is_public=True)


routes = [
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
]
