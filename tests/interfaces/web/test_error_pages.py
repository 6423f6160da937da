"""Each error as a page: its status, what happened, what to do next, and a way on; also when templates fail."""

from __future__ import annotations

import re
from html import unescape

import pytest

from openshelf import errors
from openshelf.errors import OpenshelfError
from openshelf.interfaces.web import templating
from openshelf.services.hub import Hub
from tests.hubs import make_hub
from tests.interfaces.web.visitors import Visitor, make_repo

SAID = [
    (errors.RepoNotFound("a/b"), 404, "There is nothing here that you can see", "Search for it"),
    (errors.NotFound("x"), 404, "There is nothing at this address", "Search for it"),
    (errors.PageNotFound(7), 404, "The list is shorter than that", "To its first page"),
    (errors.RevisionNotFound("v9"), 404, "There is no such version", "v9"),
    (errors.EntryNotFound("x"), 404, "There is no such file", "moved or deleted"),
    (errors.BadCredentials("The session has ended."), 401, "The hub does not know you", "Sign in again"),
    (errors.Forbidden("Only admins."), 403, "You may not do this", "ask whoever owns it"),
    (errors.Conflict("The name is taken."), 409, "This is not possible as things are", "Nothing was done"),
    (errors.StaleParent(), 412, "Somebody was faster", "keep a copy of what you wrote"),
    (errors.Invalid("No number."), 400, "The hub does not understand this request", "Go back"),
    (errors.InvalidRange(5), 416, "The hub does not understand this request", "has 5 bytes"),
    (errors.TooLarge("7 GB; at most 5."), 413, "This is more than the hub takes", "Send less at once"),
    (errors.QuotaExceeded("5 GB used."), 413, "The quota is used up", "Make room"),
    (errors.RateLimited("Too many.", 7), 429, "Too many requests", "Wait 7 seconds"),
    (errors.ReadOnlyHub("Until noon"), 503, "read-only for maintenance", "Until noon"),
    (errors.Unavailable("Starting."), 503, "Not now", "Try again in half a minute"),
    (errors.DiskFull(), 507, "The disk of this hub is full", "when there is room"),
    (errors.DamagedBytes("blob", "flipped"), 500, "This file is damaged", "uploading it again"),
    (errors.StorageFault("/secret/path"), 500, "Something went wrong in the hub", "Try again later"),
    (errors.Unsupported("Not here."), 501, "This hub does not offer that", "Not here."),
]


@pytest.mark.parametrize(("error", "status", "heading", "next_step"), SAID, ids=lambda part: str(part)[:24])
def test_each_error_says_what_happened_and_what_to_do(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, error: OpenshelfError, status: int, heading: str, next_step: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("openshelf.services.repos.search_repos", fail)
    for visitor in (Visitor(hub), Visitor(hub, "alice")):
        answer = visitor.get("/models")
        main = answer.text[answer.text.index("<main") : answer.text.index("</main")]
        words = " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())
        assert answer.status_code == status
        assert f">{status}</p>" in main
        assert heading in words
        assert next_step in words
        assert "To the first page" in words
        assert "/secret/path" not in answer.text
        if status >= 500:
            assert answer.headers["x-request-id"] in words
        if status in (429, 503, 507):
            assert int(answer.headers["retry-after"]) > 0


def test_every_class_of_error_is_said_something_of() -> None:
    def below(kind: type[OpenshelfError]) -> set[type[OpenshelfError]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    said = {type(error) for error, *_ in SAID}
    top = set(OpenshelfError.__subclasses__()) - {errors.AccessDenied, errors.LimitExceeded, errors.ConfigurationError}
    assert {kind for kind in top if not below(kind) & said} == set()


def test_a_method_that_a_page_does_not_know(alice: Visitor) -> None:
    answer = alice.client.request("PUT", "/models")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert ">405</p>" in answer.text
    assert "(PUT)" in answer.text
    assert 'href="/models">Open the page instead' in answer.text
    program = alice.client.request("PUT", "/models", headers={"accept": "application/json"})
    assert program.status_code == 405
    assert "error" in program.json()


def test_a_form_that_is_too_large(alice: Visitor) -> None:
    answer = alice.post("/settings/tokens", {"name": "x" * 400_000})
    assert answer.status_code == 413
    assert "This is more than the hub takes" in answer.text


def test_pages_of_lists_that_are_not_there(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "model", {"README.md": b"# x"})
    places = ["/models", "/alice", "/search", "/alice/model/tree/main", "/alice/model/commits/main"]
    places += [f"/administration/{name}" for name in ("users", "jobs", "storage", "organizations")]
    for place in places:
        answer = alice.get(f"{place}?p=9")
        assert answer.status_code == 404, place
        assert "before page 10" in answer.text
        assert f'href="{place}">To its first page' in answer.text
        for odd in ("abc", "-1", "9" * 40, "%00", "1e3"):
            assert alice.get(f"{place}?p={odd}").status_code == 200, (place, odd)


def test_ways_on_inside_a_repo(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "model", {"README.md": b"# x"})
    assert 'href="/alice/model/branches"' in alice.get("/alice/model/tree/gone").text
    assert 'href="/alice/model/commits/main"' in alice.get("/alice/model/blob/main/gone.txt").text


@pytest.mark.parametrize("broken", ["list.html", "layout.html", "error.html"])
def test_a_template_that_fails_still_gives_a_page(hub: Hub, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    visitor = Visitor(hub)
    visitor.client = type(visitor.client)(
        visitor.client.app, raise_server_exceptions=False, headers={"accept": "text/html"}
    )
    whole = templating.render

    def render(language: object, template: str, values: object) -> str:
        if broken in (template, "layout.html") or (broken == "error.html" and template == "list.html"):
            raise RuntimeError("secret detail")
        return whole(language, template, values)  # type: ignore[arg-type]

    monkeypatch.setattr("openshelf.interfaces.web.templating.render", render)
    answer = visitor.get("/models")
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    assert "Something went wrong in the hub" in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "secret detail" not in answer.text
    assert 'href="/"' in answer.text
    assert ("<footer" in answer.text) == (broken == "list.html")


def test_too_many_requests_offer_a_way(tmp_path_factory: pytest.TempPathFactory) -> None:
    hub = make_hub(tmp_path_factory.mktemp("hurried"), rate_limit_anonymous=1)
    visitor = Visitor(hub)
    visitor.get("/models")
    answer = visitor.get("/models")
    assert answer.status_code == 429
    assert re.search(r"Wait \d+ seconds?", answer.text)
    hub.storage.close()
