"""A journey through everything that takes or gives a secret; then none of them is in the log, nor a forged line."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from openshelf.domain.people import TokenRole
from openshelf.interfaces.http.requests import SESSION_COOKIE
from openshelf.services import accounts, tokens
from tests.hubs import PASSWORD, actor, add_user
from tests.interfaces.web.visitors import make_repo
from tests.served import Served, serve

WRONG, NEW = "a wrong password 77", "another good phrase, new"
INVALID = "osh_invalid_but_secret_value"
FORGED = "x%0a2026-01-01T00:00:00Z%20[info]%20signed%20in%20name=root%0d%1b[2J%e2%80%a8y"


@pytest.fixture(scope="module", params=["json", "text"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp(f"log-{request.param}")
    with serve(folder, log_format=request.param, log_level="debug", registration="invite") as served:
        add_user(served.hub, "root-admin")
        add_user(served.hub, "alice")
        yield served


class Browser:
    """Signs in by the form, as a person does."""

    def __init__(self, served: Served) -> None:
        self.client = httpx.Client(base_url=served.url, headers={"accept": "text/html"}, trust_env=False)

    def submit(self, path: str, page: str = "", **fields: str) -> httpx.Response:
        found = re.search(r'name="csrf" value="([^"]+)"', self.client.get(page or path).text)
        assert found
        return self.client.post(path, data={"csrf": unescape(found[1]), **fields})


@pytest.fixture
def browser(served: Served) -> Iterator[Browser]:
    browser = Browser(served)
    yield browser
    browser.client.close()


def _journey(served: Served, browser: Browser) -> set[str]:
    """Sign in, use every kind of credential, rightly and wrongly; returns all secrets that were in play."""
    hub = served.hub
    browser.submit("/login", name="alice", password=WRONG)
    assert browser.submit("/login", name="alice", password=PASSWORD).status_code == 303
    session = browser.client.cookies[SESSION_COOKIE]
    assert browser.client.get("/settings/account").status_code == 200
    done = browser.submit("/settings/password", "/settings/account", current=PASSWORD, password=NEW)
    assert done.status_code == 303
    _, code = accounts.invite(hub, actor(hub, "root-admin"))
    assert httpx.get(f"{served.url}/join?code={code}", trust_env=False).status_code == 200
    secret = tokens.create(hub, accounts.find(hub, "alice"), "journey", TokenRole.WRITE)[1]
    make_repo(hub, "alice", "model", {"a.txt": b"x"})
    basic = base64.b64encode(f"alice:{secret}".encode()).decode()
    client = browser.client
    client.headers.update({"authorization": f"Bearer {secret}", "accept": "*/*"})
    client.get("/alice/model/info/refs?service=git-receive-pack", headers={"authorization": f"Basic {basic}"})
    client.get("/api/whoami-v2", headers={"authorization": f"Bearer {INVALID}"})
    body = {"operation": "upload", "objects": [{"oid": "ab" * 32, "size": 3}]}
    batch = client.post("/alice/model/info/lfs/objects/batch", json=body).json()
    address = batch["objects"][0]["actions"]["upload"]["href"]
    client.put(address, content=b"not")
    xet = client.get("/api/models/alice/model/xet-write-token/main").json()["accessToken"]
    client.get("/v1/reconstructions/" + "ab" * 32, headers={"authorization": f"Bearer {xet}"})
    del client.headers["authorization"]
    client.headers["accept"] = "text/html"
    browser.client.get(f"/{FORGED}")
    browser.submit("/login", "/settings/account", name="a\nforged line\x1b[31m", password=WRONG)
    ticket = address.partition("ticket=")[2]
    return {session, browser.client.cookies[SESSION_COOKIE], code, secret, basic, ticket, xet}


def test_a_journey_leaves_no_secret_and_no_forged_line(served: Served, browser: Browser) -> None:
    secrets = _journey(served, browser) | {PASSWORD, WRONG, NEW, INVALID, served.hub.storage.secret.hex()}
    assert all(len(secret) >= 10 for secret in secrets)
    said = served.log.read_text()
    for secret in secrets:
        assert secret not in said
    assert "\x1b[2J" not in said
    assert "\x1b[31m" not in said
    lines = [line for line in said.splitlines() if line]
    assert not [line for line in lines if line.startswith(("forged", "2026-01-01"))]
    assert said.count("sign-in refused") == 2
    assert said.count("signed in ") + said.count('"signed in"') >= 1


def test_the_log_tells_who_was_let_in_and_who_was_not(served: Served, browser: Browser) -> None:
    for password in (WRONG, PASSWORD, NEW):
        if browser.submit("/login", name="alice", password=password).status_code == 303:
            break
    browser.client.get("/settings/account")
    browser.client.get("/administration")
    httpx.get(f"{served.url}/api/whoami-v2", trust_env=False)
    written = [line for line in served.log.read_text().splitlines() if line.startswith("{")]
    if not written:
        pytest.skip("the format for people says the same")
    lines = [json.loads(line) for line in written]
    told = [line for line in lines if line["event"] in ("request", "signed in", "sign-in refused")]
    for line in told:
        assert {"timestamp", "level", "event", "request_id"} <= line.keys()
        assert line["timestamp"].endswith("Z")
    assert any(line["event"] == "sign-in refused" and line["name"] == "alice" for line in told)
    assert any(line["event"] == "signed in" and line["address"] == "127.0.0.1" for line in told)
    assert any(line.get("account") == "alice" and line.get("path") == "/settings/account" for line in told)
    assert any(
        (line.get("status"), line.get("account"), line.get("address")) == (403, "alice", "127.0.0.1") for line in told
    )
    assert any(line.get("status") == 401 and line.get("address") == "127.0.0.1" for line in told)
