"""Under which names the hub answers, and which headers of proxies it believes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from openshelf.interfaces.asgi import build
from openshelf.interfaces.http.hosts import is_known
from openshelf.services.hub import Hub
from openshelf.settings import Settings
from tests.interfaces.web.visitors import Visitor, make_repo


def _client(hub: Hub, peer: str = "203.0.113.9", **settings: Any) -> TestClient:
    changed = replace(hub, settings=replace(hub.settings, **settings))
    return TestClient(build(changed), client=(peer, 50000), follow_redirects=False)


def _status(client: TestClient, host: str, path: str = "/api/models", **headers: str) -> int:
    return client.get(path, headers={"host": host, **headers}).status_code


def test_a_hub_for_this_machine_alone_is_not_read_by_a_page_of_another_site(hub: Hub) -> None:
    client = _client(hub, "127.0.0.1")
    for host in ("127.0.0.1:8000", "localhost:8000", "hub.localhost", "[::1]:8000", "192.168.1.5"):
        assert _status(client, host) == 200, host
    for host in ("rebound.evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000"):
        assert _status(client, host) == 421, host
    assert _status(client, "rebound.evil.example", "/healthz") == 200
    assert _status(_client(hub, "127.0.0.1", trust_forwarded=True), "hub.example.org") == 200, "a proxy is in front"


def test_with_a_public_address_no_other_name_is_answered(hub: Hub) -> None:
    client = _client(hub, public_url="https://hub.example.org:8443", allowed_hosts="hub.lan, Other.Example.")
    for host in ("hub.example.org:8443", "HUB.example.org.", "hub.lan", "other.example", "10.0.0.1"):
        assert _status(client, host) == 200, host
    for host in ("evil.example", "hub.example.org.evil.example", "xhub.example.org", "hub.lan, evil.example"):
        answer = client.get("/login", headers={"host": host})
        assert answer.status_code == 421, host
        assert "allowed_hosts" in answer.text
        assert "evil" not in answer.text


@pytest.mark.parametrize("host", ["a/b", "user@hub", "a b", "hub:port", "<script>", "[::1", "x" * 300, "hub?x", "a\\b"])
def test_what_is_no_host_name_is_refused_in_any_case(hub: Hub, host: str) -> None:
    assert _status(_client(hub), host) == 421
    assert not is_known(Settings(allowed_hosts=host), host)


def test_addresses_in_answers_are_the_hubs_own(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "model", {"a.txt": b"x"})
    client = _client(hub, public_url="https://hub.example.org")
    headers = {"host": "10.0.0.1", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    batch = {"operation": "download", "objects": [{"oid": "ab" * 32, "size": 3}]}
    answers = [
        client.get("/api/models?limit=1", headers=headers),
        client.get("/alice/model", headers={**headers, "accept": "text/html"}),
        client.post("/alice/model/info/lfs/objects/batch", json=batch, headers=headers),
    ]
    for answer in answers:
        everything = answer.text + str(answer.headers)
        assert "evil.example" not in everything
        assert "10.0.0.1" not in everything
    assert "https://hub.example.org" in answers[1].text


def test_headers_of_proxies_count_only_where_there_is_one(hub: Hub) -> None:
    forged = {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example", "x-forwarded-for": "198.51.100.1"}
    answer = _client(hub).get("/login", headers={**forged, "accept": "text/html"})
    assert "evil.example" not in answer.text
    assert all(not cookie.startswith("__Host-") for cookie in answer.headers.get_list("set-cookie"))

    limited = _client(hub, "203.0.113.10", rate_limit_anonymous=2)
    spoofed = [limited.get("/api/models", headers={"x-forwarded-for": f"198.51.100.{n}"}).status_code for n in range(4)]
    assert spoofed == [200, 200, 429, 429]
    behind = _client(hub, rate_limit_anonymous=2, trust_forwarded=True)
    chains = [f"10.{n}.0.1, 198.51.100.9" for n in range(4)]
    assert [behind.get("/api/models", headers={"x-forwarded-for": c}).status_code for c in chains] == [
        200,
        200,
        429,
        429,
    ]


def test_redirects_stay_on_the_hub(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "model", {"a.txt": b"x"})
    for path in ("//evil.example/x", "/\\evil.example", "//evil.example/%2f..", "/%5cevil.example", "/.//evil.example"):
        for answer in (
            alice.client.get(path),
            alice.client.get(f"/login?next={path}"),
            Visitor(hub).post("/settings/appearance", {"theme": "dark", "next": path}),
        ):
            location = answer.headers.get("location", "/")
            assert location.startswith("/"), (path, location)
            assert not location.startswith(("//", "/\\")), (path, location)
