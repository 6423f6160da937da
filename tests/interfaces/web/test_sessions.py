"""Coming in and going out."""

from __future__ import annotations

from pathlib import Path

import pytest

from openshelf.interfaces.http.requests import SESSION_COOKIE
from openshelf.interfaces.web import addresses
from openshelf.services import accounts
from openshelf.services.hub import Hub
from tests.hubs import PASSWORD, actor, make_hub
from tests.interfaces.web.visitors import Visitor


def test_first_visitor_makes_the_administrator(tmp_path: Path) -> None:
    hub = make_hub(tmp_path)
    visitor = Visitor(hub)
    assert visitor.get("/").headers["location"] == "/setup"
    assert visitor.get("/login").headers["location"] == "/setup"

    refused = visitor.submit("/setup", name="alice", full_name="Alice", password="seven77")
    assert refused.status_code == 422
    assert "at least 10 characters" in refused.text
    assert 'value="alice"' in refused.text
    assert "seven77" not in refused.text

    done = visitor.submit("/setup", name="alice", full_name="Alice A.", password=PASSWORD)
    assert done.headers["location"] == "/"
    assert 'href="/administration"' in visitor.text("/")
    assert accounts.find(hub, "alice").is_admin

    assert Visitor(hub).get("/setup").headers["location"] == "/login"
    late = Visitor(hub)
    late.get("/join")
    assert late.post("/setup", {"csrf": late.token("/login"), "name": "eve", "password": PASSWORD}).status_code == 303
    assert [account.name for account in accounts.search(hub, "")] == ["alice"]
    hub.storage.close()


def test_sign_in_makes_a_safe_cookie_and_ends_the_session_before(hub: Hub) -> None:
    visitor = Visitor(hub, "alice")
    first = visitor.client.cookies[SESSION_COOKIE]
    assert visitor.get("/login").headers["location"] == "/"

    again = Visitor(hub)
    again.client.cookies.set(SESSION_COOKIE, first)
    token = again.token("/settings/account")
    answer = again.post("/login", {"csrf": token, "name": "alice", "password": PASSWORD})
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie
    assert first not in cookie
    assert accounts.actor_by_session(hub, first) is None


def test_cookie_is_secure_over_https(hub: Hub) -> None:
    visitor = Visitor(hub, address="https://testserver")
    answer = visitor.submit("/login", name="alice", password=PASSWORD)
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(f"__Host-{SESSION_COOKIE}="))
    assert "Secure" in cookie
    assert "Path=/;" in cookie
    assert "Domain" not in cookie


def test_wrong_password_and_unknown_name_look_alike(hub: Hub, stranger: Visitor) -> None:
    wrong = stranger.submit("/login", name="alice", password="not the password")
    unknown = stranger.submit("/login", name="mallory", password="not the password")
    assert wrong.status_code == unknown.status_code == 422
    assert "The name or the password is wrong." in wrong.text
    assert "The name or the password is wrong." in unknown.text
    assert "not the password" not in wrong.text
    assert 'value="alice"' in wrong.text


def test_sign_in_is_rate_limited(tmp_path: Path) -> None:
    hub = make_hub(tmp_path, rate_limit_sign_in=2)
    accounts.create_user(hub, "alice", PASSWORD)
    visitor = Visitor(hub)
    for _ in range(2):
        visitor.submit("/login", name="alice", password="not the password")
    refused = visitor.submit("/login", name="alice", password=PASSWORD)
    assert refused.status_code == 422
    assert "Too many failed sign-ins" in refused.text
    hub.storage.close()


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("/alice/model?tab=1", "/alice/model?tab=1"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/a b", "/"),
        ("/a\nb", "/"),
        ("", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_next_leads_only_to_this_hub(wanted: str, got: str) -> None:
    assert addresses.local(wanted) == got


def test_signing_in_leads_back(hub: Hub, stranger: Visitor) -> None:
    assert stranger.get("/new?kind=dataset").headers["location"] == "/login?next=%2Fnew%3Fkind%3Ddataset"
    assert 'value="/new?kind=dataset"' in stranger.text("/login?next=%2Fnew%3Fkind%3Ddataset")
    assert 'name="next" value="/"' in stranger.text("/login?next=https://evil.example")
    answer = stranger.submit("/login", name="alice", password=PASSWORD, next="/new?kind=dataset")
    assert answer.headers["location"] == "/new?kind=dataset"
    again = stranger.post(
        "/login", {"csrf": stranger.token("/new"), "name": "alice", "password": PASSWORD, "next": "//x.y"}
    )
    assert again.headers["location"] == "/"


def test_signing_out_ends_the_session(hub: Hub, alice: Visitor) -> None:
    secret = alice.client.cookies[SESSION_COOKIE]
    assert alice.submit("/logout", "/").headers["location"] == "/"
    assert accounts.actor_by_session(hub, secret) is None
    assert alice.get("/settings/tokens").headers["location"] == "/login?next=%2Fsettings%2Ftokens"


def test_registration_follows_the_setting(tmp_path: Path) -> None:
    hub = make_hub(tmp_path, registration="invite")
    accounts.create_user(hub, "alice", PASSWORD)
    _invitation, code = accounts.invite(hub, actor(hub, "alice"))
    assert Visitor(hub).get("/join").status_code == 403
    assert Visitor(hub).get("/join?code=guess").status_code == 403

    visitor = Visitor(hub)
    taken = visitor.submit("/join", f"/join?code={code}", code=code, name="alice", password=PASSWORD)
    assert taken.status_code == 422
    assert "is taken" in taken.text
    assert code in taken.text
    done = visitor.submit("/join", f"/join?code={code}", code=code, name="carol", password=PASSWORD)
    assert done.status_code == 303
    assert not accounts.find(hub, "carol").is_admin
    assert Visitor(hub).get(f"/join?code={code}").status_code == 403
    hub.storage.close()


def test_password_change_signs_other_browsers_out(hub: Hub, alice: Visitor) -> None:
    other = Visitor(hub, "alice")
    form = {"current": "not the password", "password": "another long password"}
    assert "not your present password" in alice.submit("/settings/password", "/settings/account", **form).text
    form["current"] = PASSWORD
    assert alice.submit("/settings/password", "/settings/account", **form).status_code == 303
    assert "All other browsers are signed out" in alice.text("/settings/account?done=password")
    assert other.get("/settings/account").status_code == 303


def test_sessions_are_listed_and_ended(hub: Hub, alice: Visitor) -> None:
    other = Visitor(hub, "alice")
    page = alice.text("/settings/account")
    assert page.count("this browser") == 1
    known = accounts.actor_by_session(hub, other.client.cookies[SESSION_COOKIE])
    assert known
    assert alice.submit(f"/settings/sessions/{known[1].id}/end", "/settings/account").status_code == 303
    assert other.get("/settings/account").status_code == 303
    assert alice.get("/settings/account").status_code == 200


def test_nobody_ends_the_session_of_another(hub: Hub, alice: Visitor, bob: Visitor) -> None:
    known = accounts.actor_by_session(hub, alice.client.cookies[SESSION_COOKIE])
    assert known
    bob.submit(f"/settings/sessions/{known[1].id}/end", "/settings/account")
    assert alice.get("/settings/account").status_code == 200


def test_colours_are_remembered_without_flash(alice: Visitor) -> None:
    assert "data-theme" not in alice.text("/")
    answer = alice.post("/settings/appearance", {"theme": "dark", "next": "/models"})
    assert answer.headers["location"] == "/models"
    assert '<html lang="en" dir="ltr" data-theme="dark">' in alice.text("/")
    alice.post("/settings/appearance", {"theme": "", "next": "/"})
    assert "data-theme" not in alice.text("/")
