"""What people and organisations say about themselves; and the first page."""

from __future__ import annotations

import pytest

from openshelf.domain.repos import Visibility
from openshelf.services import accounts
from openshelf.services.hub import Hub
from tests.interfaces.web.visitors import Visitor, make_repo


def test_words_about_oneself(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    said = {
        "full_name": "Alice A.",
        "bio": "I train <b>small</b> models.\nIn Lagos.",
        "website": "https://a.example/x?y=1",
    }
    assert alice.submit("/settings/account", **said).status_code == 303
    page = stranger.text("/alice")
    assert "I train &lt;b&gt;small&lt;/b&gt; models.\nIn Lagos." in page
    assert '<a href="https://a.example/x?y=1" rel="nofollow ugc noopener noreferrer"><bdi>a.example/x?y=1</bdi>' in page
    assert "I train" in alice.text("/settings/account")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("website", "javascript:alert(1)"),
        ("website", "https://a@b.example"),
        ("website", 'https://a.example/"onclick='),
        ("website", "https://a.example/" + "x" * 300),
        ("website", "a.example"),
        ("bio", "x" * 501),
        ("bio", "x\n" * 20),
        ("full_name", "x" * 101),
    ],
)
def test_what_does_not_fit_is_refused_and_kept_in_the_form(hub: Hub, alice: Visitor, field: str, value: str) -> None:
    answer = alice.submit("/settings/account", **{field: value})
    assert answer.status_code == 422
    assert f'id="error-{field}"' in answer.text
    found = accounts.find(hub, "alice")
    assert (found.bio, found.website, found.full_name) == ("", "", "alice")


def test_admins_alone_speak_for_an_organisation(hub: Hub, alice: Visitor, bob: Visitor, stranger: Visitor) -> None:
    accounts.create_organisation(hub, "lab", accounts.find(hub, "alice"))
    said = {"full_name": "The Lab", "bio": "Soil and water.", "website": ""}
    answer = alice.submit("/organizations/lab/profile", "/organizations/lab/members", **said)
    assert answer.headers["location"] == "/organizations/lab/members?done=profile"
    assert "Soil and water." in stranger.text("/lab")
    assert bob.submit("/organizations/lab/profile", "/settings/account", bio="Ours now.").status_code == 403
    bad = alice.submit("/organizations/lab/profile", "/organizations/lab/members", website="ftp://x")
    assert bad.status_code == 422
    assert accounts.find(hub, "lab").bio == "Soil and water."


def test_home_shows_each_kind_with_numbers_for_who_looks(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    assert "An empty shelf" in stranger.text("/")
    make_repo(hub, "bob", "open", {"README.md": b"# x"})
    make_repo(hub, "bob", "hidden", visibility=Visibility.PRIVATE)
    accounts.create_organisation(hub, "lab", accounts.find(hub, "alice"))
    page = stranger.text("/")
    assert '<a href="/models"><b>1</b> model</a>' in page
    assert "hidden" not in page.replace("hidden>", "").replace('type="hidden"', "").replace("aria-hidden", "")
    assert 'href="/lab"' in alice.text("/")
    assert '<a href="/models"><b>2</b> models</a>' in alice.text("/")  # she is the administrator
