"""Races over a served hub of two processes: whatever was acknowledged is there afterwards, and nothing is damaged."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.repos import Repo
from openshelf.domain.tree import Blob
from openshelf.services import fetch, gc, repack, repos
from openshelf.services.hub import Hub
from openshelf.storage.repositories import history
from tests.durability import scenes, state
from tests.durability.scenes import Scene
from tests.hubs import actor, add_user
from tests.interfaces.git.working_copy import WorkingCopy
from tests.interfaces.xet.material import noise, pack
from tests.served import Served, serve

PATIENCE_SECONDS = 90.0
NDJSON = {"content-type": "application/x-ndjson"}

Upload = tuple[Callable[[Scene, Any, bytes], None], bytes]


@dataclass
class World:
    """A served hub, and what it has acknowledged: (id of the repo, path) to the sha256 of the file."""

    served: Served
    token: str
    folder: Path
    told: dict[tuple[str, str], str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @property
    def hub(self) -> Hub:
        return self.served.hub

    @property
    def api(self) -> HfApi:
        return HfApi(endpoint=self.served.url, token=self.token)

    def make(self, name: str) -> Repo:
        return repos.create(self.hub, actor(self.hub, "ada"), RepoKind.MODEL, name)

    def commit(self, repo: Repo, name: str, path: str, content: bytes) -> None:
        """By the API, under whatever name; what is refused is tried again, as clients do."""
        operation = CommitOperationAdd(path, content)
        self.until_done(lambda: self.api.create_commit(f"ada/{name}", [operation], commit_message=path))
        self.told[repo.id, path] = hashlib.sha256(content).hexdigest()

    def copy(self, name: str, folder: str) -> WorkingCopy:
        home = self.folder / f"{folder}-home"
        home.mkdir()
        here = WorkingCopy(self.folder, home)
        here.git("clone", "--quiet", self.served.remote(self.token, f"ada/{name}"), folder)
        return here.at(self.folder / folder)

    def push(self, repo: Repo, copy: WorkingCopy, path: str, content: bytes) -> None:
        copy.commit_files({path: content}, path)

        def push() -> None:
            copy.git("pull", "--quiet", "--rebase", "origin", "main")
            copy.git("push", "--quiet", "origin", "HEAD:refs/heads/main")

        self.until_done(push)
        self.told[repo.id, path] = hashlib.sha256(content).hexdigest()

    def until_done(self, work: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                work()
                return
            except Exception:
                if time.monotonic() > deadline:
                    raise

    def at_once(self, *work: Callable[[], None], beside: Callable[[], object] | None = None) -> None:
        """Each in a thread of its own; ``beside`` again and again until they have ended."""
        threads = [threading.Thread(target=self._run, args=(each,)) for each in work]
        over = threading.Event()
        other = threading.Thread(target=self._repeat, args=(beside, over)) if beside else None
        for thread in (*threads, *([other] if other else [])):
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        if other:
            other.join()
        assert self.failed == []

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            self.failed.append(f"{type(error).__name__}: {error}")

    def _repeat(self, work: Callable[[], object], over: threading.Event) -> None:
        while not over.is_set() and not self.failed:
            self._run(work)

    def check(self) -> None:
        """All that was told is at the head of its repo."""
        for (repo_id, path), sha256 in self.told.items():
            git = self.hub.storage.repositories.open(repo_id)
            repo = repos.find_by_id(self.hub, actor(self.hub, "ada"), repo_id)
            content = fetch.content(self.hub, repo, git, git.entry(git.resolve("main").commit, path))
            assert state.digest(content) == sha256, path
        assert state.damage(self.hub) == []

    def commits(self, repo: Repo) -> int:
        git = self.hub.storage.repositories.open(repo.id)
        return history.count(git, git.resolve("main").commit)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    with serve(tmp_path_factory.mktemp("served"), workers=2) as running:
        yield running, add_user(running.hub, "ada")[1]


@pytest.fixture
def world(served: tuple[Served, str], tmp_path: Path) -> World:
    return World(*served, tmp_path)


def test_many_writers_on_one_branch_lose_nothing(world: World) -> None:
    repo = world.make("many")

    def by_api(writer: int) -> None:
        for number in range(4):
            world.commit(repo, "many", f"api-{writer}-{number}.txt", b"%d %d\n" % (writer, number))

    def by_git(writer: int) -> None:
        copy = world.copy("many", f"many-{writer}")
        for number in range(2):
            world.push(repo, copy, f"git-{writer}-{number}.txt", b"%d %d\n" % (writer, number))

    world.at_once(*(lambda w=w: by_api(w) for w in range(3)), *(lambda w=w: by_git(w) for w in range(2)))
    assert len(world.told) == 3 * 4 + 2 * 2
    assert world.commits(repo) == 1 + len(world.told)
    world.check()


def test_a_rename_beside_pushes_to_the_old_and_the_new_name_loses_nothing(world: World) -> None:
    repo, names = world.make("name-0"), [f"name-{number}" for number in range(4)]
    copy = world.copy("name-0", "renamed")
    begun = threading.Barrier(4)
    now = [names[0]]

    def by_api(name: Callable[[], str], writer: str) -> None:
        begun.wait()
        for number in range(4):
            world.commit(repo, name(), f"{writer}-{number}.txt", f"{writer} {number}\n".encode())

    def by_git() -> None:
        begun.wait()
        for number in range(3):
            world.push(repo, copy, f"git-{number}.txt", b"%d\n" % number)

    def rename() -> None:
        begun.wait()
        for number, (old, new) in enumerate(pairwise(names)):
            while len(world.told) < 2 * number + 1 and not world.failed:
                time.sleep(0.01)
            world.api.move_repo(f"ada/{old}", f"ada/{new}")
            now[0] = new

    world.at_once(lambda: by_api(lambda: names[0], "old"), lambda: by_api(lambda: now[0], "new"), by_git, rename)
    assert world.commits(repo) == 1 + len(world.told) == 1 + 4 + 4 + 3
    world.check()
    for name in names:
        assert repos.find(world.hub, actor(world.hub, "ada"), RepoKind.MODEL, RepoId("ada", name)).id == repo.id
        answer = httpx.get(f"{world.served.url}/ada/{name}/resolve/main/git-0.txt", follow_redirects=True)
        assert answer.content == b"0\n"


def test_clones_beside_repacking_are_whole(world: World) -> None:
    repo = world.make("packed")
    for number in range(3):
        world.commit(repo, "packed", f"first-{number}.txt", b"%d\n" % number)

    def clone(reader: int) -> None:
        for number in range(3):
            copy = world.copy("packed", f"clone-{reader}-{number}")
            copy.git("fsck", "--full", "--strict")
            assert (copy.folder / "first-0.txt").read_bytes() == b"0\n"

    def write() -> None:
        for number in range(6):
            world.commit(repo, "packed", f"later-{number}.txt", b"%d\n" % number)

    world.at_once(lambda: clone(1), lambda: clone(2), write, beside=lambda: repack.repack(world.hub, repo.id))
    assert world.commits(repo) == 1 + len(world.told)
    world.check()


def test_garbage_collection_beside_uploads_of_what_it_is_about_to_take_loses_nothing(world: World) -> None:
    repo, scene = world.make("m"), Scene(world.folder)
    uploads: list[Upload] = [((send_by_lfs, send_by_xet)[seed % 2], noise(30_000, seed)) for seed in range(12)]
    collected: list[gc.Collected] = []
    headers = {"authorization": f"Bearer {world.token}"}
    with httpx.Client(base_url=world.served.url, headers=headers, timeout=60) as client:
        for send, content in uploads:
            send(scene, client, content)
        scenes.age(world.hub)

        def upload(send: Callable[[Scene, Any, bytes], None], content: bytes) -> None:
            blob = Blob(hashlib.sha256(content).hexdigest(), len(content))
            send(scene, client, content)
            scenes.ask(client, "POST", "/api/models/ada/m/commit/main", content=commit_of(blob), headers=NDJSON)
            world.told[repo.id, f"{blob.sha256}.bin"] = blob.sha256

        def uploader(mine: list[Upload]) -> None:
            for send, content in mine:
                world.until_done(lambda: upload(send, content))  # noqa: B023 - it is over before the next

        world.at_once(
            *(lambda part=part: uploader(uploads[part::3]) for part in range(3)),
            beside=lambda: collected.append(gc.collect(world.hub, dry_run=False)),
        )
    assert len(world.told) == len(uploads)
    assert sum(each.blobs for each in collected) > 0
    world.check()


def send_by_lfs(scene: Scene, client: Any, content: bytes) -> None:
    scenes.lfs_upload(scene, client, content)


def send_by_xet(scene: Scene, client: Any, content: bytes) -> None:
    scenes.xet_upload(scene, client, pack(content))


def commit_of(blob: Blob) -> bytes:
    lines: list[dict[str, Any]] = [
        {"key": "header", "value": {"summary": "one more"}},
        {
            "key": "lfsFile",
            "value": {"path": f"{blob.sha256}.bin", "algo": "sha256", "oid": blob.sha256, "size": blob.size},
        },
    ]
    return "\n".join(json.dumps(line) for line in lines).encode()
