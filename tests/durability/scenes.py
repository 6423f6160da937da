"""The operations that faults are injected into: what is there before, what is done, what must be true after.

A scene lives in a folder: ``disk`` is watched and holds the data folder; ``plan.json`` and ``acknowledged`` beside it
are the client's own memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from starlette.testclient import TestClient

from openshelf.app import open_hub
from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.tree import AddInline, Blob
from openshelf.interfaces.asgi import build
from openshelf.services import chunk_blob, gc, push, repack, repos
from openshelf.services.hub import Hub, now
from openshelf.settings import Settings
from openshelf.storage.catalogue.schema import blobs as blob_table
from openshelf.storage.catalogue.schema import repo_blobs, xet_files, xorbs
from tests.durability.upkeep import back_up, first_start, forget_everything, go_back, restore
from tests.hubs import actor, add_user
from tests.interfaces.git.push_request import TYPE, ZERO, body, pack_of, read_report
from tests.interfaces.git.working_copy import WorkingCopy
from tests.interfaces.xet.material import Cas, Packed, noise, pack
from tests.services.bytes_in_hub import commit, store

PART = 100_000
MAIN = "refs/heads/main"
KEPT, UNUSED, CHUNKED = noise(70_000, 1), noise(80_000, 2), noise(120_000, 3)
SENT, LOST = noise(250_000, 4), noise(150_000, 5)
_LFS = {"content-type": "application/vnd.git-lfs+json", "accept": "application/vnd.git-lfs+json"}
_LONG_AGO = timedelta(days=40)


class Refused(Exception):
    """The hub answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status, self.text = status, text


@dataclass(frozen=True)
class Scene:
    """A folder with a data folder, and who works in it."""

    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def disk(self) -> Path:
        return self.folder / "disk"

    @property
    def data(self) -> Path:
        return self.disk / "data"

    def open(self) -> Hub:
        return open_hub(
            Settings(
                data=self.data,
                rate_limit_requests=0,
                rate_limit_anonymous=0,
                lfs_part_bytes=PART,
                **self.settings,
            )
        )

    @property
    def plan(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "plan.json").read_text())
        return found

    def set_plan(self, **plan: Any) -> None:
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def acknowledge(self, kind: str, what: str) -> None:
        """Note that the hub has said so; what it has said must hold from now on."""
        with (self.folder / "acknowledged").open("a") as file:
            file.write(f"{kind} {what}\n")

    def acknowledged(self) -> list[tuple[str, str]]:
        path = self.folder / "acknowledged"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split(" ")[0], line.split(" ", 1)[1]) for line in lines]


@dataclass(frozen=True)
class Operation:
    """``begin`` makes the scene; ``work`` does it as a client, and may be repeated until it succeeds.

    ``is_one_step``: whether what readers see changes at once, from the state before to that after.
    """

    name: str
    begin: Callable[[Scene, Hub], None]
    work: Callable[[Scene], None]
    before: Callable[[Scene], None] = lambda _scene: None
    """Done to the closed data folder after ``begin``."""
    after: Callable[[Scene], None] = lambda _scene: None
    """What a client does when it comes back; it must succeed."""
    is_one_step: bool = True


# Asking


def ask(client: Any, method: str, address: str, **options: Any) -> Any:
    """The answer; raises Refused for an error."""
    parts = urlsplit(address)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    answer = client.request(method, path, **options)
    if answer.status_code >= 400:
        raise Refused(answer.status_code, answer.text)
    return answer


def client_of(hub: Hub, token: str | None) -> TestClient:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return TestClient(build(hub), headers=headers, follow_redirects=False, raise_server_exceptions=False)


def with_client(scene: Scene, work: Callable[[Scene, TestClient], None]) -> None:
    hub = scene.open()
    try:
        work(scene, client_of(hub, scene.plan["token"]))
    finally:
        hub.storage.close()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# Before


def _begin(scene: Scene, hub: Hub, **more: Any) -> None:
    """A user, and a repo with a card, a blob that is kept whole and a folder."""
    _, token = add_user(hub, "ada")
    ada = actor(hub, "ada")
    repo = repos.create(hub, ada, RepoKind.MODEL, "m")
    kept = store(hub, repo, KEPT)
    commit(hub, ada, repo, ("kept.bin", kept), ("README.md", b"# A model of things\n"), ("sub/a.txt", b"a\n"))
    scene.set_plan(token=token, repo=repo.id, blobs=[sha256(KEPT)], **more)


def _upload_begin(scene: Scene, hub: Hub) -> None:
    _begin(scene, hub)


# Uploads


def _lfs_batch(client: TestClient, content: bytes) -> dict[str, Any]:
    request = {
        "operation": "upload",
        "transfers": ["basic", "multipart"],
        "objects": [{"oid": sha256(content), "size": len(content)}],
        "hash_algo": "sha256",
    }
    answer = ask(client, "POST", "/ada/m.git/info/lfs/objects/batch", json=request, headers=_LFS).json()
    found: dict[str, Any] = answer["objects"][0]
    if "error" in found:
        raise Refused(found["error"]["code"], found["error"]["message"])
    return dict(found.get("actions", {}))


def lfs_upload(scene: Scene, client: TestClient, content: bytes) -> None:
    actions = _lfs_batch(client, content)
    if "upload" in actions:
        href, header = actions["upload"]["href"], actions["upload"].get("header", {})
        if "chunk_size" in header:
            size = int(header["chunk_size"])
            addresses = [header[key] for key in sorted(header) if key.isdigit()]
            parts = []
            for number, address in enumerate(addresses, 1):
                piece = content[(number - 1) * size : number * size]
                answer = ask(client, "PUT", address, content=piece)
                parts.append({"partNumber": number, "etag": answer.headers["etag"]})
            ask(client, "POST", href, json={"oid": sha256(content), "parts": parts}, headers=_LFS)
        else:
            ask(client, "PUT", href, content=content)
    if "verify" in actions:
        ask(client, "POST", actions["verify"]["href"], json={"oid": sha256(content), "size": len(content)})
    scene.acknowledge("blob", sha256(content))


def _lfs_small(scene: Scene) -> None:
    with_client(scene, lambda scene, client: lfs_upload(scene, client, SENT[:PART]))


def _lfs_in_parts(scene: Scene) -> None:
    with_client(scene, lambda scene, client: lfs_upload(scene, client, SENT))


def xet_upload(scene: Scene, client: TestClient, file: Packed) -> None:
    token = ask(client, "GET", "/api/models/ada/m/xet-write-token/main").json()["accessToken"]
    cas = Cas(client, token)
    # A client with memory asks about the chunk first; one that is told of a xorb does not send it.
    _check(cas.xorb(file.xorb))
    answer = _check(cas.ask("POST", "/v2/shards", content=file.shard))
    last = json.loads(answer.text.splitlines()[-1])
    if last.get("type") != "result":
        raise Refused(500, answer.text)
    scene.acknowledge("blob", file.sha256)


def _check(answer: Any) -> Any:
    if answer.status_code >= 400:
        raise Refused(answer.status_code, answer.text)
    return answer


def _xet(scene: Scene) -> None:
    with_client(scene, lambda scene, client: xet_upload(scene, client, pack(SENT)))


# Commits


def _commit_begin(scene: Scene, hub: Hub) -> None:
    _begin(scene, hub)
    repo = _repo(hub)
    store(hub, repo, SENT)
    scene.set_plan(**scene.plan | {"blobs": [sha256(KEPT), sha256(SENT)]})


def _repo(hub: Hub) -> Any:
    return repos.find(hub, actor(hub, "ada"), RepoKind.MODEL, RepoId("ada", "m"))


def _send_commit(_scene: Scene, client: TestClient) -> None:
    def line(key: str, **value: Any) -> bytes:
        return json.dumps({"key": key, "value": value}).encode()

    card = base64.b64encode(b"# Another model of wonders\n").decode()
    lines = [
        line("header", summary="new", description=""),
        line("file", path="README.md", content=card, encoding="base64"),
        line("file", path="deep/er/b.txt", content=base64.b64encode(b"b\n").decode(), encoding="base64"),
        line("lfsFile", path="w.bin", algo="sha256", oid=sha256(SENT), size=len(SENT)),
        line("deletedFile", path="sub/a.txt"),
    ]
    headers = {"content-type": "application/x-ndjson"}
    answer = client.post("/api/models/ada/m/commit/main", content=b"\n".join(lines), headers=headers)
    # A client that had no answer may find that its deletion is done.
    if answer.status_code == 404 and "deleted" not in answer.text and "sub/a.txt" in answer.text:
        _scene.acknowledge("state", "after")
        return
    _scene.acknowledge("commit", str(_check(answer).json()["commitOid"]))


def _commit(scene: Scene) -> None:
    with_client(scene, _send_commit)


# Pushes


def _push_begin(scene: Scene, hub: Hub) -> None:
    _commit_begin(scene, hub)
    home = scene.folder / "home"
    home.mkdir()
    here = WorkingCopy(scene.folder, home)
    copy = here.clone(str(hub.storage.repositories.path(_repo(hub).id)), "copy")
    old = copy.git("rev-parse", "HEAD")
    pointer = Blob(sha256(SENT), len(SENT)).pointer()
    new = copy.commit_files({"w.bin": pointer, "README.md": "# Pushed wonders\n", "x/y.txt": "y\n"})
    (scene.folder / "pack").write_bytes(pack_of(copy, new, f"^{old}"))
    scene.set_plan(**scene.plan | {"old": old, "new": new})


def _push(names: tuple[str, ...], scene: Scene, client: TestClient) -> None:
    """As git does: look where the refs are, and send what is not there."""
    plan = scene.plan
    listed = ask(client, "GET", "/ada/m.git/info/refs?service=git-receive-pack").text
    olds = {name: plan["old"] if name == MAIN else ZERO for name in names}
    commands = [(olds[name], plan["new"], name) for name in names if f"{plan['new']} {name}" not in listed]
    if not commands:
        return
    request = body(commands, (scene.folder / "pack").read_bytes())
    answer = ask(client, "POST", "/ada/m.git/git-receive-pack", content=request, headers=TYPE)
    report = read_report(answer.content)
    if report.unpack != "unpack ok" or any(report.refs.values()):
        raise Refused(500, f"{report.unpack} {report.refs}")
    for name in names:
        scene.acknowledge("ref", f"{name} {plan['new']}")


def _push_one(scene: Scene) -> None:
    with_client(scene, lambda scene, client: _push((MAIN,), scene, client))


def _push_many(scene: Scene) -> None:
    names = (MAIN, "refs/heads/next", "refs/tags/v1")
    with_client(scene, lambda scene, client: _push(names, scene, client))


# Garbage collection, chunking, repacking


def _gc_begin(scene: Scene, hub: Hub) -> None:
    """Blobs and xorbs that nobody has used for long beside such that are used."""
    _begin(scene, hub)
    repo = _repo(hub)
    store(hub, repo, UNUSED)
    client = client_of(hub, scene.plan["token"])
    xet_upload(scene, client, pack(CHUNKED))
    xet_upload(scene, client, pack(LOST))
    commit(hub, actor(hub, "ada"), repo, ("chunked.bin", Blob(sha256(CHUNKED), len(CHUNKED))))
    (scene.folder / "acknowledged").unlink()
    age(hub)
    scene.set_plan(**scene.plan | {"blobs": [sha256(KEPT), sha256(CHUNKED)]})


def age(hub: Hub) -> None:
    """Let all bytes have come, and have been used last, before the grace period of garbage collection."""
    moment = now() - _LONG_AGO
    with hub.storage.catalogue.write() as tx:
        tx.execute(sa.update(blob_table).values(used_at=moment, created_at=moment))
        tx.execute(sa.update(repo_blobs).values(linked_at=moment))
        tx.execute(sa.update(xorbs).values(used_at=moment, created_at=moment))
        tx.execute(sa.update(xet_files).values(created_at=moment))


def _collect(scene: Scene) -> None:
    hub = scene.open()
    try:
        gc.collect(hub, dry_run=False)
    finally:
        hub.storage.close()


def _send_again(scene: Scene, client: TestClient) -> None:
    """Whoever sends again what was collected, or was about to be, gets it stored."""
    lfs_upload(scene, client, UNUSED)
    token = ask(client, "GET", "/api/models/ada/m/xet-write-token/main").json()["accessToken"]
    cas, file = Cas(client, token), pack(LOST)
    if cas.chunk(file.xorb).status_code == 404:
        _check(cas.xorb(file.xorb))
    answer = _check(cas.ask("POST", "/v2/shards", content=file.shard))
    if json.loads(answer.text.splitlines()[-1]).get("type") != "result":
        raise Refused(500, answer.text)
    scene.acknowledge("blob", file.sha256)


def _chunk(scene: Scene) -> None:
    hub = scene.open()
    try:
        chunk_blob.chunk_blob(hub, sha256(KEPT))
    finally:
        hub.storage.close()


def _repack_begin(scene: Scene, hub: Hub) -> None:
    _begin(scene, hub)
    for number in range(3):
        commit(hub, actor(hub, "ada"), _repo(hub), (f"{number}.txt", b"%d\n" % number))


def _repack(scene: Scene) -> None:
    hub = scene.open()
    try:
        repack.repack(hub, scene.plan["repo"])
    finally:
        hub.storage.close()


# Repos


def _create(scene: Scene) -> None:
    def work(_scene: Scene, client: TestClient) -> None:
        answer = client.post("/api/repos/create", json={"type": "model", "name": "n", "private": False})
        if answer.status_code != 409:
            _check(answer)

    with_client(scene, work)


def _delete_begin(scene: Scene, hub: Hub) -> None:
    _begin(scene, hub)
    doomed = repos.create(hub, actor(hub, "ada"), RepoKind.MODEL, "doomed")
    push.commit(hub, actor(hub, "ada"), doomed, "main", [AddInline("a", b"a")], "a")


def _delete(scene: Scene) -> None:
    def work(_scene: Scene, client: TestClient) -> None:
        answer = client.request("DELETE", "/api/repos/delete", json={"type": "model", "name": "doomed"})
        if answer.status_code != 404:
            _check(answer)

    with_client(scene, work)


# Downloads


def _download_begin(scene: Scene, hub: Hub) -> None:
    _begin(scene, hub)
    xet_upload(scene, client_of(hub, scene.plan["token"]), pack(CHUNKED))
    (scene.folder / "acknowledged").unlink()
    commit(hub, actor(hub, "ada"), _repo(hub), ("chunked.bin", Blob(sha256(CHUNKED), len(CHUNKED))))


def _download(scene: Scene) -> None:
    """Every file in every form; an error is an answer, other bytes are not."""

    def work(scene: Scene, client: TestClient) -> None:
        cut = ""
        for path, wanted in (("kept.bin", KEPT), ("chunked.bin", CHUNKED), ("sub/a.txt", b"a\n")):
            try:
                answer = ask(client, "GET", f"/ada/m/resolve/main/{path}")
            except Refused as error:
                cut = str(error)
                continue
            if answer.status_code == 302:
                answer = _check(client.get(answer.headers["location"]))
            if len(answer.content) < int(answer.headers["content-length"]):
                # The connection ends before the announced size: clients see that, and try again.
                cut = "the administrator finds the fault in the log"
            elif answer.content != wanted:
                scene.acknowledge("wrong", path)
        if cut:
            raise Refused(500, cut)

    with_client(scene, work)


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("lfs", _upload_begin, _lfs_small),
        Operation("lfs-parts", _upload_begin, _lfs_in_parts),
        Operation("xet", _upload_begin, _xet),
        Operation("commit", _commit_begin, _commit),
        Operation("push", _push_begin, _push_one),
        Operation("push-many", _push_begin, _push_many, is_one_step=False),
        Operation("gc", _gc_begin, _collect, after=lambda scene: with_client(scene, _send_again)),
        Operation("chunk-blob", _upload_begin, _chunk),
        Operation("repack", _repack_begin, _repack),
        Operation("download", _download_begin, _download),
        Operation("create", _upload_begin, _create),
        Operation("delete", _delete_begin, _delete),
        Operation("upgrade", _upload_begin, first_start, before=go_back),
        Operation("first-start", _upload_begin, first_start, before=forget_everything),
        Operation("backup", _upload_begin, back_up, after=restore),
    )
}


def make(operation: Operation, folder: Path) -> Scene:
    """The scene of an operation, in an empty folder."""
    scene = Scene(folder)
    scene.disk.mkdir(parents=True)
    hub = scene.open()
    operation.begin(scene, hub)
    hub.storage.close()
    operation.before(scene)
    return scene
