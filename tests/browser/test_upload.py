"""Files sent from a real browser: dropped, interrupted, gone on with, refused; with and without the script."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FileChooser, FilePayload, Page, Route, TimeoutError, expect

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.tree import AddInline
from openshelf.services import accounts, fetch, push, repos
from openshelf.services.hub import Hub
from tests.browser.restarting import Restarting, restarting
from tests.browser.watched import Watched
from tests.hubs import PASSWORD, actor
from tests.served import Served

pytestmark = pytest.mark.browser

MB = 1_000_000
PART = 16 * 1024 * 1024
SIZE = int(os.environ.get("OPENSHELF_TEST_UPLOAD_MB", "80")) * MB
DROP = """async ([files, folder]) => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) transfer.items.add(new File([text], name));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""


def new_repo(hub: Hub, name: str) -> None:
    repos.create(hub, actor(hub, "alice"), RepoKind.MODEL, name)


def sha256_in(hub: Hub, name: str, path: str) -> str:
    repo = repos.find(hub, actor(hub, "alice"), RepoKind.MODEL, RepoId("alice", name))
    git, _, entry = fetch.file(hub, repo, "main", path)
    digest, content = hashlib.sha256(), fetch.content(hub, repo, git, entry)
    for piece in content.read(0, content.size):
        digest.update(piece)
    return digest.hexdigest()


def titles(hub: Hub, name: str) -> list[str]:
    from openshelf.storage.repositories import history

    repo = repos.find(hub, actor(hub, "alice"), RepoKind.MODEL, RepoId("alice", name))
    git, found = fetch.revision(hub, repo, "main")
    return [commit.title for commit in history.log(git, found.commit, limit=20)]


def send(page: Page) -> None:
    page.get_by_role("button", name="Upload and commit").click()


def slowly(page: Page, bytes_a_second: int) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
    session.send("Network.emulateNetworkConditions", limits)


def parts_there(hub: Hub) -> set[int]:
    """Numbers of the parts of the one upload under way that have arrived whole.

    The log of a hub that is killed does not tell: the line of a part may die with it.
    """
    uploads = [path.stem for path in hub.storage.parts.root.glob("*.received")]
    return {offset // PART + 1 for upload in uploads[:1] for offset, _ in hub.storage.parts.received(upload)}


def received(hub: Hub, at_least: int) -> bool:
    return len(parts_there(hub)) >= at_least


def until(page: Page, condition: object, *values: object) -> None:
    assert callable(condition)
    for _ in range(600):
        if condition(*values):
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen")


def parts_sent(log: str) -> list[int]:
    """Numbers of the parts whose sending ended well."""
    lines = [line for line in log.splitlines() if "method=PUT" in line and "status=200" in line]
    return [int(match[1]) for line in lines if (match := re.search(r"/parts/(\d+) ", line))]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file of many parts, and its sha256."""
    path, digest = tmp_path_factory.mktemp("large") / "weights.safetensors", hashlib.sha256()
    with path.open("wb") as file:
        for left in range(SIZE, 0, -MB):
            piece = os.urandom(min(left, MB))
            digest.update(piece)
            file.write(piece)
    return path, digest.hexdigest()


@pytest.fixture(scope="module")
def falling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restarting]:
    with restarting(tmp_path_factory.mktemp("falling")) as hub:
        accounts.create_user(hub.hub, "alice", PASSWORD)
        yield hub


def test_hashes_of_the_worker(served: Served, open_page: type[Watched]) -> None:
    new_repo(served.hub, "hashes")
    watched = open_page(served.url, name="alice")
    watched.go("/alice/hashes/upload/main")
    ask = """async ([worker, texts]) => {
      const hasher = new Worker(worker), found = [];
      for (const [text, times] of texts) {
        const answer = new Promise((done) => { hasher.onmessage = ({ data }) => data.sha256 && done(data.sha256); });
        hasher.postMessage({ id: 0, file: new File([text.repeat(times)], "x") });
        found.push(await answer);
      }
      return found;
    }"""
    texts: list[tuple[str, int]] = [
        ("", 0),
        ("abc", 1),
        ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1),
        ("a", 1_000_000),
    ]
    texts += [("b", length) for length in (55, 56, 63, 64, 65, 119, 120, 4 * 1024 * 1024 - 1, 4 * 1024 * 1024 + 1)]
    worker = watched.page.locator("#upload").get_attribute("data-worker")
    found = watched.page.evaluate(ask, [worker, texts])
    assert found[1] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert found == [hashlib.sha256((text * times).encode()).hexdigest() for text, times in texts]


def test_files_are_dropped_renamed_removed_and_sent(served: Served, open_page: type[Watched]) -> None:
    new_repo(served.hub, "dropped")
    page = open_page(served.url, name="alice").page
    page.goto("/alice/dropped")
    page.get_by_role("link", name="Upload files").click()
    page.wait_for_url("**/upload/main")
    files = [
        ["config.json", "{}"],
        ["weights.bin", "w" * 5000],
        ["unwanted.txt", "x"],
        ["empty.txt", ""],
        [".DS_Store", "x"],
    ]
    page.evaluate(DROP, [files, ""])
    expect(page.get_by_text("4 files", exact=False).first).to_be_visible()
    expect(page.get_by_text("1 files of git and of the system are left out.")).to_be_visible()
    page.get_by_role("button", name="Remove unwanted.txt").click()
    page.get_by_label("Where config.json goes").fill("settings/config.json")
    page.get_by_label("Folder", exact=True).fill("run 1")
    page.get_by_label("Title").fill("First run")
    send(page)
    page.wait_for_url("**/alice/dropped/tree/main/run%201")
    expect(page.get_by_role("link", name="weights.bin", exact=True)).to_be_visible()
    assert sha256_in(served.hub, "dropped", "run 1/weights.bin") == hashlib.sha256(b"w" * 5000).hexdigest()
    assert sha256_in(served.hub, "dropped", "run 1/settings/config.json") == hashlib.sha256(b"{}").hexdigest()
    assert sha256_in(served.hub, "dropped", "run 1/empty.txt") == hashlib.sha256(b"").hexdigest()
    assert titles(served.hub, "dropped")[0] == "First run"


def test_a_folder_is_chosen_and_goes_to_a_pull_request(
    served: Served, open_page: type[Watched], tmp_path: Path
) -> None:
    new_repo(served.hub, "proposed")
    for name in ("run/a.txt", "run/deep/b.bin", "run/.git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    page = open_page(served.url, name="alice").page
    page.goto("/alice/proposed/upload/main")
    page.set_input_files("input[webkitdirectory]", tmp_path / "run")
    expect(page.get_by_label("Where run/deep/b.bin goes")).to_be_visible()
    page.get_by_label("Open a pull request").check()
    send(page)
    page.wait_for_url("**/alice/proposed/tree/refs%2Fpr%2F1")
    expect(page.get_by_role("link", name="run", exact=True)).to_be_visible()
    assert titles(served.hub, "proposed") == ["initial commit"]


def test_what_is_stored_already_is_not_sent(served: Served, open_page: type[Watched], tmp_path: Path) -> None:
    path = tmp_path / "same.bin"
    path.write_bytes(os.urandom(3 * MB))
    for name in ("first", "second"):
        new_repo(served.hub, name)
        before = served.log.read_text().count("method=PUT")
        page = open_page(served.url, name="alice").page
        page.goto(f"/alice/{name}/upload/main")
        page.set_input_files("#field-files", path)
        send(page)
        page.wait_for_url(f"**/alice/{name}/tree/main")
        assert served.log.read_text().count("method=PUT") - before == (1 if name == "first" else 0)


def test_a_killed_hub_comes_back_and_the_upload_goes_on(
    falling: Restarting, open_page: type[Watched], large: tuple[Path, str]
) -> None:
    new_repo(falling.hub, "killed")
    watched = open_page(falling.url, name="alice")
    page = watched.page
    page.goto("/alice/killed/upload/main")
    page.set_input_files("#field-files", large[0])
    slowly(page, 25 * MB)
    send(page)
    count = -(-SIZE // PART)
    until(page, received, falling.hub, max(1, count // 3))
    falling.kill()
    expect(page.get_by_text("The hub cannot be reached")).to_be_visible(timeout=30_000)
    there, log_at_kill = parts_there(falling.hub), len(falling.log)
    falling.start()
    # The page tries again by itself too: whichever comes first, the button is gone after it.
    with contextlib.suppress(TimeoutError):
        page.get_by_role("button", name="Try now").click(timeout=2_000)
    page.wait_for_url("**/alice/killed/tree/main", timeout=120_000)
    sent_after = parts_sent(falling.log[log_at_kill:])
    assert 0 < len(there) < count
    assert sorted(sent_after) == sorted(set(range(1, count + 1)) - there), "what had arrived is not sent again"
    assert sha256_in(falling.hub, "killed", "weights.safetensors") == large[1]
    watched.complaints = [text for text in watched.complaints if "ERR_" not in text and "/api/lfs/" not in text]


def test_a_closed_tab_goes_on_with_what_is_missing(
    falling: Restarting, open_page: type[Watched], tmp_path: Path
) -> None:
    new_repo(falling.hub, "closed")
    path, content = tmp_path / "again.safetensors", os.urandom(70 * MB)
    path.write_bytes(content)
    count = -(-len(content) // PART)
    watched = open_page(falling.url, name="alice")
    page = watched.page
    page.goto("/alice/closed/upload/main")
    page.set_input_files("#field-files", path)
    page.get_by_label("Title").fill("In two goes")
    slowly(page, 20 * MB)
    send(page)
    until(page, received, falling.hub, 2)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused.")).to_be_visible()
    page.close()

    page = watched.page = watched.context.new_page()
    there, asked = parts_there(falling.hub), list[str]()
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    page.goto("/alice/closed/upload/main")
    expect(page.get_by_text("An upload to this repository was interrupted.")).to_be_visible()
    expect(page.get_by_label("Title")).to_have_value("In two goes")
    page.set_input_files("#field-files", path)
    send(page)
    page.wait_for_url("**/alice/closed/tree/main", timeout=120_000)
    sent_after = [int(match[1]) for line in asked if (match := re.search(r"^PUT .*/parts/(\d+)\?", line))]
    assert 2 <= len(there) < count
    assert sent_after, "something was missing"
    assert not there & set(sent_after), "what had arrived is not sent again"
    assert sha256_in(falling.hub, "closed", "again.safetensors") == hashlib.sha256(content).hexdigest()
    assert titles(falling.hub, "closed")[0] == "In two goes"
    page.goto("/alice/closed/upload/main")
    expect(page.get_by_text("An upload to this repository was interrupted.")).to_be_hidden()


def test_a_branch_that_moved_is_told_and_gone_on_with(served: Served, open_page: type[Watched], tmp_path: Path) -> None:
    hub = served.hub
    new_repo(hub, "moved-on")
    watched = open_page(served.url, name="alice")
    page = watched.page
    page.goto("/alice/moved-on/upload/main")
    page.evaluate(DROP, [[["a.txt", "mine"], ["b.bin", "mine too"]], ""])
    repo = repos.find(hub, actor(hub, "alice"), RepoKind.MODEL, RepoId("alice", "moved-on"))

    def commit_first(route: Route) -> None:
        push.commit(hub, actor(hub, "alice"), repo, "main", [AddInline("a.txt", b"theirs")], "Theirs came first")
        route.continue_()

    page.route("**/commit/main", commit_first, times=1)

    send(page)
    expect(page.get_by_text("The branch has changed since you opened this page.")).to_be_visible()
    expect(page.get_by_text("alice: Theirs came first")).to_be_visible()
    expect(page.get_by_text("yours would take their place: a.txt")).to_be_visible()
    page.get_by_role("button", name="Commit on top of it").click()
    page.wait_for_url("**/alice/moved-on/tree/main")
    assert sha256_in(hub, "moved-on", "a.txt") == hashlib.sha256(b"mine").hexdigest()
    watched.complaints = [text for text in watched.complaints if "status of 412" not in text]
    assert titles(hub, "moved-on") == ["Upload 2 files", "Theirs came first", "initial commit"]


def test_errors_are_said_and_can_be_mended(served: Served, open_page: type[Watched]) -> None:
    new_repo(served.hub, "refused")
    watched = open_page(served.url, name="alice")
    page = watched.page
    page.goto("/alice/refused/upload/main")
    send(page)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Choose at least one file.")
    page.evaluate(DROP, [[["a.txt", "x"], ["b.txt", "x"]], ""])
    page.get_by_label("Where b.txt goes").fill("a.txt")
    send(page)
    expect(alert).to_contain_text("Two of the files would be called a.txt")
    page.get_by_label("Where b.txt goes").fill("x/../b.txt")
    send(page)
    expect(alert).to_contain_text("no part of it may be empty, '.' or '..'")
    expect(alert).to_be_focused()
    page.get_by_label("Where b.txt goes").fill("b.txt")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/alice/refused/tree/main")


def test_by_keyboard_alone_at_320_pixels(served: Served, open_page: type[Watched], axe: str) -> None:
    new_repo(served.hub, "by-keyboard")
    watched = open_page(served.url, name="alice", width=320)
    page = watched.page
    # Listened for from the start: asked for beside the press of the key, a busy browser may open its own dialog first.
    choosers: list[FileChooser] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.goto("/alice/by-keyboard/upload/main")
    page.get_by_label("Folder", exact=True).focus()
    page.keyboard.type("f")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose files")).to_be_focused()
    page.keyboard.press("Space")
    until(page, lambda: bool(choosers))
    choosers[0].set_files(FilePayload(name="n" * 120 + ".txt", mimeType="text/plain", buffer=b"x"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose a folder")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    page.keyboard.type("2")
    watched.ask(axe)
    for rules in ("{ resultTypes: ['violations'] }",):
        found = watched.ask(f"axe.run(document, {rules})")["violations"]
        assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in found] == []
    assert watched.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    while watched.ask("document.activeElement.id") != "field-title":
        page.keyboard.press("Tab")
    page.keyboard.type("By hand")
    page.keyboard.press("Enter")
    page.wait_for_url("**/alice/by-keyboard/tree/main/f")
    assert titles(served.hub, "by-keyboard")[0] == "By hand"


def test_without_script(served: Served, open_page: type[Watched], tmp_path: Path) -> None:
    new_repo(served.hub, "plain")
    weights = tmp_path / "weights.bin"
    weights.write_bytes(os.urandom(12 * MB))
    (tmp_path / "config.json").write_text("{}")
    page = open_page(served.url, name="alice", scripts=False).page
    page.goto("/alice/plain/upload/main")
    page.get_by_label("Folder").fill("first/run")
    page.get_by_label("Files", exact=True).set_input_files([weights, tmp_path / "config.json"])
    page.get_by_label("Title").fill("By a plain form")
    send(page)
    page.wait_for_url("**/alice/plain/tree/main/first/run")
    assert sha256_in(served.hub, "plain", "first/run/weights.bin") == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert sha256_in(served.hub, "plain", "first/run/config.json") == hashlib.sha256(b"{}").hexdigest()
    assert titles(served.hub, "plain")[0] == "By a plain form"
