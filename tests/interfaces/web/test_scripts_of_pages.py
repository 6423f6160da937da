"""A script of our pages may use the API by the session of its reader; a cookie alone may not."""

from __future__ import annotations

import pytest

from openshelf.interfaces.http.form_tokens import HEADER, make
from openshelf.services.hub import Hub
from tests.interfaces.web.visitors import Visitor, make_repo

COMMIT = b'{"key":"header","value":{"summary":"x"}}\n{"key":"file","value":{"path":"a.txt","content":"x"}}\n'
PLAN = {"files": [{"path": "a.txt", "size": 1, "sample": ""}]}


def _commit(visitor: Visitor, **headers: str) -> int:
    sent = {"content-type": "application/x-ndjson", "accept": "application/json", **headers}
    return visitor.client.post("/api/models/alice/model/commit/main", content=COMMIT, headers=sent).status_code


def test_a_cookie_alone_authorises_nothing(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "model")
    assert _commit(alice) == 401
    for forged in ("", "x", "AAAA", "%c3%a9", make(hub, "another secret")):
        assert _commit(alice, **{HEADER: forged}) == 401, forged


def test_the_token_of_the_page_does(hub: Hub, alice: Visitor, bob: Visitor) -> None:
    make_repo(hub, "alice", "model")
    token = alice.token("/new")
    assert _commit(bob, **{HEADER: token}) == 401, "it is bound to one session"
    assert _commit(alice, **{HEADER: token, "sec-fetch-site": "cross-site"}) == 401
    assert _commit(alice, **{HEADER: token, "sec-fetch-site": "same-site"}) == 401
    assert _commit(alice, **{HEADER: token, "sec-fetch-site": "same-origin"}) == 200
    assert _commit(bob, **{HEADER: bob.token("/new")}) == 403, "it says who asks, and gives no right"
    assert _commit(Visitor(hub), **{HEADER: token}) == 401


@pytest.mark.parametrize("address", ["/api/models/alice/model/preupload/main", "/alice/model/info/lfs/objects/batch"])
def test_everything_that_an_upload_asks(hub: Hub, alice: Visitor, address: str) -> None:
    make_repo(hub, "alice", "model")
    body = {**PLAN, "operation": "upload", "objects": [{"oid": "ab" * 32, "size": 3}]}
    assert alice.client.post(address, json=body, headers={"accept": "application/json"}).status_code in (401, 403)
    signed = {HEADER: alice.token("/new"), "accept": "application/json"}
    assert alice.client.post(address, json=body, headers=signed).status_code == 200
