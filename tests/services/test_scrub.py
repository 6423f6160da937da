"""Damage on disk: found by readers and by the scrub, never served, told to clients as missing, and mended."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.domain.tree import Blob
from openshelf.errors import BlobNotFound, DamagedBytes, Unavailable
from openshelf.services import fetch, fsck, jobs, lfs, push, scrub, scrub_bytes
from openshelf.services.chunk_blob import chunk_blob
from openshelf.services.hub import Hub, now
from openshelf.services.scrub_bytes import Pace, Verdict
from openshelf.storage.blocks import BLOCK_BYTES
from openshelf.storage.catalogue import blobs, damages, events, xorbs
from openshelf.storage.catalogue.damages import Kind
from openshelf.storage.objects import SUMS_SUFFIX
from openshelf.xet.hashes import from_hex
from tests.services.bytes_in_hub import commit, start, store

SIZE = 3 * BLOCK_BYTES + 1000


def noise(seed: int, size: int = SIZE) -> bytes:
    return random.Random(seed).randbytes(size)


def flip(path: Path | None, at: int) -> None:
    """Flip one bit of a stored file, as a failing disk does."""
    assert path is not None
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes((byte ^ 4,)))


def only_xorb(hub: Hub) -> tuple[str, Path]:
    (info,) = hub.storage.xorbs.list()
    path = hub.storage.xorbs.local_path(info.key)
    assert path is not None
    return info.key, path


def row(hub: Hub, blob: Blob) -> blobs.BlobRow:
    with hub.storage.catalogue.read() as tx:
        found = blobs.get(tx, blob.sha256)
    assert found is not None
    return found


def read(hub: Hub, repo: Repo, blob: Blob, start: int = 0, end: int | None = None) -> bytes:
    content = fetch.blob_content(hub, repo, blob.sha256)
    return b"".join(content.read(start, blob.size if end is None else end))


def do_jobs(hub: Hub) -> None:
    """Do what waits in the outbox, as a worker would."""
    while True:
        with hub.storage.catalogue.read() as tx:
            waiting = events.waiting(tx)
        if not waiting:
            return
        for job in waiting:
            with hub.storage.catalogue.write() as tx:
                events.remove(tx, job.seq)
            if job.job != "read-weights":
                jobs.perform(hub, job.job, job.payload)


def filled(hub: Hub) -> tuple[Actor, Repo, Blob]:
    actor, repo = start(hub)
    blob = store(hub, repo, noise(1))
    commit(hub, actor, repo, ("w.bin", blob))
    return actor, repo, blob


@pytest.mark.parametrize("at", [0, BLOCK_BYTES + 5, SIZE - 1])
def test_a_flipped_bit_of_a_whole_blob_is_not_served_by_any_range_that_touches_its_block(hub: Hub, at: int) -> None:
    _, repo, blob = filled(hub)
    flip(hub.storage.blobs.local_path(blob.sha256), at)
    block = at // BLOCK_BYTES
    for number in range(4):
        if number != block:
            begin, end = number * BLOCK_BYTES + 10, min((number + 1) * BLOCK_BYTES, SIZE)
            assert read(hub, repo, blob, begin, end) == noise(1)[begin:end]
    with pytest.raises(DamagedBytes, match="not those that were stored"):
        hub.storage.blobs.objects.read_range(blob.sha256, block * BLOCK_BYTES + 7, block * BLOCK_BYTES + 8)
    with pytest.raises(DamagedBytes):
        read(hub, repo, blob, block * BLOCK_BYTES + 7, block * BLOCK_BYTES + 8)


def test_what_is_found_is_remembered_and_refused_at_once(hub: Hub) -> None:
    actor, repo, blob = filled(hub)
    flip(hub.storage.blobs.local_path(blob.sha256), SIZE - 1)
    with pytest.raises(DamagedBytes):
        read(hub, repo, blob)
    with pytest.raises(DamagedBytes):
        read(hub, repo, blob, 0, 1)
    with pytest.raises(DamagedBytes):
        fetch.find_file(hub, actor, repo.kind, repo.repo_id, "main", "w.bin")
    (damage,) = scrub.known_damage(hub)
    assert (damage.kind, damage.subject) == (Kind.BLOB, blob.sha256)
    assert scrub.count_damage(hub) == {Kind.BLOB: 1, Kind.XORB: 0, Kind.REPOSITORY: 0}
    assert any(problem.lost for problem in fsck.check(hub).problems)


def test_a_damaged_blob_is_asked_for_again_and_mended_by_it(hub: Hub) -> None:
    actor, repo, blob = filled(hub)
    flip(hub.storage.blobs.local_path(blob.sha256), 5)
    planned = [push.PlannedFile("w.bin", blob.size, b"\0")]
    assert lfs.plan_uploads(hub, actor, repo, [blob], in_parts=False)[0].ticket == ""
    assert push.plan_upload(hub, repo, "main", planned)[0].etag == blob.sha256
    assert scrub.run(hub).damaged == 1
    assert lfs.plan_uploads(hub, actor, repo, [blob], in_parts=False)[0].ticket
    assert isinstance(lfs.plan_downloads(hub, repo, [blob])[0].error, DamagedBytes)
    assert push.plan_upload(hub, repo, "main", planned)[0].etag is None
    assert not lfs.is_stored(hub, repo, blob)
    with pytest.raises(BlobNotFound):
        commit(hub, actor, repo, ("again.bin", blob))
    store(hub, repo, noise(1))
    assert read(hub, repo, blob) == noise(1)
    assert scrub.known_damage(hub) == []
    do_jobs(hub)
    assert fsck.check(hub, deep=True).problems == ()


def test_a_damaged_whole_form_gives_way_to_the_chunks(hub: Hub) -> None:
    _, repo, blob = filled(hub)
    whole = hub.storage.blobs.local_path(blob.sha256)
    assert whole is not None
    kept = whole.read_bytes()
    chunk_blob(hub, blob.sha256)
    store(hub, repo, kept)
    flip(hub.storage.blobs.local_path(blob.sha256), 5)
    assert row(hub, blob).is_whole
    assert read(hub, repo, blob) == noise(1)
    assert not row(hub, blob).is_whole
    assert scrub.known_damage(hub) == []


def test_damaged_chunks_give_way_to_the_whole_form(hub: Hub) -> None:
    _, repo, blob = filled(hub)
    chunk_blob(hub, blob.sha256)
    _, path = only_xorb(hub)
    flip(path, 2_000_000)
    store(hub, repo, noise(1))
    assert scrub.run(hub).damaged == 1
    assert read(hub, repo, blob) == noise(1)
    do_jobs(hub)
    assert not row(hub, blob).is_whole
    assert read(hub, repo, blob) == noise(1)
    assert scrub.known_damage(hub) == []
    assert fsck.check(hub, deep=True).problems == ()


def test_only_blobs_that_need_the_damaged_chunk_are_refused(hub: Hub) -> None:
    actor, repo = start(hub)
    long = store(hub, repo, noise(1))
    chunk_blob(hub, long.sha256)
    key, path = only_xorb(hub)
    short = store(hub, repo, noise(1)[:1_500_000])
    chunk_blob(hub, short.sha256)
    commit(hub, actor, repo, ("long", long), ("short", short))
    with hub.storage.catalogue.read() as tx:
        assert len(damages.blobs_of(tx, from_hex(key))) == 2
    flip(path, 2_500_000)
    with pytest.raises(DamagedBytes):
        read(hub, repo, long)
    assert row(hub, short).damage is not None
    do_jobs(hub)
    assert (row(hub, short).damage, row(hub, long).damage is None) == (None, False)
    assert read(hub, repo, short) == noise(1)[:1_500_000]
    # What Xet clients fetch themselves is cut off at the block.
    with pytest.raises(DamagedBytes):
        b"".join(hub.storage.xorbs.read(key))


def test_nothing_is_deduplicated_against_a_damaged_xorb(hub: Hub) -> None:
    _, repo, blob = filled(hub)
    chunk_blob(hub, blob.sha256)
    key, path = only_xorb(hub)
    flip(path, 2_000_000)
    assert scrub.run(hub).damaged >= 1
    with hub.storage.catalogue.read() as tx:
        assert xorbs.visible_hashes(tx, None, repo.id, [from_hex(key)]) == set()
        generation = events.get_meta(tx, events.GENERATION_KEY)
    assert generation == "2"
    other = store(hub, repo, noise(1) + b"and more")
    chunk_blob(hub, other.sha256)
    assert read(hub, repo, other) == noise(1) + b"and more"
    # The old one is mended by sending the same bytes again.
    store(hub, repo, noise(1))
    assert row(hub, blob).damage is None
    with hub.storage.catalogue.write() as tx:
        events.enqueue(tx, "chunk-blob", blob.sha256, {"sha256": blob.sha256}, now())
    do_jobs(hub)
    assert read(hub, repo, blob) == noise(1)


def _remove(path: Path) -> None:
    path.unlink()


def _spoil(path: Path) -> None:
    flip(path, 20)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("break_it", [_remove, _spoil, _empty])
@pytest.mark.parametrize("chunked", [False, True])
def test_wrong_checksums_are_written_anew_where_the_bytes_are_right(
    hub: Hub, chunked: bool, break_it: Callable[[Path], None]
) -> None:
    _, repo, blob = filled(hub)
    if chunked:
        chunk_blob(hub, blob.sha256)
        _, path = only_xorb(hub)
        objects, key = hub.storage.xorbs, path.name
    else:
        objects, key = hub.storage.blobs.objects, blob.sha256
        path = objects.local_path(key) or path
    break_it(path.with_name(path.name + SUMS_SUFFIX))
    with pytest.raises(DamagedBytes):
        objects.read_range(key, 0, 10)
    do_jobs(hub)
    assert objects.read_range(key, 0, 10)
    assert read(hub, repo, blob) == noise(1)
    assert scrub.known_damage(hub) == []
    assert scrub.run(hub).mended == 0


def test_a_scrub_finds_all_that_is_wrong(hub: Hub) -> None:
    actor, repo, whole = filled(hub)
    chunked = store(hub, repo, noise(2))
    lost = store(hub, repo, noise(3, 1000))
    chunk_blob(hub, chunked.sha256)
    commit(hub, actor, repo, ("chunked", chunked), ("lost", lost))
    assert (scrub.run(hub).damaged, scrub.known_damage(hub)) == (0, [])
    flip(hub.storage.blobs.local_path(whole.sha256), SIZE - 1)
    key, xorb = only_xorb(hub)
    flip(xorb, 77)
    (hub.storage.blobs.local_path(lost.sha256) or xorb).unlink()
    for path in (hub.storage.repositories.path(repo.id) / "objects").glob("??/*"):
        path.chmod(0o600)
        flip(path, 5)
    done = scrub.run(hub)
    assert done.finished_at is not None
    found = {(damage.kind, damage.subject) for damage in scrub.known_damage(hub)}
    assert found == {
        (Kind.BLOB, whole.sha256),
        (Kind.BLOB, chunked.sha256),
        (Kind.BLOB, lost.sha256),
        (Kind.XORB, key),
        (Kind.REPOSITORY, repo.id),
    }


def test_a_mended_disk_clears_what_was_known(hub: Hub) -> None:
    _, repo, blob = filled(hub)
    other = store(hub, repo, noise(2))
    chunk_blob(hub, other.sha256)
    _, xorb = only_xorb(hub)
    whole = hub.storage.blobs.local_path(blob.sha256)
    for path in (xorb, whole):
        flip(path, 99)
    assert scrub.run(hub).damaged >= 2
    for path in (xorb, whole):
        flip(path, 99)
    assert scrub.run(hub).mended >= 2
    assert scrub.known_damage(hub) == []
    assert (read(hub, repo, blob), read(hub, repo, other)) == (noise(1), noise(2))


def test_an_unreadable_sector_is_damage(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    _, repo, blob = filled(hub)

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("openshelf.storage.objects.os.pread", fail)
        with pytest.raises(DamagedBytes, match="Input/output error"):
            read(hub, repo, blob)
    assert [damage.kind for damage in scrub.known_damage(hub)] == [Kind.BLOB]
    do_jobs(hub)
    assert scrub.known_damage(hub) == []


def test_a_scrub_that_is_interrupted_goes_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    actor, repo = start(hub)
    stored = [store(hub, repo, noise(number, 1000)) for number in range(6)]
    commit(hub, actor, repo, *((f"f{number}", blob) for number, blob in enumerate(stored)))
    monkeypatch.setattr(scrub, "_SAVE_SECONDS", -1.0)
    seen: list[str] = []
    examine = scrub_bytes.examine_blob

    def watch(hub: Hub, sha256: str, pace: Pace) -> Verdict:
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(sha256)
        return examine(hub, sha256, pace)

    with monkeypatch.context() as patched:
        patched.setattr(scrub_bytes, "examine_blob", watch)
        with pytest.raises(KeyboardInterrupt):
            scrub.run(hub)
    state = scrub.last_pass(hub)
    assert state is not None
    assert (state.finished_at, state.things, state.after) == (None, 3, seen[-1])
    done = scrub.run(hub, resume=True)
    assert (done.things, done.bytes_read) == (6 + 1, 6000)


def test_the_worker_scrubs_when_it_is_time_and_yields_to_a_command(hub: Hub) -> None:
    stop = threading.Event()
    filled(hub)
    assert not scrub._go_on(hub, stop)
    first = scrub.last_pass(hub)
    assert first is not None
    assert (first.things, first.finished_at is None) == (0, False)
    old = {"started_at": 0, "finished_at": first.started_at - 8 * 86_400}
    with hub.storage.catalogue.write() as tx:
        events.set_meta(tx, "scrub", json.dumps(old))
    with hub.storage.locks.hold(scrub.LOCK):
        assert not scrub._go_on(hub, stop)
    while scrub._go_on(hub, stop):
        pass
    done = scrub.last_pass(hub)
    assert done is not None
    assert (done.things, done.bytes_read, done.finished_at is None) == (2, SIZE, False)


def test_two_scrubs_at_once_are_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub, "_TAKE_OVER_SECONDS", 0.01)
    with hub.storage.locks.hold(scrub.LOCK), pytest.raises(Unavailable, match="--status"):
        scrub.run(hub)
