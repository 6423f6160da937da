"""The members of a ZIP archive and where their bytes lie, by its central directory; nothing is unpacked.

Stricter than most programs, so that no two of them can see different members: PKWARE APPNOTE 6.3.10, 4.3.7 (local
header), 4.3.12 (central directory), 4.3.14 to 4.3.16 (end records, ZIP64), 4.5.3 (ZIP64 sizes).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openshelf.analysis.checkpoints.containers.zip_local import LocalHeaders, zip64_sizes
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import OpenFile

STORED = 0
DEFLATE = 8
MAX_MEMBERS = 500_000
MAX_DIRECTORY = 128 * 1024 * 1024
MAX_NAME = 4096
MAX_RATIO = 1040
"""Deflate cannot pack better than 1032 to 1."""
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_MEMBER = struct.Struct("<4s6H3L5H2L")
_TAIL = _END.size + 0xFFFF
_ENCRYPTED = 0x2041  # encrypted, strongly encrypted, directory masked
_STEP = 256 * 1024


@dataclass(frozen=True, slots=True)
class ZipMember:
    """``offset`` is the byte of the archive where its data begin: ``stored`` bytes there, ``size`` unpacked."""

    name: str
    offset: int
    stored: int
    size: int
    method: int
    crc: int

    @property
    def is_stored(self) -> bool:
        return self.method == STORED


@dataclass(frozen=True, slots=True)
class ZipDirectory:
    """The members of the archive ``file`` by name, in the order of its directory; folders are left out."""

    file: str
    members: Mapping[str, ZipMember]


@dataclass(frozen=True, slots=True)
class _Record:
    """A member as the central directory describes it."""

    name: bytes
    flags: int
    method: int
    crc: int
    stored: int
    size: int
    header: int


def is_zip(file: OpenFile) -> bool:
    """Whether it begins as an archive with members does."""
    return file.size > _END.size and file.read(0, 4) == b"PK\x03\x04"


def peek_directory(file: OpenFile) -> bytes:
    """The central directory as it is written, for a look at names in it; empty where there is none. Never raises."""
    if not is_zip(file):
        return b""
    try:
        begin, end, _ = _directory_place(file, "")
        return file.read(begin, end)
    except UnreadableCheckpoint:
        return b""


def read_zip(file: OpenFile, name: str) -> ZipDirectory:
    """The directory of the archive ``file``, called ``name`` in errors; reads the directory and the local headers.

    Raises UnreadableCheckpoint for an archive that is cut, spread over disks, encrypted or packed by other than
    deflate, and for one whose members overlap, have one name twice, or are described differently in two places.
    """
    begin, end, count = _directory_place(file, name)
    records = list(_records(file.read(begin, end), begin, name))
    if len(records) != count:
        raise UnreadableCheckpoint(name, f"its directory holds {len(records):,} members and says {count:,}", begin)
    places = _data_places(file, name, records, begin)
    members: dict[str, ZipMember] = {}
    for record, place in zip(records, places, strict=True):
        called = _text(record, name)
        if called in members:
            raise UnreadableCheckpoint(name, f"the member {called[:200]!r} stands in it twice", record.header)
        members[called] = ZipMember(called, place, record.stored, record.size, record.method, record.crc)
    return ZipDirectory(name, {called: found for called, found in members.items() if not called.endswith("/")})


def read_member(file: OpenFile, directory: ZipDirectory, called: str, limit: int, *, check: bool = True) -> bytes:
    """The content of one member. Raises UnreadableCheckpoint where it is not there, longer than ``limit`` or damaged.

    ``check`` says whether its check sum must match; some writers leave it out on purpose.
    """
    member = directory.members.get(called)
    if member is None:
        raise UnreadableCheckpoint(directory.file, f"it has no member {called!r}")
    if member.size > limit:
        reason = f"its member {called!r} has {member.size:,} bytes; at most {limit:,} are read"
        raise UnreadableCheckpoint(directory.file, reason, member.offset)
    content = member_bytes(file, directory.file, member, 0, member.size)
    if check and zlib.crc32(content) != member.crc:
        raise UnreadableCheckpoint(directory.file, f"the check sum of {called!r} does not match", member.offset)
    return content


def member_bytes(file: OpenFile, name: str, member: ZipMember, start: int, end: int) -> bytes:
    """The bytes ``[start, end)`` of what a member holds; of a packed one, all before ``end`` is unpacked in steps.

    Memory: what is asked for and some steps more. Raises UnreadableCheckpoint where it does not unpack to its size.
    """
    if not 0 <= start <= end <= member.size:
        reason = f"bytes {start:,} to {end:,} of {member.name!r} are asked for, which has {member.size:,}"
        raise UnreadableCheckpoint(name, reason, member.offset)
    if member.is_stored:
        return file.read(member.offset + start, member.offset + end)
    wanted = bytearray()
    passed = 0
    for piece in _inflated(file, name, member):
        wanted += piece[max(0, start - passed) : max(0, end - passed)]
        passed += len(piece)
        if passed >= end and end < member.size:
            break
    if len(wanted) != end - start or passed > member.size:
        reason = f"{member.name!r} does not unpack to the {member.size:,} bytes that it should have"
        raise UnreadableCheckpoint(name, reason, member.offset)
    return bytes(wanted)


def _inflated(file: OpenFile, name: str, member: ZipMember) -> Iterator[bytes]:
    unpacker: Any = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    for place in range(member.offset, member.offset + member.stored, _STEP):
        packed = file.read(place, min(place + _STEP, member.offset + member.stored))
        while packed and not unpacker.eof:
            try:
                piece = unpacker.decompress(packed, _STEP)
            except zlib.error as error:
                raise UnreadableCheckpoint(name, f"{member.name!r} does not unpack: {error}", place) from None
            total += len(piece)
            yield piece
            if total > member.size:
                return
            packed = unpacker.unconsumed_tail
    yield unpacker.flush(_STEP)


def _directory_place(file: OpenFile, name: str) -> tuple[int, int, int]:
    """Where the central directory begins and ends, and how many members it should have."""
    start = max(0, file.size - _TAIL)
    tail = file.read(start, file.size)
    at = tail.rfind(b"PK\x05\x06", 0, len(tail) - _END.size + 4)
    while at >= 0 and at + _END.size + int.from_bytes(tail[at + 20 : at + 22], "little") != len(tail):
        at = tail.rfind(b"PK\x05\x06", 0, at + 3)
    if at < 0:
        raise UnreadableCheckpoint(name, "it is a ZIP archive without a directory at its end, so it was cut off", None)
    _, disk, first_disk, here, total, size, offset, _ = _END.unpack_from(tail, at)
    end = start + at
    if end >= _LOCATOR.size and (locator := file.read(end - _LOCATOR.size, end)).startswith(b"PK\x06\x07"):
        end, disk, first_disk, here, total, size, offset = _zip64_end(file, name, end, locator)
    if disk or first_disk or here != total:
        raise UnreadableCheckpoint(name, "it is one part of a ZIP archive over several disks", end)
    if offset + size != end:
        reason = f"its directory should end here, but says to be {size:,} bytes at byte {offset:,}"
        raise UnreadableCheckpoint(name, reason, end)
    if size > MAX_DIRECTORY or total > MAX_MEMBERS:
        reason = f"its directory has {size:,} bytes and {total:,} members; at most {MAX_DIRECTORY:,} and "
        raise UnreadableCheckpoint(name, f"{reason}{MAX_MEMBERS:,} are read", offset)
    return offset, end, total


def _zip64_end(file: OpenFile, name: str, end: int, locator: bytes) -> tuple[int, int, int, int, int, int, int]:
    _, disk, place, disks = _LOCATOR.unpack(locator)
    if disk or disks > 1 or place + _END64.size > end - _LOCATOR.size:
        raise UnreadableCheckpoint(name, "its ZIP64 locator leads nowhere", end - _LOCATOR.size)
    found = _END64.unpack(file.read(place, place + _END64.size))
    if found[0] != b"PK\x06\x06" or place + 12 + found[1] != end - _LOCATOR.size:
        raise UnreadableCheckpoint(name, "a ZIP64 end record should stand here", place)
    return (place, *found[4:])


def _records(directory: bytes, begin: int, name: str) -> Iterator[_Record]:
    place = 0
    while place < len(directory):
        if place + _MEMBER.size > len(directory) or not directory.startswith(b"PK\x01\x02", place):
            raise UnreadableCheckpoint(name, "the next member of its directory should be described here", begin + place)
        (_, _, _, flags, method, _, _, crc, stored, size, of_name, of_extra, of_comment, disk, _, _, header) = (
            _MEMBER.unpack_from(directory, place)
        )
        after_name = place + _MEMBER.size + of_name
        after = after_name + of_extra + of_comment
        if after > len(directory) or of_name > MAX_NAME or disk not in (0, 0xFFFF):
            raise UnreadableCheckpoint(name, "this entry of its directory leads out of it", begin + place)
        if 0xFFFFFFFF in (stored, size, header):
            extra = directory[after_name : after_name + of_extra]
            size, stored, header = zip64_sizes(extra, size, stored, header)
        record = _Record(directory[place + _MEMBER.size : after_name], flags, method, crc, stored, size, header)
        _check(record, name, begin + place)
        yield record
        place = after


def _check(record: _Record, name: str, place: int) -> None:
    reason = ""
    if record.flags & _ENCRYPTED:
        reason = "is encrypted"
    elif record.method not in (STORED, DEFLATE):
        reason = f"is packed by method {record.method}; 0 (not packed) and 8 (deflate) are read"
    elif record.method == STORED and record.stored != record.size:
        reason = f"is not packed, and yet takes {record.stored:,} bytes for {record.size:,}"
    elif record.size > record.stored * MAX_RATIO:
        reason = f"says to unpack from {record.stored:,} bytes to {record.size:,}, more than deflate can"
    if reason:
        raise UnreadableCheckpoint(name, f"its member {record.name[:200]!r} {reason}", place)


def _text(record: _Record, name: str) -> str:
    try:
        called = record.name.decode("utf-8" if record.flags & 0x800 or record.name.isascii() else "cp437")
    except UnicodeDecodeError:
        raise UnreadableCheckpoint(name, f"a member's name is not UTF-8: {record.name[:80]!r}", record.header) from None
    if not called or "\0" in called or "\\" in called or called.startswith("/") or ".." in called.split("/"):
        raise UnreadableCheckpoint(name, f"a member's name leads outside: {called[:200]!r}", record.header)
    return called


def _data_places(file: OpenFile, name: str, records: list[_Record], begin: int) -> list[int]:
    """Where the data of each record begin, once its local header says the same and nothing overlaps."""
    order = sorted(range(len(records)), key=lambda number: records[number].header)
    headers = LocalHeaders(file, name, begin)
    places = [0] * len(records)
    free = 0
    for number in order:
        record = records[number]
        if record.header < free or (not free and record.header):
            what = "overlaps the one before it" if free else "is not at the start of the file"
            raise UnreadableCheckpoint(name, f"its member {record.name[:200]!r} {what}", record.header)
        place = headers.data_place(record)
        free = place + record.stored
        if free > begin:
            reason = f"the {record.stored:,} bytes of its member {record.name[:200]!r} reach past the end"
            raise UnreadableCheckpoint(name, reason, place)
        places[number] = place
    return places
