"""Every page: no barrier, nothing cut on a small screen, usable by keyboard, in both sets of colours."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.sync_api import expect
from starlette.routing import Match, Route

from openshelf.domain.names import RepoKind
from openshelf.domain.people import Role
from openshelf.domain.tree import AddInline
from openshelf.interfaces.web.routes import routes
from openshelf.services import accounts, push, refs, repos
from tests.browser.watched import Watched
from tests.hubs import actor
from tests.served import Served

pytestmark = pytest.mark.browser

LONG = "a" * 44 + "-" + "b" * 44
CARD = (
    "---\nlicense: mit\ntags: [calm]\nlibrary_name: transformers\n---\n# A card\n\n"
    "> [!WARNING]\n> Read this.\n\n| a | b |\n|---|---|\n" + "| " + "wide " * 60 + "| x |\n\n"
    "```python\nprint('"
    + "long " * 60
    + "')  # a comment\n```\n\n- [x] done\n\nعنوان طويل\n\nhttps://example.org/"
    + "long" * 50
    + "\n"
)
PAGES = [
    "/", "/models", "/models?q=nothing", "/models?license=mit&library=transformers", "/models?all=license",
    "/models?license=none&q=calm", "/search?q=alice", "/alice", "/shelf", f"/alice/{LONG}",
    f"/alice/{LONG}/tree/main", f"/alice/{LONG}/blob/main/run.py", f"/alice/{LONG}/blob/main/data.bin",
    f"/alice/{LONG}/commits/main", f"/alice/{LONG}/commit/main", f"/alice/{LONG}/settings", "/alice/bare",
    f"/alice/{LONG}/upload/main", f"/alice/{LONG}/new/main", "/alice/bare/new/main?template=card",
    f"/alice/{LONG}/edit/main/README.md", f"/alice/{LONG}/edit/main/data.bin", f"/alice/{LONG}/delete/main/folder",
    f"/alice/{LONG}/tree/main/folder", f"/alice/{LONG}/upload/main/folder", f"/alice/{LONG}/new/main/folder",
    f"/alice/{LONG}/commits/main/run.py", f"/alice/{LONG}/branches",
    f"/alice/{LONG}/branches/delete?ref=refs%2Fheads%2Fwork", f"/alice/{LONG}/compare",
    f"/alice/{LONG}/compare/work..main", f"/alice/{LONG}/discussions/1",
    "/new", "/settings/account", "/settings/tokens", "/organizations/new", "/organizations/shelf/members",
    "/administration", "/administration/users", "/administration/organizations", "/administration/storage",
    "/administration/jobs", "/administration/health", "/administration/quotas/alice", "/docs/api",
    "/docs/design", "/logout",
]  # fmt: skip
RULES = {"light": "{ resultTypes: ['violations'] }", "dark": "{ runOnly: ['color-contrast'] }"}
NOT_PAGES = {
    "/static/{name}": "assets",
    "/new/name": "answers a script",
    "/settings": "leads on",
    "/{owner:owner}/{name:segment}/revision": "leads on",
    "/setup": "leads on as soon as somebody is there; test_journeys goes through it",
    "/settings/password": "answers a form",
    "/organizations/{organisation:segment}/profile": "answers a form",
    "/{owner:owner}/{name:segment}/branches/new": "answers a form",
    "/{owner:owner}/{name:segment}/branches/new-tag": "answers a form",
}
WITHOUT_ACCOUNT = ["/", "/login", "/join", f"/alice/{LONG}", "/alice/bare"]


@pytest.fixture(scope="module")
def furnished(served: Served) -> Served:
    hub = served.hub
    alice = actor(hub, "alice")
    organisation = accounts.create_organisation(hub, "shelf", accounts.find(hub, "alice"), full_name="The Shelf " * 9)
    accounts.set_member(hub, organisation, accounts.find(hub, "alice"), Role.ADMIN)
    repos.create(hub, alice, RepoKind.MODEL, "bare")
    repo = repos.create(hub, alice, RepoKind.MODEL, LONG)
    changes = [AddInline("README.md", CARD.encode()), AddInline("run.py", b"x = '" + b"y" * 400 + b"'\n")]
    changes += [AddInline("data.bin", b"\0\1"), AddInline("n" * 200 + ".txt", b"x"), AddInline("folder/a.txt", b"x")]
    push.commit(hub, alice, repo, "main", changes, "A very long title " * 20, "And why. " * 50)
    refs.create_branch(hub, alice, repo, "work")
    push.open_pull(hub, alice, repo, "a title")
    return served


def test_every_page_is_looked_at() -> None:
    seen = {route.path for path in (*PAGES, *WITHOUT_ACCOUNT) if (route := _route_of(path))}
    of_models = [route for route in routes if isinstance(route, Route) and "{kind" not in route.path]
    shown = {route.path for route in of_models if "GET" in (route.methods or ())}
    left_out = {path for path in shown - seen if not re.search(r"/settings/(visibility|name|owner|delete)$", path)}
    assert left_out - NOT_PAGES.keys() == set()


def _route_of(path: str) -> Route | None:
    scope = {"type": "http", "method": "GET", "path": path.partition("?")[0], "root_path": ""}
    return next((one for one in routes if isinstance(one, Route) and one.matches(scope)[0] is Match.FULL), None)


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_cut(furnished: Served, open_page: type[Watched], width: int) -> None:
    signed_in, stranger = open_page(furnished.url, name="alice", width=width), open_page(furnished.url, width=width)
    overflowing = []
    for watched, paths in ((signed_in, PAGES), (stranger, WITHOUT_ACCOUNT)):
        for path in paths:
            watched.go(path)
            wide = watched.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                overflowing.append((path, wide))
    assert overflowing == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_barriers(furnished: Served, open_page: type[Watched], axe: str, colours: Literal["light", "dark"]) -> None:
    wide = open_page(furnished.url, name="alice", colours=colours)
    narrow = open_page(furnished.url, width=390, colours=colours)
    found = []
    for watched, paths in ((wide, PAGES), (narrow, WITHOUT_ACCOUNT)):
        for path in paths:
            watched.go(path)
            watched.ask("document.querySelectorAll('details').forEach(folded => { folded.open = true })")
            watched.ask(axe)
            result = watched.ask(f"axe.run(document, {RULES[colours]})")
            found += [(path, v["id"], [n["target"] for n in v["nodes"]][:3]) for v in result["violations"]]
    assert found == []


def test_small_targets_are_large_enough(furnished: Served, open_page: type[Watched]) -> None:
    watched = open_page(furnished.url, name="alice", width=390)
    small = []
    for path in ("/", f"/alice/{LONG}", f"/alice/{LONG}/tree/main", "/settings/tokens"):
        watched.go(path)
        small += watched.ask(
            "[...document.querySelectorAll('button, select, input, summary')].filter(e => e.checkVisibility())"
            ".map(e => [e.outerHTML.slice(0, 60), e.getBoundingClientRect()])"
            ".filter(([_, box]) => box.width > 2 && box.height < 24 && !box.top < 0).map(([html]) => html)"
            ".filter(html => !html.includes('radio') && !html.includes('checkbox'))"
        )
    assert small == []


def test_keyboard_alone(furnished: Served, open_page: type[Watched]) -> None:
    watched = open_page(furnished.url, name="alice")
    page = watched.page
    page.goto("/models")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Words in name, tags or card")).to_be_focused()

    page.goto("/models")
    order = []
    for _ in range(9):
        page.keyboard.press("Tab")
        order.append(watched.ask("(document.activeElement.textContent.trim() || document.activeElement.name)"))
    assert [text.split("\n")[0] for text in order] == [
        "Skip to the content", "Openshelf", "q", "Models", "Datasets", "Spaces", "Kernels", "New", "alice Menu"
    ]  # fmt: skip

    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Your repositories")).to_be_focused()
    page.keyboard.press("Escape")
    assert watched.ask("document.activeElement.matches('details.menu > summary')")
    expect(page.get_by_role("link", name="Your repositories")).to_be_hidden()

    page.keyboard.press("/")
    expect(page.get_by_label("Search this hub")).to_be_focused()
    page.keyboard.type("a/b")
    expect(page.get_by_label("Search this hub")).to_have_value("a/b")


def test_the_focus_can_be_seen(furnished: Served, open_page: type[Watched]) -> None:
    watched = open_page(furnished.url, name="alice")
    watched.go("/settings/tokens")
    for _ in range(25):
        watched.page.keyboard.press("Tab")
        if watched.ask("document.activeElement === document.body"):
            break
        style = watched.ask("(s => [s.outlineStyle, s.outlineWidth])(getComputedStyle(document.activeElement))")
        assert style in (["solid", "2px"], ["auto", "1px"]), watched.ask("document.activeElement.outerHTML")


def test_colours_follow_the_system_and_the_switch(furnished: Served, open_page: type[Watched]) -> None:
    def lightness(watched: Watched) -> float:
        # The colour as the browser paints it, whatever notation the stylesheet uses.
        return float(
            watched.ask(
                "(() => { const c = document.createElement('canvas').getContext('2d');"
                " c.fillStyle = getComputedStyle(document.documentElement).backgroundColor; c.fillRect(0, 0, 1, 1);"
                " return c.getImageData(0, 0, 1, 1).data[1] })()"
            )
        )

    light, dark = open_page(furnished.url), open_page(furnished.url, colours="dark")
    light.go("/models")
    dark.go("/models")
    assert lightness(light) > 230
    assert lightness(dark) < 40

    with dark.page.expect_response("**/settings/appearance"):
        dark.page.get_by_role("button", name="Light").click()
    assert dark.page.url.endswith("/models")
    assert lightness(dark) > 230
    dark.page.reload()
    assert lightness(dark) > 230
    expect(dark.page.get_by_role("button", name="Light")).to_have_attribute("aria-pressed", "true")


def test_colours_change_without_script(furnished: Served, open_page: type[Watched]) -> None:
    page = open_page(furnished.url, scripts=False).page
    page.goto("/models?q=calm")
    page.get_by_role("button", name="Dark").click()
    page.wait_for_url("**/models?q=calm")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_missing_page_offers_search(furnished: Served, open_page: type[Watched]) -> None:
    watched = open_page(furnished.url)
    watched.go("/alice/bar")
    watched.complaints = [text for text in watched.complaints if "404" not in text]
    expect(watched.page.get_by_role("heading", name="There is nothing here that you can see")).to_be_visible()
    watched.page.get_by_role("button", name="Search for it").click()
    expect(watched.page.get_by_role("link", name="alice/bare")).to_be_visible()
