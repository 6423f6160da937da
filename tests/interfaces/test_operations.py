"""What operators' tools ask."""

from __future__ import annotations

from openshelf.services import jobs
from openshelf.services.hub import Hub
from tests.hubs import client_of


def test_a_hub_that_can_work_is_ready(hub: Hub) -> None:
    client = client_of(hub)
    assert client.get("/healthz").text == "ok\n"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "problems": {}})


def test_a_hub_that_cannot_work_says_why(hub: Hub) -> None:
    client = client_of(hub)
    hub.storage.catalogue.close()
    (hub.storage.root / "catalogue.db").write_bytes(b"no database " * 1000)
    (hub.storage.root / "temporary").rmdir()
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert set(ready.json()["problems"]) == {"catalogue", "storage"}
    assert client.get("/healthz").status_code == 200


def test_metrics_tell_of_requests_and_jobs(hub: Hub) -> None:
    client = client_of(hub)
    client.get("/api/models")
    jobs.enqueue(hub, "repack", "x", {"repo_id": "x"})
    text = client.get("/metrics").text
    assert "openshelf_outbox_waiting 1.0" in text
    assert 'openshelf_jobs{state="failed"} 0.0' in text
    assert 'openshelf_requests_total{method="GET",status="200"}' in text
