"""Tokens, organisations and the administrator's page."""

from __future__ import annotations

import re
from pathlib import Path

from openshelf.domain.people import Role, TokenRole
from openshelf.domain.repos import Visibility
from openshelf.services import accounts, tokens
from openshelf.services.hub import Hub
from tests.hubs import PASSWORD, client_of, make_hub
from tests.interfaces.web.visitors import Visitor, make_repo

SECRET = re.compile(r"osh_[\w-]{20,}")


def test_a_token_is_shown_once_and_works(hub: Hub, alice: Visitor) -> None:
    answer = alice.submit("/settings/tokens", name="laptop", role="write", days="30")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = SECRET.search(answer.text)
    assert found
    assert client_of(hub, found[0]).get("/api/whoami-v2").json()["name"] == "alice"
    page = alice.text("/settings/tokens")
    assert not SECRET.search(page)
    assert "laptop" in page
    assert "expires" in page
    token = next(token for token in tokens.of(hub, accounts.find(hub, "alice")) if token.name == "laptop")
    assert token.hint in page
    done = alice.submit(f"/settings/tokens/{token.id}/revoke", "/settings/tokens")
    assert done.headers["location"] == "/settings/tokens?done=revoked"
    assert client_of(hub, found[0]).get("/api/whoami-v2").status_code == 401


def test_token_errors_stand_beside_their_fields(hub: Hub, alice: Visitor) -> None:
    answer = alice.submit("/settings/tokens", name="", role="write", days="30")
    assert answer.status_code == 422
    assert 'href="#field-name"' in answer.text
    answer = alice.submit("/settings/tokens", name="tests", role="read", days="30")
    assert "already" in answer.text
    assert 'value="tests"' in answer.text
    assert 'value="30" selected' in answer.text
    answer = alice.submit("/settings/tokens", name="x", role="fine-grained", days="30")
    assert "at least one owner or repository" in answer.text
    assert 'class="fold" open' in answer.text


def test_a_fine_grained_token_reaches_what_was_chosen(hub: Hub, alice: Visitor) -> None:
    one = make_repo(hub, "alice", "one", visibility=Visibility.PRIVATE)
    make_repo(hub, "alice", "two", visibility=Visibility.PRIVATE)
    fields = {"name": "narrow", "role": "fine-grained", "days": "", "repo-1": "alice/one", "repo-role-1": "write"}
    wrong = alice.submit("/settings/tokens", **{**fields, "repo-2": "alice/three"})
    assert 'href="#field-repo-2"' in wrong.text
    assert 'value="alice/three"' in wrong.text
    found = SECRET.search(alice.submit("/settings/tokens", **fields).text)
    assert found
    account, token, _memberships = tokens.recognise(hub, found[0])
    assert token.role is TokenRole.FINE_GRAINED
    assert [(grant.resource, grant.role) for grant in token.grants] == [(one.id, Role.WRITE)]
    narrow = client_of(hub, found[0])
    assert narrow.get("/api/models/alice/one").status_code == 200
    assert narrow.get("/api/models/alice/two").status_code == 404
    whole = {"name": "wide", "role": "fine-grained", "days": "", f"owner-{account.id}": "read"}
    found = SECRET.search(alice.submit("/settings/tokens", **whole).text)
    assert found
    assert client_of(hub, found[0]).get("/api/models/alice/two").status_code == 200


def test_nobody_revokes_the_token_of_another(hub: Hub, alice: Visitor, bob: Visitor) -> None:
    token = tokens.of(hub, accounts.find(hub, "alice"))[0]
    assert bob.submit(f"/settings/tokens/{token.id}/revoke", "/settings/tokens").status_code == 404
    assert tokens.of(hub, accounts.find(hub, "alice"))


def test_organisations_are_made_and_run(hub: Hub, bob: Visitor) -> None:
    wrong = bob.submit("/organizations/new", name="alice", full_name="Taken", visibility="private")
    assert "is taken" in wrong.text
    assert 'value="Taken"' in wrong.text
    done = bob.submit("/organizations/new", name="shelf", full_name="", visibility="private")
    place = "/organizations/shelf/members"
    assert done.headers["location"] == place
    organisation = accounts.find(hub, "shelf")
    assert organisation.default_visibility is Visibility.PRIVATE

    assert "no user or organisation called carol" in bob.submit(place, name="carol", role="read").text
    assert bob.submit(place, name="alice", role="read").status_code == 303
    assert [(m.user, m.role) for m in accounts.members(hub, organisation)] == [
        ("alice", Role.READ),
        ("bob", Role.ADMIN),
    ]
    assert bob.submit(f"{place}/alice", place, role="write", action="change").status_code == 303
    assert accounts.members(hub, organisation)[0].role is Role.WRITE
    last = bob.submit(f"{place}/bob", place, role="admin", action="remove")
    assert last.status_code == 409
    assert "last admin" in last.text
    assert bob.submit(f"{place}/alice", place, role="write", action="remove").status_code == 303
    assert len(accounts.members(hub, organisation)) == 1


def test_members_are_changed_by_admins_alone(hub: Hub, bob: Visitor, stranger: Visitor) -> None:
    organisation = accounts.create_organisation(hub, "shelf", accounts.find(hub, "alice"))
    accounts.set_member(hub, organisation, accounts.find(hub, "bob"), Role.WRITE)
    place = "/organizations/shelf/members"
    assert stranger.get(place).status_code == 303
    assert bob.get(place).status_code == 403
    forged = {"csrf": bob.token("/new"), "role": "admin", "action": "change"}
    assert bob.post(f"{place}/bob", forged).status_code == 403
    assert bob.post(f"{place}/alice", {**forged, "action": "remove"}).status_code == 403
    leaving = bob.post(f"{place}/bob", {"csrf": bob.token("/new"), "action": "remove"})
    assert leaving.headers["location"] == "/shelf"
    assert [member.user for member in accounts.members(hub, organisation)] == ["alice"]


def test_invitations_are_shown_once(tmp_path: Path) -> None:
    hub = make_hub(tmp_path, registration="invite")
    accounts.create_user(hub, "alice", PASSWORD)
    alice = Visitor(hub, "alice")
    answer = alice.submit("/administration/invitations", "/administration/users")
    assert answer.headers["cache-control"] == "no-store"
    link = re.search(r"http://testserver(/join\?code=[\w-]+)", answer.text)
    assert link
    assert Visitor(hub).get(link[1]).status_code == 200
    assert "/join?code" not in alice.text("/administration/users")
    hub.storage.close()
