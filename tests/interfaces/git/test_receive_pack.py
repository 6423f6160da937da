"""The receiving side of a push, with requests that git would not send."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo
from openshelf.interfaces.git import receive_pack
from openshelf.services import git_push, push_content, repos
from openshelf.services.hub import Hub
from openshelf.storage.locks import DiskLocks
from openshelf.storage.repositories import incoming
from tests.hubs import actor, add_user, client_of, make_hub
from tests.interfaces.git.push_request import TYPE, ZERO, body, pack_of, packets, read_report, send
from tests.interfaces.git.working_copy import WorkingCopy

MAIN = "refs/heads/main"


@dataclass(frozen=True)
class Bench:
    """A hub in this process, a repo in it, and a working copy of that repo with one commit to push."""

    hub: Hub
    client: TestClient
    repo: Repo
    copy: WorkingCopy
    old: str
    new: str
    pack: bytes

    @property
    def address(self) -> str:
        return f"/{self.repo.full_name}.git"

    def head(self) -> str:
        return self.hub.storage.repositories.open(self.repo.id).resolve("main").commit

    def left_behind(self) -> list[Path]:
        return list(self.hub.storage.repositories.quarantines.root.iterdir())


def _bench(folder: Path, hub: Hub, name: str = "m") -> Bench:
    secret = add_user(hub, "alice")[1]
    repo = repos.create(hub, actor(hub, "alice"), RepoKind.MODEL, name)
    (folder / "home").mkdir()
    here = WorkingCopy(folder, folder / "home")
    copy = here.clone(str(hub.storage.repositories.path(repo.id)), "copy")
    old = copy.git("rev-parse", "HEAD")
    new = copy.commit_files({"a.txt": "text\n", "b/c.txt": "more\n"})
    pack = pack_of(copy, new, f"^{old}")
    client = client_of(hub, secret)
    return Bench(hub, client, repo, copy, old, new, pack)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    hub = make_hub(tmp_path, rate_limit_requests=0)
    yield _bench(tmp_path, hub)
    hub.storage.close()


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench that no test changes."""
    folder = tmp_path_factory.mktemp("steady")
    hub = make_hub(folder, rate_limit_requests=0)
    yield _bench(folder, hub)
    hub.storage.close()


def test_a_push_by_hand(bench: Bench) -> None:
    report = send(bench.client, bench.address, body([(bench.old, bench.new, MAIN)], bench.pack))
    assert report.unpack == "unpack ok"
    assert report.refs == {MAIN: ""}
    assert bench.head() == bench.new
    assert not bench.left_behind()


def test_in_the_smallest_pieces_and_gzipped(bench: Bench) -> None:
    request = gzip.compress(body([(bench.old, bench.new, MAIN)], bench.pack))
    pieces = (request[start : start + 7] for start in range(0, len(request), 7))
    headers = {**TYPE, "content-encoding": "gzip"}
    response = bench.client.post(f"{bench.address}/git-receive-pack", content=pieces, headers=headers)
    assert read_report(response.content).refs == {MAIN: ""}
    assert bench.head() == bench.new


def test_without_side_bands_the_report_stands_alone(bench: Bench) -> None:
    request = body([(bench.old, bench.new, MAIN)], bench.pack, "report-status")
    response = bench.client.post(f"{bench.address}/git-receive-pack", content=request, headers=TYPE)
    assert packets(response.content) == [b"unpack ok\n", b"ok refs/heads/main\n", None]


def test_without_a_wish_for_a_report_there_is_none(bench: Bench) -> None:
    request = body([(bench.old, bench.new, MAIN)], bench.pack, "")
    response = bench.client.post(f"{bench.address}/git-receive-pack", content=request, headers=TYPE)
    assert response.content == b""
    assert bench.head() == bench.new


def test_a_probe_is_answered_with_nothing(steady: Bench) -> None:
    response = steady.client.post(f"{steady.address}/git-receive-pack", content=b"0000", headers=TYPE)
    assert (response.status_code, response.content) == (200, b"")


def test_a_moved_ref_is_not_overwritten(bench: Bench) -> None:
    request = body([(bench.old, bench.new, MAIN)], bench.pack)
    send(bench.client, bench.address, request)
    again = send(bench.client, bench.address, request)
    assert "fetch first" in again.refs[MAIN]
    new_again = send(bench.client, bench.address, body([(ZERO, bench.new, MAIN)], bench.pack))
    assert "fetch first" in new_again.refs[MAIN]


def test_a_ref_that_moves_while_the_pack_is_checked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the check and the lock somebody else pushes: the loser is told, nothing is overwritten."""
    checked = push_content.check_content

    def meanwhile(*arguments: object) -> object:
        git = bench.hub.storage.repositories.open(bench.repo.id)
        other = bench.copy.git("commit-tree", f"{bench.old}^{{tree}}", "-p", bench.old, "-m", "other")
        bench.copy.git("push", "--quiet", str(git.path), f"{other}:{MAIN}")
        return checked(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(git_push, "check_content", meanwhile)
    report = send(bench.client, bench.address, body([(bench.old, bench.new, MAIN)], bench.pack))
    assert "fetch first" in report.refs[MAIN]
    assert bench.head() not in (bench.old, bench.new)
    assert not list((bench.hub.storage.repositories.path(bench.repo.id) / "objects" / "pack").glob(f"*{bench.new}*"))


def test_a_repo_that_is_deleted_meanwhile(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = push_content.check_content

    def meanwhile(*arguments: object) -> object:
        found = checked(*arguments)  # type: ignore[arg-type]
        repos.delete(bench.hub, actor(bench.hub, "alice"), RepoKind.MODEL, bench.repo.repo_id)
        return found

    monkeypatch.setattr(git_push, "check_content", meanwhile)
    report = send(bench.client, bench.address, body([(bench.old, bench.new, MAIN)], bench.pack))
    assert "Repository not found" in report.refs[MAIN]
    assert not bench.hub.storage.repositories.exists(bench.repo.id)


def test_a_fault_of_the_hub_is_told_without_its_details(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError("/secret/place")

    monkeypatch.setattr(git_push, "check_content", fault)
    report = send(bench.client, bench.address, body([(bench.old, bench.new, MAIN)], bench.pack))
    assert report.unpack.startswith("unpack The hub failed")
    assert report.refs == {MAIN: "the hub failed"}
    assert "secret" not in str(report)
    assert not bench.left_behind()


def test_signs_of_life_while_a_lock_is_held(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive_pack, "KEEP_ALIVE_SECONDS", 0.05)
    held = DiskLocks(bench.hub.storage.root / "locks")
    with held.hold(f"repo-{bench.repo.id}"):
        found: list[bytes] = []
        request = body([(bench.old, bench.new, MAIN)], bench.pack)
        thread = threading.Thread(
            target=lambda: found.append(
                bench.client.post(f"{bench.address}/git-receive-pack", content=request, headers=TYPE).content
            )
        )
        thread.start()
        thread.join(1)
        assert thread.is_alive()
    thread.join(30)
    assert b"0005\x01" * 3 in found[0]
    assert read_report(found[0]).refs == {MAIN: ""}


def test_a_crowd_of_pushes_is_told_to_come_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_push, "PATIENCE_SECONDS", 0.1)
    request = body([(bench.old, bench.new, MAIN)], bench.pack)
    bench.hub.slots._taken["push"] = 4 * bench.hub.settings.git_processes
    response = bench.client.post(f"{bench.address}/git-receive-pack", content=request, headers=TYPE)
    assert response.status_code == 503
    bench.hub.slots._taken["push"] = 0
    assert send(bench.client, bench.address, request).refs == {MAIN: ""}
    bench.client.post(f"{bench.address}/git-receive-pack", content=b"malformed", headers=TYPE)
    assert bench.hub.slots._taken["push"] == 0


def test_one_name_twice(steady: Bench) -> None:
    commands = [(ZERO, steady.new, "refs/heads/x"), (ZERO, steady.old, "refs/heads/x")]
    report = send(steady.client, steady.address, body(commands, steady.pack))
    assert report.refs == {"refs/heads/x": "it is named twice in this push"}


@pytest.mark.parametrize(
    "request_body",
    [
        b"00",
        b"zzzz",
        b"0001",
        b"fff1" + b"x" * 70_000,
        b"0x1aabc",
        b"000chello, w",
        b"0010not a command0000",
        b"0069" + b"0" * 40 + b" " + b"1" * 40 + b" refs/heads/x\0caps",
        body([(ZERO, ZERO, "refs/heads/x")], b""),
        body([], b"PACK"),
        body([("1" * 40, "2" * 40, "refs/heads/\x01")], b"")[:-4],
    ],
)
def test_what_is_no_push_is_refused_as_such(steady: Bench, request_body: bytes) -> None:
    response = steady.client.post(f"{steady.address}/git-receive-pack", content=request_body, headers=TYPE)
    assert response.status_code == 400, response.content
    assert response.headers["content-type"].startswith("text/plain")


def test_too_many_and_too_long_commands(steady: Bench) -> None:
    commands = [(ZERO, "1" * 40, f"refs/heads/{number}") for number in range(git_push.MAX_COMMANDS + 1)]
    response = steady.client.post(f"{steady.address}/git-receive-pack", content=body(commands, b""), headers=TYPE)
    assert response.status_code == 413
    endless = b"0035shallow " + b"1" * 40 + b"\n"
    response = steady.client.post(f"{steady.address}/git-receive-pack", content=endless * 200_000, headers=TYPE)
    assert response.status_code == 413


@pytest.mark.parametrize("cut", [0, 3, 11, 12, 13, 40, -21, -1])
def test_a_pack_that_is_cut_short(steady: Bench, cut: int) -> None:
    report = send(steady.client, steady.address, body([(steady.old, steady.new, MAIN)], steady.pack[:cut]))
    assert report.unpack != "unpack ok"
    assert report.refs == {MAIN: "unpacker error"}
    assert steady.head() == steady.old
    assert not steady.left_behind()


def test_a_pack_that_lacks_what_it_builds_on(bench: Bench) -> None:
    later = bench.copy.commit_files({"b/c.txt": "later\n"})
    pack = pack_of(bench.copy, later, f"^{bench.new}")
    report = send(bench.client, bench.address, body([(bench.old, later, MAIN)], pack))
    assert report.refs == {MAIN: "unpacker error"}
    assert bench.head() == bench.old


def test_a_commit_that_never_came(bench: Bench) -> None:
    report = send(bench.client, bench.address, body([(bench.old, "1" * 40, MAIN)], bench.pack))
    assert "did not come" in report.unpack
    assert bench.head() == bench.old


def test_a_branch_to_what_is_there_needs_an_empty_pack_only(bench: Bench) -> None:
    nothing = pack_of(bench.copy)
    report = send(bench.client, bench.address, body([(ZERO, bench.old, "refs/heads/copy")], nothing))
    assert report.refs == {"refs/heads/copy": ""}
    assert not list((bench.hub.storage.repositories.path(bench.repo.id) / "objects" / "pack").glob("*"))


def test_a_tree_that_contains_itself_many_times_over_is_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten folders of ten folders ...: a few hundred bytes that stand for ten thousand million files."""
    monkeypatch.setattr(incoming, "MAX_CHANGES", 20_000)
    below = bench.copy.git("hash-object", "-w", "--stdin", stdin="x")
    for level in range(10):
        mode, kind = ("100644", "blob") if level == 0 else ("040000", "tree")
        listing = "".join(f"{mode} {kind} {below}\td{number}\n" for number in range(10))
        below = bench.copy.git("mktree", stdin=listing)
    bomb = bench.copy.git("commit-tree", below, "-p", bench.old, "-m", "bomb")
    pack = pack_of(bench.copy, bomb, f"^{bench.old}")
    report = send(bench.client, bench.address, body([(ZERO, bomb, "refs/heads/bomb")], pack))
    assert "changes more than 20000 files" in report.refs["refs/heads/bomb"]
    assert not bench.left_behind()


def test_bytes_over_the_limit_are_refused_with_a_reason(tmp_path: Path) -> None:
    hub = make_hub(tmp_path, max_push_bytes=300_000)
    bench = _bench(tmp_path, hub)
    new = bench.copy.commit_files({"noise": os.urandom(400_000)})
    pack = pack_of(bench.copy, new, f"^{bench.old}")
    report = send(bench.client, bench.address, body([(bench.old, new, MAIN)], pack))
    assert "more than the 300000 bytes that are taken in one push" in report.unpack
    assert not bench.left_behind()
    huge = body([(bench.old, new, MAIN)], pack) + bytes(300_000)
    assert bench.client.post(f"{bench.address}/git-receive-pack", content=huge, headers=TYPE).status_code == 413
    bomb = gzip.compress(bytes(50_000_000))
    headers = {**TYPE, "content-encoding": "gzip"}
    assert bench.client.post(f"{bench.address}/git-receive-pack", content=bomb, headers=headers).status_code in (
        400,
        413,
    )
    assert not bench.left_behind()
    hub.storage.close()


def test_the_owners_quota_holds_for_packs(tmp_path: Path) -> None:
    hub = make_hub(tmp_path, quota_bytes=200_000)
    bench = _bench(tmp_path, hub)
    new = bench.copy.commit_files({"noise": os.urandom(300_000)})
    report = send(
        bench.client, bench.address, body([(bench.old, new, MAIN)], pack_of(bench.copy, new, f"^{bench.old}"))
    )
    assert report.unpack == "unpack ok"
    assert "does not fit" in report.refs[MAIN]
    hub.storage.close()


def test_a_hub_that_only_reads_says_so(tmp_path: Path) -> None:
    hub = make_hub(tmp_path)
    bench = _bench(tmp_path, hub)
    hub.storage.close()
    reading = make_hub(tmp_path, read_only=True)
    client = client_of(reading, bench.client.headers["authorization"].removeprefix("Bearer "))
    response = client.get(f"{bench.address}/info/refs?service=git-receive-pack")
    assert response.status_code == 503
    assert "read-only" in response.text
    report = send(client, bench.address, body([(bench.old, bench.new, MAIN)], bench.pack))
    assert "read-only" in report.refs[MAIN]
    assert client.get(f"{bench.address}/info/refs?service=git-upload-pack").status_code == 200
    reading.storage.close()


def test_gzip_that_is_none(steady: Bench) -> None:
    for content in (b"not gzip", gzip.compress(b"0000")[:-3], gzip.compress(b"0000") + b"more"):
        headers = {**TYPE, "content-encoding": "gzip"}
        response = steady.client.post(f"{steady.address}/git-receive-pack", content=content, headers=headers)
        assert response.status_code == 400
    headers = {**TYPE, "content-encoding": "br"}
    assert steady.client.post(f"{steady.address}/git-receive-pack", content=b"0000", headers=headers).status_code == 400


@st.composite
def _mutations(draw: st.DrawFn) -> list[tuple[str, int, bytes]]:
    kinds = st.sampled_from(["replace", "insert", "delete", "cut"])
    places = st.integers(0, 10_000)
    return draw(st.lists(st.tuples(kinds, places, st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations=_mutations())
def test_mutated_requests_are_refused_and_harm_nothing(steady: Bench, mutations: list[tuple[str, int, bytes]]) -> None:
    data = body([(steady.old, steady.new, "refs/heads/mutated"), (ZERO, steady.new, "refs/heads/more")], steady.pack)
    for kind, place, content in mutations:
        at = place % (len(data) + 1)
        if kind == "replace":
            data = data[:at] + content + data[at + len(content) :]
        elif kind == "insert":
            data = data[:at] + content + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + len(content) :]
        else:
            data = data[:at]
    response = steady.client.post(f"{steady.address}/git-receive-pack", content=data, headers=TYPE)
    assert response.status_code in (200, 400, 413)
    assert b"the hub failed" not in response.content
    assert steady.head() == steady.old
    assert not steady.left_behind()
    refs = steady.hub.storage.repositories.open(steady.repo.id).targets()
    assert set(refs.values()) <= {steady.old, steady.new}
    assert "refs/heads/mutated" not in refs


def test_what_dead_pushes_left_is_discarded(bench: Bench) -> None:
    root = bench.hub.storage.repositories.quarantines.root
    (root / "old-1" / "pack").mkdir(parents=True)
    (root / "old-1" / "pack" / "tmp_pack_x").write_bytes(b"PACK")
    for path in (root / "old-1" / "pack" / "tmp_pack_x", root / "old-1" / "pack", root / "old-1"):
        os.utime(path, (1, 1))
    (root / "fresh-2" / "pack").mkdir(parents=True)
    assert git_push.discard_stale_quarantines(bench.hub, 3600) == 1
    assert [path.name for path in root.iterdir()] == ["fresh-2"]
