"""What one client uploads, every other reads: Xet, LFS, git-lfs, plain HTTP, old and new."""

from __future__ import annotations

import hashlib
import itertools
import random
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import check
from .git_client import Git, address
from .hub_view import HubView
from .live_hub import LiveHub
from .running import Client, run_operation
from .test_hub_library import CLIENTS

Row = Callable[[str, Client, str], None]
CONTENT = random.Random(77).randbytes(3_300_000) + bytes(400_000)


def _put(way: str, hub: LiveHub, folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    source = folder / "w.bin"
    source.write_bytes(CONTENT)
    if way == "git-lfs":
        git = Git(folder / "home", folder / "desk")
        copy = git.clone(address(hub, name, hub.people.alice), lfs=True)
        copy.commit({"w.bin": CONTENT})
        copy("push", "-q", "origin", "main")
        return
    client, _, operation = way.partition(":")
    extra = {"OPENSHELF_TEST_REPO": name, "OPENSHELF_TEST_PATH": "w.bin", "OPENSHELF_TEST_FILE": str(source)}
    check(run_operation(CLIENTS[client], f"transfers.{operation or 'put'}", hub, folder, extra=extra))


@pytest.mark.parametrize("way", ["hub-2.4", "hub-2.4:put_open_file", "hub-2.4-lfs", "hub-1.19", "hub-0.36", "git-lfs"])
def test_everyone_reads_what_one_wrote(way: str, hub: LiveHub, view: HubView, tmp_path: Path, row: Row) -> None:
    client = CLIENTS.get(way.partition(":")[0])
    title = f"huggingface_hub {client.heading}" if client else way
    title += ", an open file (LFS)" if "open_file" in way else ""
    row("Written by one client, read by all others", Client("every client, plain HTTP ranges, git-lfs", "", ""), title)
    name = f"alice/across-{uuid.uuid4().hex[:10]}"
    view.create(name)
    _put(way, hub, tmp_path / "writer", name)
    digest = hashlib.sha256(CONTENT).hexdigest()
    entry = view.files(name)["w.bin"]
    assert (entry["lfs"]["oid"], entry["size"]) == (digest, len(CONTENT))
    assert view.read(name, "w.bin") == CONTENT
    for start, end in ((0, 0), (65_535, 131_073), (3_299_999, 3_300_001), (len(CONTENT) - 5, len(CONTENT) - 1)):
        assert view.read(name, "w.bin", bytes_=f"{start}-{end}") == CONTENT[start : end + 1]
    extra = {"OPENSHELF_TEST_REPO": name, "OPENSHELF_TEST_PATH": "w.bin"}
    for reader, client in CLIENTS.items():
        facts = check(run_operation(client, "transfers.get", hub, tmp_path / reader, extra=extra))
        assert facts == {"size": len(CONTENT), "sha256": digest}, reader
    git = Git(tmp_path / "reader" / "home", tmp_path / "reader" / "desk")
    assert git.clone(address(hub, name, hub.people.alice), lfs=True).read("w.bin") == CONTENT


def test_the_same_bytes_are_stored_once(hub: LiveHub, view: HubView, tmp_path: Path) -> None:
    content = random.Random(uuid.uuid4().int).randbytes(12_000_000)
    source = tmp_path / "w.bin"
    source.write_bytes(content)
    sizes = [hub.stored_bytes()]
    for number, client in enumerate(("hub-2.4", "hub-2.4-lfs", "hub-0.36")):
        extra = {
            "OPENSHELF_TEST_REPO": f"alice/once-{number}-{uuid.uuid4().hex[:8]}",
            "OPENSHELF_TEST_PATH": "w.bin",
            "OPENSHELF_TEST_FILE": str(source),
        }
        check(run_operation(CLIENTS[client], "transfers.put", hub, tmp_path / client, extra=extra))
        sizes.append(hub.stored_bytes())
    added = [after - before for before, after in itertools.pairwise(sizes)]
    assert added[0] < 13_000_000, added
    assert max(added[1:]) < 1_000_000, added
