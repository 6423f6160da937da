"""Files of a revision: folders, texts, pictures, and what is too large or no text."""

from __future__ import annotations

import hashlib

from openshelf.domain.repos import Repo
from openshelf.domain.tree import AddBlob, AddInline
from openshelf.services import push
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import blobs
from tests.hubs import actor
from tests.interfaces.web.visitors import Visitor, elements, make_repo


def add_blob(hub: Hub, repo: Repo, path: str, content: bytes) -> None:
    """Commit a file that is kept outside git."""
    writer = hub.storage.blobs.writer()
    writer.write(content)
    blob = writer.keep()
    with hub.storage.catalogue.write() as tx:
        blobs.save(tx, blob, now(), is_whole=True)
        blobs.link(tx, repo.id, [blob.sha256], now())
    push.commit(hub, actor(hub, "alice"), repo, "main", [AddBlob(path, blob.sha256, blob.size)], "Add a large file")


def test_folders_first_with_size_and_last_commit(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"a.txt": b"x" * 1500, "zoo/b.txt": b"x", "zoo/deep/c.txt": b"x"})
    add_blob(hub, repo, "weights.bin", b"\0" * 2_000_000)
    page = stranger.text("/alice/model/tree/main")
    order = [page.index(f">{name}</bdi>") for name in ("zoo", ".gitattributes", "a.txt", "weights.bin")]
    assert order == sorted(order)
    assert "1.50 kB" in page
    assert "2.00 MB" in page
    assert '<span class="kept">LFS</span>' in page
    assert "Add a large file" in page
    assert 'href="/alice/model/resolve/main/weights.bin?download=true"' in page
    below = stranger.text("/alice/model/tree/main/zoo")
    assert 'href="/alice/model/tree/main/zoo/deep"' in below
    assert 'href="/alice/model/tree/main"' in below
    assert stranger.get("/alice/model/tree/main/a.txt").headers["location"] == "/alice/model/blob/main/a.txt"
    assert stranger.get("/alice/model/blob/main/zoo").headers["location"] == "/alice/model/tree/main/zoo"
    assert stranger.get("/alice/model/tree/main/gone").status_code == 404
    assert stranger.get("/alice/model/tree/no-such-branch").status_code == 404


def test_large_folders_come_in_pages(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "many", {f"{number:04d}.txt": b"x" for number in range(510)})
    first, second = stranger.text("/alice/many/tree/main"), stranger.text("/alice/many/tree/main?p=2")
    assert 'rel="next" href="/alice/many/tree/main?p=1"' in first
    assert "Entries 1 to 250 of 511" in first
    assert "0509.txt" in second
    assert 'rel="prev" href="/alice/many/tree/main?p=1"' in second


def test_texts_have_numbered_lines(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "model", {"run.py": b"import os\nprint('<b>')\n", "empty.txt": b""})
    page = stranger.text("/alice/model/blob/main/run.py")
    assert {"L1", "L2"} <= {element.attributes.get("id") for element in elements(page)}
    assert "&lt;b&gt;" in page
    assert 'class="hl-' in page
    assert "This file is empty" in stranger.text("/alice/model/blob/main/empty.txt")


def test_texts_outside_git_are_shown_too(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model")
    content = b"id,word\n1,calm\n"
    add_blob(hub, repo, "words.csv", content)
    page = stranger.text("/alice/model/blob/main/words.csv")
    assert "calm" in page
    assert hashlib.sha256(content).hexdigest() in page


def test_any_name_works(hub: Hub, stranger: Visitor) -> None:
    names = [
        "a b.txt",
        "100%.txt",
        "what?.txt",
        "a#b.txt",
        "ünï/文件.txt",
        "x&y=z.txt",
        "'quoted'.txt",
        "x" * 200 + ".txt",
    ]
    make_repo(hub, "alice", "odd", {name: name.encode() for name in names})
    found = elements(stranger.text("/alice/odd/tree/main"))
    links = [e.attributes["href"] for e in found if e.tag == "a" and "/blob/main/" in e.attributes.get("href", "")]
    assert len(links) == len(names)
    for link in links:
        assert stranger.get(link).status_code == 200, link
    assert "文件.txt" in stranger.text("/alice/odd/tree/main/%C3%BCn%C3%AF")


def test_commits_come_in_pages(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model")
    for number in range(51):
        change = [AddInline("log.txt", b"%d" % number)]
        push.commit(hub, actor(hub, "alice"), repo, "main", change, f"Step {number}", "<i>why</i>")
    page = stranger.text("/alice/model/commits/main")
    assert page.index("Step 50") < page.index("Step 49")
    assert "initial commit" not in page
    assert "&lt;i&gt;why" in page
    assert 'rel="next" href="/alice/model/commits/main?p=1"' in page
    assert "initial commit" in stranger.text("/alice/model/commits/main?p=1")


def test_addresses_that_clients_print_lead_somewhere(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model")
    change = [AddInline("a.txt", b"x")]
    done = push.commit(hub, actor(hub, "alice"), repo, "main", change, "Add a <b>file</b>", "Line one\n\nLine two")
    page = stranger.text(f"/alice/model/commit/{done.commit}")
    assert "Add a &lt;b&gt;file&lt;/b&gt;" in page
    assert "Line one\n\nLine two" in page
    assert f'href="/alice/model/tree/{done.commit}"' in page
    assert f'href="/alice/model/commit/{repo.head}"' in page
    assert stranger.get("/alice/model/commit/" + "0" * 40).status_code == 404

    proposed = push.commit(hub, actor(hub, "bob"), repo, "main", [AddInline("b.txt", b"x")], "Propose", propose=True)
    assert proposed.pull
    answer = stranger.get(f"/alice/model/discussions/{proposed.pull.number}")
    assert answer.headers["location"] == "/alice/model/commits/refs%2Fpr%2F1"
    page = stranger.text("/alice/model/commits/refs%2Fpr%2F1")
    assert "Propose" in page
    assert '<option value="refs/pr/1" selected>' in page
    assert stranger.get("/alice/model/discussions/2").status_code == 404
    assert stranger.get("/alice/model/discussions/x").status_code == 404
