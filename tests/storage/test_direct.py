"""Files written and read past the page cache, also where the file system, or their size, does not allow it."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from pathlib import Path
from typing import Any

import pytest

from openshelf.storage.direct import BUFFER_BYTES, PAGE_BYTES, DirectFile, read_once

SIZES = [0, 1, PAGE_BYTES, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES + 12345]


def write(path: Path, content: bytes, piece: int) -> None:
    file = DirectFile(path)
    for at in range(0, len(content), piece):
        file.write(memoryview(content)[at : at + piece])
    file.flush()
    file.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [100_003, 8 * BUFFER_BYTES])
def test_what_was_written_is_there(tmp_path: Path, size: int, piece: int) -> None:
    content = os.urandom(size)
    write(tmp_path / "file", content, piece)
    assert (tmp_path / "file").read_bytes() == content


def test_writing_goes_on_after_a_flush(tmp_path: Path) -> None:
    content = os.urandom(4 * BUFFER_BYTES)
    file = DirectFile(tmp_path / "file")
    file.write(content[:12345])
    file.flush()
    assert os.pread(file.fileno(), 12345, 0) == content[:12345]
    file.write(content[12345:])
    file.flush()
    file.close()
    assert (tmp_path / "file").read_bytes() == content


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:300_001]))
    content = os.urandom(2 * BUFFER_BYTES + 5)
    write(tmp_path / "file", content, 1 << 20)
    assert (tmp_path / "file").read_bytes() == content


def test_a_file_system_that_knows_no_direct_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_fcntl, real_open = fcntl.fcntl, os.open

    def fcntl_refuses(descriptor: int, command: int, value: int = 0) -> Any:
        if command == fcntl.F_SETFL and value & os.O_DIRECT:
            raise OSError(errno.EINVAL, "not here")
        return real_fcntl(descriptor, command, value)

    def open_refuses(path: Path, flags: int, *rest: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "not here")
        return real_open(path, flags, *rest)

    monkeypatch.setattr(fcntl, "fcntl", fcntl_refuses)
    monkeypatch.setattr(os, "open", open_refuses)
    content = os.urandom(2 * BUFFER_BYTES + 5)
    write(tmp_path / "file", content, 1 << 20)
    with mmap.mmap(-1, 3 * BUFFER_BYTES) as buffer, read_once(tmp_path / "file", 7, len(content), buffer) as found:
        assert found == content[7:]


def test_a_file_system_that_refuses_the_write_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def write_refuses(descriptor: int, data: memoryview) -> int:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "not here")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write_refuses)
    content = os.urandom(2 * BUFFER_BYTES + 5)
    write(tmp_path / "file", content, 1 << 20)
    assert (tmp_path / "file").read_bytes() == content


@pytest.mark.parametrize("span", [(0, 1), (0, 4096), (1, 4097), (5000, 123_456), (4096, 200_000), (199_999, 200_000)])
def test_ranges_are_read_once(tmp_path: Path, span: tuple[int, int]) -> None:
    content = os.urandom(200_000)
    write(tmp_path / "file", content, 1 << 20)
    start, end = span
    with mmap.mmap(-1, 200_000 + 2 * PAGE_BYTES) as buffer, read_once(tmp_path / "file", start, end, buffer) as found:
        assert found == content[start:end]


def test_a_file_that_ends_too_soon_gives_what_it_has(tmp_path: Path) -> None:
    write(tmp_path / "file", bytes(10_000), 1 << 20)
    with mmap.mmap(-1, 1 << 20) as buffer:
        assert len(read_once(tmp_path / "file", 9_000, 20_000, buffer)) == 1_000
        assert len(read_once(tmp_path / "file", 30_000, 40_000, buffer)) == 0
