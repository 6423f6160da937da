"""What people come for, from the first start to signing out, with and without the script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.tree import AddInline
from openshelf.services import push, repos
from tests.browser.watched import Watched
from tests.hubs import PASSWORD, actor
from tests.served import Served, serve

pytestmark = pytest.mark.browser

CARD = b"---\nlicense: mit\n---\n# Kente\n\nSee [the code](run.py).\n\n![plot](plot.png)\n"
PLOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)  # one pixel


def test_from_an_empty_hub_to_a_first_repository(tmp_path: Path, open_page: type[Watched]) -> None:
    with serve(tmp_path) as served:
        page = open_page(served.url).page
        page.goto("/")
        expect(page.get_by_role("heading", name="Welcome to your new hub")).to_be_visible()
        expect(page.get_by_label("User name")).to_be_focused()
        page.keyboard.type("alice")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="An empty shelf")).to_be_visible()
        expect(page.get_by_text(f"export HF_ENDPOINT={served.url}").first).to_be_visible()
        page.get_by_role("link", name="New", exact=True).click()
        page.get_by_label("Name").fill("first")
        expect(page.get_by_text("This name is free.")).to_be_visible()
        page.get_by_label("Begin with a card").uncheck()
        page.get_by_role("button", name="Make the repository").click()
        page.wait_for_url("**/alice/first")
        expect(page.get_by_text("This repository has no card yet.")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "no-script"])
def test_make_fill_look_and_leave(served: Served, open_page: type[Watched], scripts: bool) -> None:
    watched = open_page(served.url, name="alice", scripts=scripts)
    page, name = watched.page, f"kente-{'with' if scripts else 'without'}"

    page.goto("/new")
    page.get_by_label("A dataset").check()
    page.get_by_label("Name").fill("not allowed")
    page.get_by_role("button", name="Make the repository").click()
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("cannot name a repository")
    if scripts:
        expect(summary).to_be_focused()
    expect(page.get_by_label("A dataset")).to_be_checked()
    expect(page.get_by_label("Name")).to_have_value("not allowed")
    summary.get_by_role("link").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("A model").check()
    page.get_by_role("button", name="Make the repository").click()
    page.wait_for_url(f"**/alice/{name}")

    hub = served.hub
    alice = actor(hub, "alice")
    repo = repos.find(hub, alice, RepoKind.MODEL, RepoId("alice", name))
    changes = [AddInline("README.md", CARD), AddInline("run.py", b"import os\n" * 90), AddInline("plot.png", PLOT)]
    push.commit(hub, alice, repo, "main", changes, "Add the card")

    page.reload()
    expect(page.get_by_role("heading", name="Kente", exact=True)).to_be_visible()
    picture = page.get_by_role("img", name="plot")
    picture.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    if scripts:
        assert picture.evaluate("image => image.naturalWidth") == 1
    page.get_by_role("link", name="the code").click()
    expect(page.locator("#L90")).to_contain_text("import os")
    page.locator("#L42 a").click()
    assert page.url.endswith("/blob/main/run.py#L42")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "run.py"
    assert Path(download.value.path()).read_bytes() == b"import os\n" * 90

    page.get_by_role("link", name="Versions").click()
    expect(page.get_by_text("Add the card")).to_be_visible()
    page.get_by_label("Branch or tag").select_option("main")
    page.get_by_role("button", name="Go").click()
    page.wait_for_url(f"**/alice/{name}/commits/main")

    page.get_by_label("Search this hub").fill("kente")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=f"alice/{name}").click()
    page.wait_for_url(f"**/alice/{name}")

    page.goto("/settings/tokens")
    page.get_by_label("Name").fill(f"laptop {scripts}")
    page.get_by_role("button", name="Make the token").click()
    secret = page.get_by_role("status").locator("code").first.inner_text()
    assert re.fullmatch(r"osh_[\w-]+", secret)
    if scripts:
        page.get_by_role("status").locator("pre").first.hover()
        page.get_by_role("status").get_by_role("button", name="Copy").first.click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert watched.ask("navigator.clipboard.readText()") == secret
    else:
        expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.get_by_role("button", name=f"Revoke laptop {scripts}").click()
    expect(page.get_by_role("status")).to_contain_text("The token is revoked")

    page.locator("details.menu > summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(served.url + "/")
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
    page.goto("/settings/tokens")
    assert page.url.endswith("/login?next=%2Fsettings%2Ftokens")


def test_a_repository_is_renamed_and_deleted(served: Served, open_page: type[Watched]) -> None:
    repos.create(served.hub, actor(served.hub, "alice"), RepoKind.MODEL, "passing")
    page = open_page(served.url, name="alice").page
    page.goto("/alice/passing/settings")
    page.get_by_label("Name").fill("past")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("status")).to_contain_text("The repository has its new name.")
    page.get_by_label("Type alice/past to delete it").fill("past")
    page.get_by_role("button", name="Delete this repository").click()
    expect(page.get_by_role("alert")).to_contain_text("Type the whole name")
    page.get_by_label("Type alice/past to delete it").fill("alice/past")
    page.get_by_role("button", name="Delete this repository").click()
    page.wait_for_url("**/alice")
    expect(page.get_by_role("link", name="alice/past")).to_have_count(0)
