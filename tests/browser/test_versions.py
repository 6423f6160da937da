"""Commits, comparisons, branches and folders in a real browser."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import expect

from openshelf.domain.names import RepoKind
from openshelf.domain.tree import AddInline
from openshelf.services import push, refs, repos
from tests.browser.watched import Watched
from tests.hubs import actor
from tests.served import Served

pytestmark = pytest.mark.browser

PLACE = "/alice/versions"
LONG = "branch-" + "x" * 180
HOSTILE = "if a: # \u202e } \u2066if b\u2069\n\x1b[31m\nعنوان طويل\n".encode() + b"\xff\n" + b"long" * 2000
PAGES = [
    f"{PLACE}/commits/main", f"{PLACE}/commits/main/run.py", f"{PLACE}/commits/main/none", f"{PLACE}/commit/main",
    f"{PLACE}/commit/main?view=split", f"{PLACE}/compare", f"{PLACE}/compare/main...{LONG}",
    f"{PLACE}/branches", f"{PLACE}/branches/delete?ref=refs%2Fheads%2F{LONG}",
    f"{PLACE}/tree/main", f"{PLACE}/tree/main/docs",
]  # fmt: skip


@pytest.fixture(scope="module")
def furnished(served: Served) -> Served:
    hub, alice = served.hub, actor(served.hub, "alice")
    repo = repos.create(hub, alice, RepoKind.MODEL, "versions")
    first = [
        AddInline("run.py", b"lr = 0.1\n" * 9),
        AddInline("docs/README.md", b"# Notes\n"),
        AddInline("p.png", b"\0"),
    ]
    push.commit(hub, alice, repo, "main", first, "Begin")
    refs.create_branch(hub, alice, repo, LONG)
    push.commit(hub, alice, repo, LONG, [AddInline("side.py", b"x = 1\n")], "On the side " * 12)
    second = [AddInline("run.py", b"lr = 0.1\n" * 8 + b"lr = 0.2\n"), AddInline("evil\u202e.py", HOSTILE)]
    push.commit(hub, alice, repo, "main", [*second, AddInline("p.png", b"\0\1")], "Change \u202e things", "Why.\n\nSo.")
    return served


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_barriers_and_nothing_cut(
    furnished: Served, open_page: type[Watched], axe: str, colours: Literal["light", "dark"]
) -> None:
    width = 320 if colours == "dark" else 1280
    watched, found = open_page(furnished.url, name="alice", width=width, colours=colours), []
    for path in PAGES:
        watched.go(path)
        watched.ask(
            "document.querySelectorAll('details').forEach(folded => { folded.open = !folded.matches('.menu') })"
        )
        wide = watched.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        watched.ask(axe)
        result = watched.ask("axe.run(document, { resultTypes: ['violations'] })")
        found += [(path, v["id"], [n["target"] for n in v["nodes"]][:3]) for v in result["violations"]]
        found += [(path, "overflow", wide)] if wide > 0 else []
    assert found == []


def test_rows_of_a_folder_by_key(furnished: Served, open_page: type[Watched]) -> None:
    page = open_page(furnished.url).page
    page.goto(f"{PLACE}/tree/main")
    first = page.get_by_role("link", name="docs", exact=True)
    first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name=".gitattributes", exact=True)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(first).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("link", name="run.py", exact=True)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{PLACE}/tree/main/docs")
    expect(page.get_by_role("heading", name="Notes")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_branch_is_made_compared_and_deleted(furnished: Served, open_page: type[Watched], scripts: bool) -> None:
    page = open_page(furnished.url, name="alice", scripts=scripts).page
    name = f"try-{scripts}"
    page.goto(f"{PLACE}/commits/main")
    page.get_by_role("link", name="Branches and tags").click()
    page.get_by_text("New branch").click()
    page.get_by_label("Name").first.fill(name)
    page.get_by_label("From", exact=True).fill(LONG)
    page.get_by_role("button", name="Make the branch").click()
    expect(page.get_by_text("The branch is made.")).to_be_visible()
    page.get_by_role("link", name="1 ahead of main").last.click()
    expect(page.get_by_role("heading", name="side.py")).to_be_visible()
    page.get_by_role("link", name="Branches and tags").click()
    page.get_by_role("link", name=f"Delete {name}").click()
    expect(page.get_by_text("nothing else is lost")).to_be_visible()
    page.get_by_role("button", name="Delete the branch").click()
    expect(page.get_by_text("It is deleted.")).to_be_visible()
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)


def test_a_line_can_be_linked_to_without_scripts(furnished: Served, open_page: type[Watched]) -> None:
    page = open_page(furnished.url, scripts=False).page
    page.goto(f"{PLACE}/commit/main")
    page.locator("#f3R9").click()
    assert page.url.endswith("#f3R9")
    expect(page.get_by_text("U+202E").first).to_be_visible()
