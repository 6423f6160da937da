"""The check finds each kind of disagreement; a backup made while pushes go on restores to a clean hub."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from openshelf.app import open_hub
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.domain.tree import Blob
from openshelf.errors import AccountNotFound, ConfigurationError, Conflict, Invalid
from openshelf.services import backup, fetch, fsck, housekeeping, repos
from openshelf.services import chunk_blob as chunking
from openshelf.services.hub import Hub, now
from openshelf.services.stored import REMOVAL_LOCK
from openshelf.settings import Settings
from openshelf.storage import search
from openshelf.storage.catalogue import blobs, migrate, refs
from openshelf.storage.catalogue import repos as repo_rows
from tests.hubs import actor as actor_named
from tests.hubs import add_user
from tests.services.bytes_in_hub import commit, start, store


def _filled(hub: Hub) -> tuple[Actor, Repo, Blob]:
    actor, repo = start(hub)
    blob = store(hub, repo, b"weights" * 10_000)
    commit(hub, actor, repo, ("w.bin", blob), ("README.md", b"# hello\n"))
    return actor, repo, blob


def _path(hub: Hub, blob: Blob) -> Path:
    found = hub.storage.blobs.local_path(blob.sha256)
    assert found is not None
    return found


def _lose(hub: Hub, _repo: Repo, blob: Blob) -> None:
    _path(hub, blob).unlink()


def _shorten(hub: Hub, _repo: Repo, blob: Blob) -> None:
    os.truncate(_path(hub, blob), 100)


def _forget_row(hub: Hub, repo: Repo, blob: Blob) -> None:
    with hub.storage.catalogue.write() as tx:
        blobs.unlink(tx, repo.id, blob.sha256)
        blobs.delete(tx, blob.sha256)


def _forget_row_and_bytes(hub: Hub, repo: Repo, blob: Blob) -> None:
    _forget_row(hub, repo, blob)
    _lose(hub, repo, blob)


def _unindex(hub: Hub, repo: Repo, _blob: Blob) -> None:
    with hub.storage.catalogue.write() as tx:
        search.remove(tx, repo.seq)


def _index_nothing(hub: Hub, repo: Repo, _blob: Blob) -> None:
    with hub.storage.catalogue.write() as tx:
        search.index(tx, replace(repo, seq=999), "a ghost")


def _lose_unused(hub: Hub, repo: Repo, _blob: Blob) -> None:
    unused = store(hub, repo, b"unused" * 100)
    _unlink(hub, repo, unused)
    _lose(hub, repo, unused)


def _break_chunks(hub: Hub, _repo: Repo, blob: Blob) -> None:
    with hub.storage.catalogue.write() as tx:
        blobs.save(tx, blob, now(), xet_hash=b"x" * 32)


def _lose_objects(hub: Hub, repo: Repo, _blob: Blob) -> None:
    for path in (hub.storage.repositories.path(repo.id) / "objects").glob("??/*"):
        path.unlink()


def _lose_all_objects(hub: Hub, repo: Repo, _blob: Blob) -> None:
    shutil.rmtree(hub.storage.repositories.path(repo.id) / "objects")


def _lose_repository(hub: Hub, repo: Repo, _blob: Blob) -> None:
    shutil.rmtree(hub.storage.repositories.path(repo.id))


def _unlink(hub: Hub, repo: Repo, blob: Blob) -> None:
    with hub.storage.catalogue.write() as tx:
        blobs.unlink(tx, repo.id, blob.sha256)


def _lag(hub: Hub, repo: Repo, _blob: Blob) -> None:
    with hub.storage.catalogue.write() as tx:
        refs.record(tx, repo.id, "refs/heads/main", "0" * 40, now())


def _wrong_head(hub: Hub, repo: Repo, _blob: Blob) -> None:
    with hub.storage.catalogue.write() as tx:
        repo_rows.update(tx, repo.id, head="0" * 40)


def _leave_file(hub: Hub, _repo: Repo, _blob: Blob) -> None:
    writer = hub.storage.blobs.writer()
    writer.write(b"nobody knows me")
    path = _path(hub, writer.keep())
    os.utime(path, (time.time() - 10_000,) * 2)


Damage = Callable[[Hub, Repo, Blob], None]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_lose, "its file is missing"),
        (_shorten, "its file has 100 bytes, and should have 70000"),
        (_forget_row_and_bytes, "which is not stored"),
        (_lose_objects, "missing or damaged"),
        (_lose_all_objects, "cannot be opened as a git repository"),
        (_lose_repository, "missing"),
    ],
)
def test_losses_are_found_and_not_called_mended(hub: Hub, damage: Damage, message: str) -> None:
    _, repo, blob = _filled(hub)
    assert fsck.check(hub, deep=True).problems == ()
    damage(hub, repo, blob)
    found = fsck.check(hub, repair=True)
    assert any(message in problem.message and problem.lost and not problem.mended for problem in found.problems)
    assert not found.is_clean


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_unlink, "has no link to"),
        (_lag, f"and at {'0' * 40} in the catalogue"),
        (_wrong_head, "its head is recorded as"),
        (_leave_file, "no row of the catalogue knows this file"),
        (_forget_row, "whose bytes are there and whose row is not"),
        (_unindex, "search does not find it"),
        (_index_nothing, "search finds it, and it is gone"),
        (_lose_unused, "its file is missing; nobody uses it"),
        (_break_chunks, "its whole form is intact"),
    ],
)
def test_disagreements_are_mended(hub: Hub, damage: Damage, message: str) -> None:
    _, repo, blob = _filled(hub)
    damage(hub, repo, blob)
    (problem,) = fsck.check(hub).problems
    assert message in problem.message
    assert not problem.lost
    assert [p.mended for p in fsck.check(hub, repair=True).problems] == [True]
    assert fsck.check(hub, deep=True).problems == ()


def test_a_flipped_bit_is_found_by_reading_everything(hub: Hub) -> None:
    _, _, blob = _filled(hub)
    with _path(hub, blob).open("r+b") as file:
        file.seek(5000)
        file.write(b"X")
    assert fsck.check(hub).problems == ()
    (problem,) = fsck.check(hub, deep=True).problems
    assert "another sha256" in problem.message


def test_a_backup_restores(hub: Hub, tmp_path: Path) -> None:
    actor, repo, blob = _filled(hub)
    first = backup.back_up(hub, tmp_path / "copy")
    assert (first.repositories, first.objects, first.copied_objects, first.copied_bytes) == (1, 1, 1, 70_000)
    commit(hub, actor, repo, ("more.bin", store(hub, repo, b"more" * 1000)))
    repos.create(hub, actor, repo.kind, "second")
    second = backup.back_up(hub, tmp_path / "copy")
    assert (second.repositories, second.objects, second.copied_objects) == (2, 2, 1)
    backup.copy_back(tmp_path / "copy", tmp_path / "restored")
    restored = open_hub(Settings(data=tmp_path / "restored"))
    try:
        assert backup.finish_restore(restored, deep=True).problems == ()
        again = actor_named(restored, "ada")
        found = repos.find(restored, again, repo.kind, repo.repo_id)
        git, _, entry = fetch.file(restored, found, "main", "w.bin")
        assert b"".join(fetch.content(restored, found, git, entry).read(0, blob.size)) == b"weights" * 10_000
        commit(restored, again, found, ("after.txt", b"goes on"))
    finally:
        restored.storage.close()


def test_a_backup_beside_pushes_is_clean(hub: Hub, tmp_path: Path) -> None:
    actor, repo, _ = _filled(hub)
    stop = threading.Event()

    def push_on() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            commit(hub, actor, repo, (f"f{number}.bin", store(hub, repo, b"%d" % number * 1000)))
            if number % 5 == 0:
                repos.create(hub, actor, repo.kind, f"made-{number}")

    pushing = threading.Thread(target=push_on)
    pushing.start()
    try:
        for _ in range(3):
            backup.back_up(hub, tmp_path / "copy")
    finally:
        stop.set()
        pushing.join()
    backup.copy_back(tmp_path / "copy", tmp_path / "restored")
    restored = open_hub(Settings(data=tmp_path / "restored"))
    assert backup.finish_restore(restored, deep=True).problems == ()
    restored.storage.close()


def test_a_backup_leaves_out_what_is_damaged_and_keeps_the_copy_that_it_has(hub: Hub, tmp_path: Path) -> None:
    actor, repo, blob = _filled(hub)
    backup.back_up(hub, tmp_path / "copy")
    late = store(hub, repo, b"later" * 10_000)
    commit(hub, actor, repo, ("late.bin", late))
    for damaged in (blob, late):
        with _path(hub, damaged).open("r+b") as file:
            file.write(b"X")
    done = backup.back_up(hub, tmp_path / "copy")
    assert (done.objects, done.copied_objects, done.damaged_objects) == (2, 0, 1)
    backup.copy_back(tmp_path / "copy", tmp_path / "restored")
    restored = open_hub(Settings(data=tmp_path / "restored"))
    assert {problem.subject for problem in backup.finish_restore(restored, deep=True).problems} == {late.sha256}
    assert b"".join(restored.storage.blobs.read(blob.sha256)) == b"weights" * 10_000
    restored.storage.close()


def test_a_blob_that_is_chunked_during_a_backup_keeps_both_forms_until_later(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, blob = _filled(hub)
    monkeypatch.setattr(chunking, "_PATIENCE_SECONDS", 0.01)
    with hub.storage.locks.hold(REMOVAL_LOCK):
        chunking.chunk_blob(hub, blob.sha256)
    assert hub.storage.blobs.is_intact(blob.sha256)
    assert fsck.check(hub, deep=True).problems == ()
    assert housekeeping.let_go_of_second_forms(hub, threading.Event()) == 1
    chunking.chunk_blob(hub, blob.sha256)
    assert hub.storage.blobs.size(blob.sha256) is None
    assert fsck.check(hub, deep=True).problems == ()


@pytest.mark.parametrize("step", [(migrate, "copy_sqlite"), (backup, "_match")], ids=["before", "after the catalogue"])
def test_an_interrupted_backup_is_not_restored(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str]
) -> None:
    _filled(hub)
    backup.back_up(hub, tmp_path / "copy")
    add_user(hub, "later")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(*step, fail)
        with pytest.raises(OSError, match="disk full"):
            backup.back_up(hub, tmp_path / "copy")
    with pytest.raises(ConfigurationError, match="was interrupted"):
        backup.copy_back(tmp_path / "copy", tmp_path / "restored")
    backup.copy_back(tmp_path / "copy", tmp_path / "salvaged", even_interrupted=True)
    salvaged = open_hub(Settings(data=tmp_path / "salvaged"))
    assert backup.finish_restore(salvaged, deep=True).problems == ()
    with pytest.raises(AccountNotFound):
        actor_named(salvaged, "later")
    salvaged.storage.close()
    backup.back_up(hub, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700
    backup.copy_back(tmp_path / "copy", tmp_path / "restored")


def test_nothing_is_overwritten(hub: Hub, tmp_path: Path) -> None:
    backup.back_up(hub, tmp_path / "copy")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(Conflict, match="is not empty"):
        backup.copy_back(tmp_path / "copy", tmp_path / "full")
    with pytest.raises(Invalid, match="not empty and not a backup"):
        backup.back_up(hub, tmp_path / "full")
    with pytest.raises(Invalid, match="lies in the data folder"):
        backup.back_up(hub, hub.storage.root / "copy")
    with pytest.raises(ConfigurationError, match="is not a backup"):
        backup.copy_back(tmp_path / "full", tmp_path / "restored")
