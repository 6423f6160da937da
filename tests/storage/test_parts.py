"""Uploads in parts: in any order, at once, again; and given up."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openshelf.domain.tree import Blob
from openshelf.errors import InvalidUpload
from openshelf.storage.blobs import BlobStore
from openshelf.storage.objects import DiskObjects
from openshelf.storage.parts import PartStore

CONTENT = bytes(range(256)) * 40
BLOB = Blob(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
UPLOAD = f"{'a' * 24}-{BLOB.sha256}"


def _stores(folder: Path) -> tuple[PartStore, BlobStore]:
    return PartStore(folder / "parts"), BlobStore(DiskObjects(folder / "blobs", folder / "temporary"))


def _send(parts: PartStore, offset: int, data: bytes) -> str:
    writer = parts.part_writer(UPLOAD, offset)
    for start in range(0, len(data), 1000):
        writer.write(data[start : start + 1000])
    return writer.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(8)), again=st.lists(st.integers(0, 7), max_size=3))
def test_parts_come_in_any_order_and_again(tmp_path: Path, order: list[int], again: list[int]) -> None:
    parts, blobs = _stores(tmp_path)
    step = len(CONTENT) // 8
    for number in [*order, *again]:
        piece = CONTENT[number * step : (number + 1) * step]
        assert _send(parts, number * step, piece) == hashlib.md5(piece).hexdigest()
    assert parts.finish(UPLOAD, BLOB, blobs) == BLOB
    assert blobs.is_intact(BLOB.sha256)
    assert list(parts.root.iterdir()) == []


def test_parts_come_at_once(tmp_path: Path) -> None:
    parts, blobs = _stores(tmp_path)
    half = len(CONTENT) // 2
    threads = [threading.Thread(target=_send, args=(parts, at, CONTENT[at : at + half])) for at in (half, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen: list[int] = []
    parts.finish(UPLOAD, BLOB, blobs, seen.append)
    assert seen[-1] == BLOB.size


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", b"y" + CONTENT[1:]])
def test_wrong_bytes_are_not_kept_but_can_be_mended(tmp_path: Path, content: bytes) -> None:
    parts, blobs = _stores(tmp_path)
    _send(parts, 0, content)
    with pytest.raises(InvalidUpload):
        parts.finish(UPLOAD, BLOB, blobs)
    assert blobs.size(BLOB.sha256) is None
    assert list((tmp_path / "temporary").iterdir()) == []


def test_an_upload_without_parts(tmp_path: Path) -> None:
    parts, blobs = _stores(tmp_path)
    with pytest.raises(InvalidUpload, match="No part"):
        parts.finish(UPLOAD, BLOB, blobs)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_parts_that_arrived_whole_are_known_and_forgotten_with_the_upload(tmp_path: Path) -> None:
    parts, blobs = _stores(tmp_path)
    half = len(CONTENT) // 2
    assert parts.received(UPLOAD) == frozenset()
    for offset, whole in ((half, True), (0, False)):
        writer = parts.part_writer(UPLOAD, offset)
        writer.write(CONTENT[offset : offset + half])
        writer.close(whole=whole)
    assert parts.received(UPLOAD) == {(half, half)}
    os.truncate(parts.root / UPLOAD, half + 1)
    assert parts.received(UPLOAD) == frozenset(), "a note of bytes that are not there counts for nothing"
    _send(parts, 0, b"y" + CONTENT[1:])
    with pytest.raises(InvalidUpload):
        parts.finish(UPLOAD, BLOB, blobs)
    assert parts.received(UPLOAD) == frozenset(), "wrong bytes are asked for again"
    writer = parts.part_writer(UPLOAD, 0)
    writer.write(CONTENT)
    writer.close(whole=True)
    parts.finish(UPLOAD, BLOB, blobs)
    assert list(parts.root.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../secret.key", "a/b", f"{'g' * 24}-{'0' * 64}", f"{'a' * 24}-{'0' * 63}"])
def test_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    parts, _ = _stores(tmp_path)
    with pytest.raises(InvalidUpload):
        parts.part_writer(name, 0)
    assert list(parts.root.iterdir()) == []


def test_what_is_given_up_is_discarded(tmp_path: Path) -> None:
    parts, _ = _stores(tmp_path)
    _send(parts, 0, CONTENT)
    parts.part_writer(UPLOAD, 0).close(whole=True)
    assert parts.discard_older_than(60) == 0
    old = time.time() - 3600
    os.utime(parts.root / UPLOAD, (old, old))
    assert parts.discard_older_than(60) == 1
    assert list(parts.root.iterdir()) == []
