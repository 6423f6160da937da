"""Sessions cannot be planted, do not last for ever, and end when they should."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from openshelf.domain.people import Actor
from openshelf.interfaces.http.requests import SESSION_COOKIE
from openshelf.services import accounts, administration
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import credentials
from tests.hubs import PASSWORD, actor
from tests.interfaces.web.visitors import Visitor


def _who(hub: Hub, secret: str) -> Actor | None:
    found = accounts.actor_by_session(hub, secret)
    return found[0] if found else None


def test_a_planted_session_is_not_adopted(hub: Hub, stranger: Visitor) -> None:
    planted = "chosen-by-somebody-else-0123456789"
    stranger.client.cookies.set(SESSION_COOKIE, planted, path="/")
    assert stranger.submit("/login", name="alice", password=PASSWORD).status_code == 303
    assert _who(hub, planted) is None
    given = [cookie.value for cookie in stranger.client.cookies.jar if cookie.name == SESSION_COOKIE]
    assert planted not in given[-1:]
    assert len(given[-1] or "") >= 43, "32 random bytes"


def test_by_https_only_a_cookie_that_no_neighbour_can_set_counts(hub: Hub) -> None:
    secret = accounts.start_session(hub, accounts.find(hub, "alice"))
    visitor = Visitor(hub, address="https://testserver")
    visitor.client.cookies.set(SESSION_COOKIE, secret, path="/")
    assert visitor.get("/settings/account").status_code == 303
    visitor.client.cookies.clear()
    visitor.client.cookies.set(f"__Host-{SESSION_COOKIE}", secret, path="/")
    assert visitor.get("/settings/account").status_code == 200
    for answer in (
        visitor.get("/login"),
        visitor.post("/settings/appearance", {"theme": "dark"}),
        Visitor(hub).get("/login"),
    ):
        for cookie in answer.headers.get_list("set-cookie"):
            assert cookie.startswith("__Host-") == (answer.request.url.scheme == "https"), cookie
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie


@pytest.mark.parametrize(("unused", "holds"), [(13, True), (15, False)])
def test_a_session_ends_when_nobody_uses_it(hub: Hub, unused: int, holds: bool) -> None:
    account = accounts.find(hub, "alice")
    secret = accounts.start_session(hub, account)
    session = accounts.sessions(hub, account)[0]
    with hub.storage.catalogue.write() as tx:
        credentials.touch_session(tx, session.id, now() - timedelta(days=unused))
    assert (_who(hub, secret) is not None) is holds
    always = replace(hub, settings=replace(hub.settings, session_idle_days=0))
    assert _who(always, secret) is not None


def test_a_session_ends_even_if_it_is_used_every_day(hub: Hub) -> None:
    account = accounts.find(hub, "alice")
    ended = replace(hub, settings=replace(hub.settings, session_days=0))
    assert _who(hub, accounts.start_session(ended, account)) is None


def test_all_other_browsers_are_signed_out_at_once(hub: Hub, alice: Visitor, bob: Visitor) -> None:
    others = [Visitor(hub, "alice") for _ in range(3)]
    assert "Sign out all other browsers" in alice.text("/settings/account")
    assert alice.submit("/settings/sessions/end", "/settings/account").status_code == 303
    assert [other.get("/settings/account").status_code for other in others] == [303, 303, 303]
    assert alice.get("/settings/account").status_code == 200
    assert bob.get("/settings/account").status_code == 200
    assert "Sign out all other browsers" not in alice.text("/settings/account")


def test_sessions_of_a_disabled_account_do_not_come_back(hub: Hub, alice: Visitor, bob: Visitor) -> None:
    person = accounts.find(hub, "bob")
    administration.set_disabled(hub, actor(hub, "alice"), person, True)
    assert bob.get("/settings/account").status_code == 303
    administration.set_disabled(hub, actor(hub, "alice"), person, False)
    assert bob.get("/settings/account").status_code == 303


def test_a_session_is_no_token_and_a_token_no_session(hub: Hub, alice: Visitor) -> None:
    secret = alice.client.cookies[SESSION_COOKIE]
    asked = Visitor(hub)
    assert asked.get("/api/whoami-v2", authorization=f"Bearer {secret}", accept="*/*").status_code == 401
    page = alice.submit("/settings/tokens", name="t", role="write", days="30").text
    token = page[page.index("osh_") :].split("<")[0].split('"')[0].strip()
    assert asked.get("/api/whoami-v2", authorization=f"Bearer {token}", accept="*/*").status_code == 200
    asked.client.cookies.set(SESSION_COOKIE, token, path="/")
    assert asked.get("/settings/account").status_code == 303
