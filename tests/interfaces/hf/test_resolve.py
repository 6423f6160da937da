"""Files by their addresses."""

from __future__ import annotations

import pytest

from openshelf.domain.names import RepoKind
from openshelf.interfaces.hf.resolve import content_type, disposition
from openshelf.services.hub import now
from openshelf.storage.catalogue import blobs
from openshelf.xet.hashes import to_hex
from tests.interfaces.hf.conftest import Here

WEIGHTS = bytes(range(256)) * 40


def test_head_tells_all_that_clients_want_to_know_of_a_text(here: Here) -> None:
    repo = here.repo({"config.json": b"{}\n"})
    response = here.anonymous.head(f"/{repo.full_name}/resolve/main/config.json")
    entry = here.hub.storage.repositories.open(repo.id).entry(str(repo.head), "config.json")
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["x-repo-commit"] == repo.head
    assert response.headers["etag"] == f'"{entry.oid}"'
    assert response.headers["content-length"] == "3"
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-disposition"].endswith('filename="config.json";')
    assert "x-linked-etag" not in response.headers


def test_head_tells_of_a_file_outside_git(here: Here) -> None:
    repo = here.repo()
    blob = here.add_blob(repo, "w.bin", WEIGHTS)
    response = here.anonymous.head(f"/{repo.full_name}/resolve/main/w.bin")
    assert response.headers["x-linked-etag"] == response.headers["etag"] == f'"{blob.sha256}"'
    assert response.headers["x-linked-size"] == response.headers["content-length"] == str(len(WEIGHTS))
    assert "x-xet-hash" not in response.headers


def test_a_file_that_is_kept_in_chunks_says_where_to_get_a_token(here: Here) -> None:
    repo = here.repo(kind=RepoKind.DATASET)
    blob = here.add_blob(repo, "w.bin", b"in chunks" * 100)
    xet_hash = bytes(range(32))
    with here.hub.storage.catalogue.write() as tx:
        blobs.save(tx, blob, now(), xet_hash=xet_hash)
    response = here.anonymous.head(f"/datasets/{repo.full_name}/resolve/main/w.bin")
    commit = response.headers["x-repo-commit"]
    assert response.headers["x-xet-hash"] == to_hex(xet_hash)
    token = f"http://testserver/api/datasets/{repo.full_name}/xet-read-token/{commit}"
    assert response.headers["link"] == f'<{token}>; rel="xet-auth"'


@pytest.mark.parametrize(
    ("wanted", "status", "start", "end"),
    [
        ("bytes=0-", 206, 0, 10240),
        ("bytes=100-199", 206, 100, 200),
        ("bytes=10000-99999", 206, 10000, 10240),
        ("bytes=-5", 206, 10235, 10240),
        ("bytes=10239-10239", 206, 10239, 10240),
        ("items=1-2", 200, 0, 10240),
        ("bytes=1-2,5-6", 200, 0, 10240),
    ],
)
@pytest.mark.parametrize("outside", [True, False])
def test_ranges(here: Here, wanted: str, status: int, start: int, end: int, outside: bool) -> None:
    repo = here.repo({"w.txt": WEIGHTS})
    if outside:
        here.add_blob(repo, "w.txt", WEIGHTS)
    response = here.anonymous.get(f"/{repo.full_name}/resolve/main/w.txt", headers={"Range": wanted})
    assert (response.status_code, response.content) == (status, WEIGHTS[start:end])
    if status == 206:
        assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{len(WEIGHTS)}"


def test_a_range_past_the_end_is_said_to_be_one(here: Here) -> None:
    repo = here.repo({"a.txt": b"12345"})
    response = here.anonymous.get(f"/{repo.full_name}/resolve/main/a.txt", headers={"Range": "bytes=5-"})
    assert response.status_code == 416
    assert response.headers["content-range"] == "bytes */5"


def test_an_empty_file_is_whole_whatever_range_is_asked_for(here: Here) -> None:
    repo = here.repo({"empty.txt": b""})
    response = here.anonymous.get(f"/{repo.full_name}/resolve/main/empty.txt", headers={"Range": "bytes=0-"})
    assert (response.status_code, response.content) == (200, b"")


def test_an_absent_file_names_the_commit_it_is_absent_from(here: Here) -> None:
    repo = here.repo({"a/b.txt": b"x"})
    for method in ("GET", "HEAD"):
        for path in ("absent.json", "a", "a/b.txt/c", "", "%00", "%2e%2e", "/a/b.txt", "a%0Ab"):
            response = here.anonymous.request(method, f"/{repo.full_name}/resolve/main/{path}")
            assert response.status_code == 404, path
            assert response.headers["x-error-code"] == "EntryNotFound"
            assert response.headers["x-repo-commit"] == repo.head


def test_revisions_may_be_branches_tags_commits_and_pull_refs(here: Here) -> None:
    repo = here.repo({"a.txt": b"x"})
    head = str(repo.head)
    assert here.alice.post(f"/api/models/{repo.full_name}/branch/dev%2Fone", json={}).status_code == 200
    assert here.alice.post(f"/api/models/{repo.full_name}/tag/main", json={"tag": "v1", "message": "m"}).is_success
    assert here.bob.post(
        f"/api/models/{repo.full_name}/discussions", json={"title": "mine", "pullRequest": True}
    ).is_success
    for revision in ("main", "dev%2Fone", "refs%2Fheads%2Fdev%2Fone", "v1", "refs%2Fpr%2F1", head, head[:7]):
        response = here.anonymous.get(f"/{repo.full_name}/resolve/{revision}/a.txt")
        assert (response.status_code, response.headers.get("x-repo-commit")) == (200, head), revision
    response = here.anonymous.get(f"/{repo.full_name}/resolve/nothing/a.txt")
    assert (response.status_code, response.headers["x-error-code"]) == (404, "RevisionNotFound")


def test_names_of_every_alphabet_go_there_and_back(here: Here) -> None:
    path = "grüße/日本 語%20#?&+.txt"
    repo = here.repo({path: b"x"})
    encoded = "gr%C3%BC%C3%9Fe/%E6%97%A5%E6%9C%AC%20%E8%AA%9E%2520%23%3F%26%2B.txt"
    response = here.anonymous.get(f"/{repo.full_name}/resolve/main/{encoded}")
    assert response.content == b"x"
    assert "filename*=UTF-8''%E6%97%A5%E6%9C%AC%20" in response.headers["content-disposition"]


def test_raw_gives_the_pointer_of_a_file_outside_git(here: Here) -> None:
    repo = here.repo({"a.txt": b"text"})
    blob = here.add_blob(repo, "w.bin", WEIGHTS)
    assert here.anonymous.get(f"/{repo.full_name}/raw/main/a.txt").content == b"text"
    response = here.anonymous.get(f"/{repo.full_name}/raw/main/w.bin")
    assert response.content == blob.pointer()
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert "x-linked-etag" not in response.headers


def test_a_file_that_did_not_change_is_not_sent_again(here: Here) -> None:
    repo = here.repo({"a.txt": b"text"})
    address = f"/{repo.full_name}/resolve/main/a.txt"
    etag = here.anonymous.get(address).headers["etag"]
    assert here.anonymous.get(address, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("page.html", "text/plain; charset=utf-8"),
        ("page.HTML", "text/plain; charset=utf-8"),
        ("drawing.svg", "image/svg+xml"),
        ("feed.xml", "text/plain; charset=utf-8"),
        ("script.js", "text/plain; charset=utf-8"),
        ("style.css", "text/plain; charset=utf-8"),
        ("config.json", "text/plain; charset=utf-8"),
        ("README.md", "text/plain; charset=utf-8"),
        ("picture.png", "image/png"),
        ("sound.mp3", "audio/mpeg"),
        ("paper.pdf", "application/pdf"),
        ("model.safetensors", "application/octet-stream"),
        ("page.html.gz", "application/octet-stream"),
        ("no-suffix", "application/octet-stream"),
        ("thing.swf", "application/octet-stream"),
    ],
)
def test_no_upload_has_a_type_that_a_browser_runs(name: str, expected: str) -> None:
    assert content_type(name) == expected


def test_browsers_are_told_to_run_nothing(here: Here) -> None:
    repo = here.repo({"page.html": b"<script>alert(1)</script>"})
    for how in ("resolve", "raw"):
        response = here.anonymous.get(f"/{repo.full_name}/{how}/main/page.html")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert "sandbox" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"


def test_a_file_name_cannot_break_out_of_its_header() -> None:
    assert disposition('a";\r\nb\\%.txt', as_file=True) == (
        "attachment; filename*=UTF-8''a%22%3B%0D%0Ab%5C%25.txt; filename=\"a_;__b__.txt\";"
    )


def test_ids_without_an_owner_are_not_found(here: Here) -> None:
    response = here.bob.get("/gpt2/resolve/main/config.json")
    assert (response.status_code, response.headers["x-error-code"]) == (404, "RepoNotFound")
    assert here.anonymous.get("/api/models/gpt2").status_code == 401
    assert here.bob.get("/api/models/gpt2/revision/main").headers["x-error-code"] == "RepoNotFound"
