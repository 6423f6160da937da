"""What may be forgotten: kept, found again, bounded, and never wrong."""

from __future__ import annotations

import os
from pathlib import Path

from openshelf.storage.view_cache import ViewCache


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    cache = ViewCache(tmp_path / "views")
    assert cache.get("a") is None
    cache.keep("a", b"one")
    cache.keep("a", b"two")
    assert cache.get("a") == b"two"
    assert cache.get("b") is None


def test_damage_is_no_answer(tmp_path: Path) -> None:
    cache = ViewCache(tmp_path / "views")
    cache.keep("a", b"words " * 100)
    (path,) = cache.folder.glob("*/*")
    content = path.read_bytes()
    for damaged in (b"", content[:-3], content[:8] + b"\0" + content[9:], b"x" + content):
        path.write_bytes(damaged)
        assert cache.get("a") is None


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    cache = ViewCache(tmp_path / "views", max_bytes=10**9, max_files=2)
    for number, key in enumerate("abc"):
        cache.keep(key, key.encode())
        os.utime(cache._path(key), (number, number))
    assert cache.get("a") == b"a"
    cache.sweep()
    assert [cache.get(key) for key in "abc"] == [b"a", None, b"c"]


def test_a_disk_that_refuses_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "views").write_text("not a folder")
    cache = ViewCache(tmp_path / "views")
    cache.keep("a", b"x")
    assert cache.get("a") is None
