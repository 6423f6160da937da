"""Files from nothing to gigabytes, many files, and a large file changed a little."""

from __future__ import annotations

import json
import random
import struct
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import check
from .counting_proxy import CountingProxy
from .git_client import Git, address
from .hub_view import HubView
from .live_hub import LiveHub
from .running import Client, run_operation
from .test_hub_library import CLIENTS

FAMILY = "Large files and many files"
Row = Callable[[str, Client, str], None]
GB = 1_000_000_000
TENSORS = 200
TENSOR_BYTES = 2_500_000
CHANGED = 2  # of 200 tensors


def _run(
    client: Client, operation: str, hub: LiveHub, folder: Path, name: str, file: Path | str = "", **options: Any
) -> dict[str, Any]:
    extra = {"OPENSHELF_TEST_REPO": name, "OPENSHELF_TEST_PATH": "model.safetensors", "OPENSHELF_TEST_FILE": str(file)}
    return check(run_operation(client, f"transfers.{operation}", hub, folder, extra=extra, **options))


def _name(word: str) -> str:
    return f"alice/{word}-{uuid.uuid4().hex[:8]}"


def _weights(path: Path, seed: int, changed: int = 0) -> None:
    """500 MB of bf16-like tensors; ``changed`` of them, spread over the file, differ from those of the same seed."""
    head: dict[str, object] = {"__metadata__": {"format": "pt"}}
    for number in range(TENSORS):
        span = [number * TENSOR_BYTES, (number + 1) * TENSOR_BYTES]
        head[f"layers.{number}.weight"] = {"dtype": "BF16", "shape": [TENSOR_BYTES // 2], "data_offsets": span}
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    different = {(n + 1) * TENSORS // (changed + 1) for n in range(changed)}
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for number in range(TENSORS):
            noise = np.random.default_rng([seed, number, 1 if number in different else 0])
            values = noise.standard_normal(TENSOR_BYTES // 2, dtype=np.float32)
            out.write((values.view(np.uint32) >> 16).astype(np.uint16).tobytes())


@pytest.mark.slow
def test_a_changed_checkpoint_sends_and_stores_what_changed(
    hub: LiveHub, view: HubView, tmp_path: Path, row: Row
) -> None:
    """500 MB with 1 % of the tensors changed, by a client that has never seen the first version."""
    row(FAMILY, CLIENTS["hub-2.4"], "500 MB with 1 % of the tensors changed: under 5 % sent and stored")
    name, source = _name("delta"), tmp_path / "model.safetensors"
    seed = random.SystemRandom().randrange(2**32)
    with CountingProxy(hub.port) as proxy:
        _weights(source, seed)
        size = source.stat().st_size
        _run(CLIENTS["hub-2.4"], "put", hub, tmp_path / "first", name, source, url=proxy.url)
        first_sent, stored = proxy.sent, hub.stored_bytes()
        proxy.reset()
        _weights(source, seed, CHANGED)
        _run(CLIENTS["hub-2.4"], "put", hub, tmp_path / "second", name, source, url=proxy.url)
        sent, added = proxy.sent, hub.stored_bytes() - stored
        assert first_sent > size * 0.5, "the first upload went round the proxy"
        assert sent < size * 0.05, f"sent {sent:,} of {size:,} bytes"
        assert added < size * 0.05, f"stored {added:,} more for {size:,} bytes"
        proxy.reset()
    with source.open("rb") as handle:
        handle.seek(size // 2)
        wanted = handle.read(5_000_000)
    assert view.read(name, "model.safetensors", bytes_=f"{size // 2}-{size // 2 + 4_999_999}") == wanted
    print(f"delta: first {first_sent:,}, second {sent:,} bytes sent, {added:,} stored, of {size:,}")


def _sparse(path: Path, size: int) -> list[str]:
    """A file of zeros but for 16 bytes at the start, in the middle and at the end; those bytes."""
    pieces = [random.Random(n).randbytes(16) for n in range(3)]
    with path.open("wb") as out:
        out.truncate(size)
        for piece, start in zip(pieces, (0, size // 2, size - 16), strict=True):
            out.seek(start)
            out.write(piece)
    return [piece.hex() for piece in pieces]


def _up_and_down(client: Client, size: int, hub: LiveHub, view: HubView, folder: Path, timeout: float) -> None:
    name, source = _name("big"), folder / "big.bin"
    pieces = _sparse(source, size)
    _run(client, "put", hub, folder / "up", name, source, timeout=timeout)
    source.unlink()
    entry = view.files(name)["model.safetensors"]
    assert (entry["size"], entry["lfs"]["size"]) == (size, size)
    assert view.read(name, "model.safetensors", bytes_=f"{size - 16}-").hex() == pieces[2]
    facts = _run(client, "get_size", hub, folder / "down", name, timeout=timeout)
    assert facts == {"size": size, "pieces": pieces}


@pytest.mark.slow
def test_one_gigabyte(hub: LiveHub, view: HubView, tmp_path: Path, row: Row) -> None:
    row(FAMILY, CLIENTS["hub-2.4"], "A file of 1 GB")
    _up_and_down(CLIENTS["hub-2.4"], GB + 1, hub, view, tmp_path, 240)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("client", ["hub-2.4", "hub-2.4-lfs"])
def test_more_than_five_gigabytes(client: str, hub: LiveHub, view: HubView, tmp_path: Path, row: Row) -> None:
    row(FAMILY, CLIENTS[client], "A file of 5.4 GB")
    _up_and_down(CLIENTS[client], 5 * GB + 400_000_001, hub, view, tmp_path, 900)


@pytest.mark.slow
def test_ten_thousand_files_in_a_folder(hub: LiveHub, view: HubView, tmp_path: Path, row: Row) -> None:
    row(FAMILY, CLIENTS["hub-2.4"], "10,000 files in a folder")
    name, tree = _name("many"), tmp_path / "tree"
    (tree / "many").mkdir(parents=True)
    for number in range(10_000):
        (tree / "many" / f"{number:05}.json").write_text(f'{{"n": {number}}}')
    _run(CLIENTS["hub-2.4"], "put_folder", hub, tmp_path / "up", name, tree, timeout=280)
    facts = _run(CLIENTS["hub-0.36"], "list_many", hub, tmp_path / "list", name)
    assert (facts["tree"], facts["files"]) == (10_000, 10_001)
    assert len(view.files(name)) == 10_001
    copy = Git(tmp_path / "home", tmp_path / "desk").clone(address(hub, name, hub.people.alice))
    found = sorted((copy.folder / "many").iterdir())
    assert len(found) == 10_000
    assert found[4321].read_text() == '{"n": 4321}'


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_1300_files_in_one_commit(client: str, hub: LiveHub, view: HubView, tmp_path: Path, row: Row) -> None:
    row(FAMILY, CLIENTS[client], "1,300 files in one commit")
    name = _name("commit")
    facts = _run(CLIENTS[client], "put_many_in_one_commit", hub, tmp_path, name)
    assert facts == {"files": 1301, "commits": 2}
    assert view.read(name, "d3/1298.txt") == b"file 1298"
