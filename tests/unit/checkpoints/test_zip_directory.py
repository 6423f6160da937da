"""The directory of ZIP archives: what the standard library writes is read alike, and tricks are refused."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.analysis.checkpoints.containers.zip_directory import member_bytes, read_member, read_zip
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFile


class Unseekable(io.RawIOBase):
    """Where a writer cannot go back, it writes sizes after the data."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.content += data
        return len(data)


def archive(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED, *, large: bool = False) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as writer:
        for name, content in members:
            with writer.open(name, "w", force_zip64=large) as member:
                member.write(content)
    return target.getvalue()


def streamed(members: list[tuple[str, bytes]], method: int) -> bytes:
    target = Unseekable()
    with zipfile.ZipFile(target, "w", method) as writer:
        for name, content in members:
            writer.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return bytes(target.content)


def contents(written: bytes) -> dict[str, bytes]:
    file = HeldFile("a.zip", written)
    directory = read_zip(file, "a.zip")
    return {name: read_member(file, directory, name, 1 << 20) for name in directory.members}


NAMES = st.text("abcé/.-0", min_size=1, max_size=12).filter(lambda name: ".." not in name and name[0] != "/")
MEMBERS = st.dictionaries(NAMES.filter(lambda name: not name.endswith("/")), st.binary(max_size=300), max_size=8)


@given(
    MEMBERS, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), st.sampled_from(["plain", "large", "stream"])
)
def test_what_the_standard_library_writes_is_read(members: dict[str, bytes], method: int, how: str) -> None:
    pairs = list(members.items())
    written = streamed(pairs, method) if how == "stream" else archive(pairs, method, large=how == "large")
    assert contents(written) == members


@given(st.binary(max_size=5000), st.integers(0, 5000), st.integers(0, 5000))
def test_a_piece_of_a_packed_member(content: bytes, one: int, two: int) -> None:
    content *= 200
    start, end = sorted((one % (len(content) + 1), two % (len(content) + 1)))
    file = HeldFile("a.zip", archive([("x", content)], zipfile.ZIP_DEFLATED))
    member = read_zip(file, "a.zip").members["x"]
    assert member_bytes(file, "a.zip", member, start, end) == content[start:end]


def test_folders_and_comments() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as writer:
        writer.comment = b"PK\x05\x06 is what a directory ends with, and here it is a comment of some length"
        writer.mkdir("folder")
        writer.writestr("folder/a", b"1")
    assert contents(target.getvalue()) == {"folder/a": b"1"}


def directory_of(written: bytes) -> int:
    return written.index(b"PK\x01\x02")


def patched(written: bytes, place: int, new: bytes) -> bytes:
    return written[:place] + new + written[place + len(new) :]


ONE = archive([("a", b"data of a"), ("b", b"data of b")])
PACKED = archive([("a", bytes(9000))], zipfile.ZIP_DEFLATED)
AT = directory_of(ONE)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (ONE[:-1], "without a directory at its end"),
        (ONE + b"\0", "without a directory at its end"),
        (b"MZ" + ONE, "its directory should end here"),
        (patched(ONE, AT + 8, b"\1"), "is encrypted"),
        (patched(ONE, AT + 10, b"\x0c"), "packed by method 12"),
        (patched(ONE, AT + 24, b"\xff"), "is not packed, and yet takes"),
        (patched(ONE, AT + 20, b"\xff\0\0\0\xff"), "described differently"),
        (patched(ONE, AT + 16, b"\0"), "described differently"),
        (patched(ONE, AT + 42, b"\1"), "not at the start of the file"),
        (patched(ONE, 30, b"c"), "described differently"),
        (patched(ONE, 0, b"QK"), "should begin here"),
        (patched(ONE, AT + 46, b"b"), "described differently"),
        (ONE.replace(b"b" + b"data", b"adata").replace(ONE[AT + 47 : AT + 94], ONE[AT + 47 : AT + 93] + b"a"), "twice"),
        (archive([("../a", b"")]), "leads outside"),
        (archive([("/a", b"")]), "leads outside"),
        (patched(ONE, len(ONE) - 12, b"\3\0\3\0"), "several disks|holds 2 members and says 3"),
        (patched(ONE, len(ONE) - 18, b"\1"), "several disks"),
        (patched(PACKED, directory_of(PACKED) + 24, b"\xff\xff\xff\x0f"), "more than deflate can"),
        (patched(ONE, AT, b"QK"), "should be described here"),
    ],
)
def test_tricks_are_refused(written: bytes, words: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=words):
        contents(written)


def test_members_over_each_other_are_refused() -> None:
    inner = archive([("b", b"data of b")])
    inner = inner[: directory_of(inner)]
    outer = archive([("a", inner)])
    at = directory_of(outer)
    second = ONE[AT + 47 :].split(b"PK\x05\x06")[0]
    second = second[:42] + struct.pack("<L", outer.index(inner)) + second[46:]
    entries = outer[at:].split(b"PK\x05\x06")[0] + second
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(entries), at, 0)
    with pytest.raises(UnreadableCheckpoint, match="overlaps the one before it"):
        contents(outer[:at] + entries + end)


def test_what_does_not_unpack_to_its_size_is_refused() -> None:
    packed = zlib.compress(b"x" * 5000, wbits=-15)
    file = HeldFile("a.zip", PACKED.replace(zlib.compress(bytes(9000), wbits=-15)[:5], packed[:5]))
    directory = read_zip(file, "a.zip")
    with pytest.raises(UnreadableCheckpoint, match=r"unpack|check sum"):
        read_member(file, directory, "a", 1 << 20)
    whole = HeldFile("a.zip", PACKED)
    with pytest.raises(UnreadableCheckpoint, match="at most 100 are read"):
        read_member(whole, read_zip(whole, "a.zip"), "a", 100)
    with pytest.raises(UnreadableCheckpoint, match="no member"):
        read_member(whole, read_zip(whole, "a.zip"), "z", 100)


@given(st.integers(0, len(ONE) - 1), st.integers(0, 255))
def test_a_changed_byte_never_breaks_the_reader(place: int, value: int) -> None:
    for written in (patched(ONE, place, bytes([value])), ONE[:place], patched(PACKED, place % len(PACKED), b"\xff")):
        try:
            contents(written)
        except UnreadableCheckpoint:
            continue
