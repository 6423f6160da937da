"""Files sent by a plain form: streamed, bounded, and taken from this hub's own pages alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.errors import OpenshelfError
from openshelf.interfaces.web.multipart import MultipartForm
from openshelf.services import fetch
from openshelf.services.hub import Hub
from tests.hubs import make_hub
from tests.interfaces.web.test_writing import content, paths
from tests.interfaces.web.visitors import Visitor, make_repo

PLACE = "/alice/model/upload/main"


def send(visitor: Visitor, *files: tuple[str, bytes], place: str = PLACE, **fields: str) -> Any:
    sent = {"csrf": visitor.token(place), "rev": "main", **fields}
    return visitor.client.post(place, data=sent, files=[("files", file) for file in files or [("", b"")]])


def leftovers(hub: Hub) -> list[Path]:
    return list((hub.storage.root / "temporary").iterdir())


def test_files_of_all_sizes_end_in_one_commit(hub: Hub, alice: Visitor) -> None:
    repo = make_repo(hub, "alice", "model")
    large = os.urandom(11 * 1024 * 1024)
    text = b"x" * (11 * 1024 * 1024)
    files = [("a.txt", b"small"), ("empty", b""), ("w.bin", b"by its name"), ("large.dat", large), ("log.txt", text)]
    answer = send(alice, *files, folder="f/g", title="All", description="Why")
    assert answer.headers["location"] == "/alice/model/tree/main/f/g"
    for name, sent in files:
        assert content(hub, repo, f"f/g/{name}") == sent
    git, found = fetch.revision(hub, repo, "main")
    outside = {entry.name for entry in git.entries(found.commit, "f/g") if entry.blob}
    assert outside == {"w.bin", "large.dat", "log.txt"}
    assert leftovers(hub) == []


def test_a_plain_upload_can_open_a_pull_request(hub: Hub, alice: Visitor) -> None:
    repo = make_repo(hub, "alice", "model")
    answer = send(alice, ("a.txt", b"x"), target="pull", title="Please")
    assert answer.headers["location"] == "/alice/model/tree/refs%2Fpr%2F1"
    assert "a.txt" not in paths(hub, repo)


def test_what_is_wrong_is_said_on_the_page(hub: Hub, alice: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"file": b"x"})
    assert "Choose at least one file." in send(alice, title="kept").text
    refused = send(alice, ("../x", b"1"), title="kept", folder="kept too")
    assert refused.status_code == 422
    assert "cannot be the path of a file" in refused.text
    for path, folder in (("a", "file"), ("a", ".git"), ("a", "x/../y"), ("a\\b", "")):
        answer = send(alice, (path, b"1"), folder=folder)
        assert answer.status_code == 422, (path, folder)
        assert 'role="alert"' in answer.text
    assert send(alice, ("a", b"1"), ("a", b"2")).status_code == 422
    assert paths(hub, repo) == {".gitattributes", "file"}


def test_without_its_token_nothing_is_read(hub: Hub, alice: Visitor, bob: Visitor) -> None:
    repo = make_repo(hub, "alice", "model")
    file = {"files": ("a.txt", b"x")}
    for token in ("", "forged", bob.token("/new")):
        assert alice.client.post(PLACE, data={"csrf": token}, files=file).status_code == 403
    late = b'--B\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nx\r\n--B\r\n'
    late += b'Content-Disposition: form-data; name="csrf"\r\n\r\n' + alice.token("/new").encode() + b"\r\n--B--\r\n"
    head = {"content-type": "multipart/form-data; boundary=B"}
    assert alice.client.post(PLACE, content=late, headers=head).status_code == 403
    cross = {"sec-fetch-site": "cross-site"}
    data = {"csrf": alice.token(PLACE)}
    assert alice.client.post(PLACE, data=data, files=file, headers=cross).status_code == 403
    assert bob.client.post(PLACE, data={"csrf": bob.token("/new")}, files=file).status_code == 403
    assert paths(hub, repo) == {".gitattributes"}
    assert leftovers(hub) == []


def test_limits_of_size_and_quota(hub: Hub, alice: Visitor, tmp_path: Path) -> None:
    repo = make_repo(hub, "alice", "model")
    hub.storage.close()
    bounded = make_hub(
        tmp_path, max_commit_bytes=300_000, max_file_bytes=100_000, max_inline_bytes=1000, quota_bytes=150_000
    )
    visitor = Visitor(bounded, "alice")
    assert "Up to 300 kB together" in visitor.text(PLACE)
    assert send(visitor, ("a.bin", b"x" * 400_000)).status_code == 413
    refused = send(visitor, ("a.bin", b"x" * 100_001))
    assert refused.status_code == 422
    assert "more than the 100 kB" in refused.text
    assert send(visitor, ("a.bin", os.urandom(90_000))).status_code == 303
    full = send(visitor, ("b.bin", os.urandom(90_000)))
    assert full.status_code == 422
    assert "does not fit" in full.text
    assert leftovers(bounded) == []
    assert paths(bounded, repo) == {".gitattributes", "a.bin"}
    bounded.storage.close()


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(1, 400), max_size=12), body=st.binary(max_size=200))
def test_a_form_is_the_same_however_it_is_cut(cuts: list[int], body: bytes) -> None:
    name = 'ü"; x=\\.txt'.encode()
    whole = (
        b'--B\r\nContent-Disposition: form-data; name="title"\r\n\r\na\r\nb\r\n--B\r\nContent-Disposition: form-data; '
    )
    whole += b'name="files"; filename="' + name.replace(b'"', b"%22") + b'"\r\n\r\n' + body.replace(b"B", b"b")
    whole += b"\r\n--B--\r\n"
    seen: list[tuple[str, bytearray]] = []

    class Sink(bytearray):
        def write(self, data: bytes, /) -> None:
            self.extend(data)

    def opened(name: str) -> Sink:
        sink = Sink()
        seen.append((name, sink))
        return sink

    form = MultipartForm(b"B", opened)
    at = 0
    for cut in [*cuts, len(whole)]:
        form.write(whole[at : at + cut])
        at += cut
    form.finish()
    assert form.fields == {"title": "a\nb"}
    assert [bytes(sink) for _, sink in seen] == [body.replace(b"B", b"b")]


@settings(max_examples=100, deadline=None)
@given(
    body=st.binary(max_size=300), prefix=st.sampled_from([b"", b"--B\r\n", b"--B\r\nContent-Disposition: form-data; "])
)
def test_nonsense_is_refused_and_never_a_fault(body: bytes, prefix: bytes) -> None:
    form = MultipartForm(b"B", lambda _: bytearray_sink())
    try:
        form.write(prefix + body)
        form.finish()
    except OpenshelfError:
        return
    assert form.fields or form.files or b"--" in prefix + body


class _Sink(bytearray):
    def write(self, data: bytes, /) -> None:
        self.extend(data)


def bytearray_sink() -> _Sink:
    return _Sink()


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 300])
def test_other_bodies_are_refused(hub: Hub, alice: Visitor, kind: str) -> None:
    make_repo(hub, "alice", "model")
    answer = alice.client.post(PLACE, content=b"x", headers={"content-type": kind})
    assert answer.status_code in (400, 403)
