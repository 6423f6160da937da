"""A data folder of the former storage format: it opens, serves, and gets its checksums, whenever it is killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from openshelf.app import open_hub
from openshelf.domain.tree import Blob
from openshelf.errors import ConfigurationError, DamagedBytes
from openshelf.services import backup, fetch, fsck, repos, scrub
from openshelf.services.chunk_blob import chunk_blob
from openshelf.services.hub import Hub
from openshelf.settings import Settings
from openshelf.storage import store as storage_module
from openshelf.storage.catalogue import migrate
from openshelf.storage.objects import SUMS_SUFFIX, DiskObjects
from tests.hubs import actor, make_hub
from tests.services.bytes_in_hub import commit, start, store
from tests.services.test_scrub import flip, noise
from tests.storage.former_layout import take_back

FILES = 5
FORMER_SCHEMA = "0002"
STEPS = 16
"""Steps of an upgrade that change something: opening, and the first scrub."""


def upgrade_until_killed(data: Path, step: int) -> None:
    """Open the folder and scrub it in a process that kills itself before the N-th step that changes something."""
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        assert os.WIFSIGNALED(status) or step > STEPS
        return
    left = [step]

    def counted(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        setattr(owner, name, call)

    for owner, name in (
        (DiskObjects, "save_blocks"),
        (DiskObjects, "set_summed"),
        (storage_module, "write_file"),
        (storage_module, "upgrade"),
        (migrate, "_back_up"),
        (scrub, "_save"),
    ):
        counted(owner, name)
    try:
        hub = open_hub(Settings(data=data))
        scrub.run(hub, resume=True)
        os._exit(0)
    except BaseException:
        os._exit(1)


def former(folder: Path) -> dict[str, tuple[Blob, bytes]]:
    """A data folder as the former release left it; its files by path."""
    hub = make_hub(folder)
    who, repo = start(hub)
    files = {f"f{number}": noise(number, 70_000 + number) for number in range(FILES)}
    blobs = {path: store(hub, repo, content) for path, content in files.items()}
    commit(hub, who, repo, *blobs.items())
    chunk_blob(hub, blobs["f0"].sha256)
    hub.storage.close()
    take_back(folder / "data", FORMER_SCHEMA)
    return {path: (blobs[path], files[path]) for path in files}


def check_files(hub: Hub, files: dict[str, tuple[Blob, bytes]]) -> None:
    repo = repos.find(hub, actor(hub, "ada"), *_name())
    for blob, content in files.values():
        assert b"".join(fetch.blob_content(hub, repo, blob.sha256).read(0, blob.size)) == content


def _name() -> tuple:  # type: ignore[type-arg]
    from openshelf.domain.names import RepoId, RepoKind

    return RepoKind.MODEL, RepoId("ada", "model")


def sums(root: Path) -> int:
    return len(list(root.glob(f"*/??/??/*{SUMS_SUFFIX}")))


def test_a_former_folder_is_served_at_once_and_gets_its_checksums(tmp_path: Path) -> None:
    files = former(tmp_path)
    data = tmp_path / "data"
    assert (sums(data), json.loads((data / "format.json").read_text())) == (0, {"format": 1})
    hub = open_hub(Settings(data=data))
    try:
        assert json.loads((data / "format.json").read_text()) == {"format": 2}
        assert next((data / "backups").iterdir()).name.startswith(f"catalogue-{FORMER_SCHEMA}-")
        check_files(hub, files)
        assert (sums(data), hub.storage.blobs.objects.is_summed, scrub.last_pass(hub)) == (0, False, None)
        assert scrub._is_due(hub, None)
        done = scrub.run(hub)
        assert (done.damaged, done.mended, sums(data)) == (0, FILES, FILES)
        assert (hub.storage.blobs.objects.is_summed, hub.storage.xorbs.is_summed) == (True, True)
        check_files(hub, files)
        assert fsck.check(hub, deep=True).problems == ()
    finally:
        hub.storage.close()


def test_damage_of_before_is_not_given_checksums(tmp_path: Path) -> None:
    files = former(tmp_path)
    blob, _ = files["f1"]
    hub = open_hub(Settings(data=tmp_path / "data"))
    try:
        flip(hub.storage.blobs.local_path(blob.sha256), 1000)
        assert scrub.run(hub).damaged == 1
        assert hub.storage.blobs.objects.blocks(blob.sha256) is None
        with pytest.raises(DamagedBytes):
            check_files(hub, {"f1": files["f1"]})
        check_files(hub, {"f2": files["f2"]})
    finally:
        hub.storage.close()


@pytest.mark.parametrize("step", range(1, STEPS + 2))
def test_it_may_be_killed_at_any_step(tmp_path: Path, step: int) -> None:
    files = former(tmp_path)
    upgrade_until_killed(tmp_path / "data", step)
    hub = open_hub(Settings(data=tmp_path / "data"))
    try:
        check_files(hub, files)
        assert scrub.run(hub, resume=True).damaged == 0
        assert sums(tmp_path / "data") == FILES
        assert hub.storage.xorbs.is_summed
        check_files(hub, files)
        assert fsck.check(hub, deep=True).problems == ()
    finally:
        hub.storage.close()


def test_the_former_release_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    former(tmp_path)
    open_hub(Settings(data=tmp_path / "data")).storage.close()
    monkeypatch.setattr(storage_module, "FORMAT", 1)
    with pytest.raises(ConfigurationError, match="has storage format 2; this release reads up to 1"):
        open_hub(Settings(data=tmp_path / "data"))


def test_a_backup_made_by_the_former_release_restores(tmp_path: Path) -> None:
    files = former(tmp_path)
    copy = tmp_path / "data"
    (copy / "backup.json").write_text('{"complete": true}')
    backup.copy_back(copy, tmp_path / "restored")
    hub = open_hub(Settings(data=tmp_path / "restored"))
    try:
        assert backup.finish_restore(hub, deep=True).problems == ()
        assert scrub._is_due(hub, scrub.last_pass(hub))
        check_files(hub, files)
    finally:
        hub.storage.close()
