"""Readers and removers of the same bytes at once: right bytes or an error, and no false alarm of damage."""

from __future__ import annotations

import threading
from dataclasses import replace

from openshelf.errors import StorageFault
from openshelf.services import fetch, gc, repos, scrub
from openshelf.services.hub import Hub
from tests.services.bytes_in_hub import commit, start, store
from tests.services.test_scrub import noise

ROUNDS = 40


def test_a_download_of_what_is_deleted_and_sent_again_is_right_or_breaks(hub: Hub) -> None:
    _, repo = start(hub)
    content = noise(1)
    blob = store(hub, repo, content)
    wrong: list[object] = []
    stop = threading.Event()

    def download() -> None:
        while not stop.is_set():
            try:
                got = b"".join(hub.storage.blobs.read(blob.sha256))
            except StorageFault as fault:
                if "missing from" not in fault.message:
                    wrong.append(fault)
            else:
                wrong.extend([len(got)] if got != content else [])

    readers = [threading.Thread(target=download) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(ROUNDS):
        hub.storage.blobs.delete(blob.sha256)
        writer = hub.storage.blobs.writer()
        writer.write(content)
        writer.keep(blob)
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert scrub.known_damage(hub) == []


def test_a_running_download_outlives_the_repo(hub: Hub) -> None:
    actor, repo = start(hub)
    content = noise(1)
    blob = store(hub, repo, content)
    commit(hub, actor, repo, ("w.bin", blob))
    pieces = fetch.blob_content(hub, repo, blob.sha256).read(0, blob.size)
    first = next(pieces)
    repos.delete(hub, actor, repo.kind, repo.repo_id)
    assert gc.collect(replace(hub, settings=replace(hub.settings, gc_grace_days=0)), dry_run=False).blobs == 1
    assert hub.storage.blobs.size(blob.sha256) is None
    assert first + b"".join(pieces) == content
