"""What is in a ZIP or tar archive, by its directory alone: nothing is unpacked.

ZIP: APPNOTE 6.3.10, 4.3.12 (central directory), 4.3.14 (ZIP64), 4.3.16 (end record). tar: POSIX.1-2017 pax, by the
standard library, each of its reads bounded.
"""

from __future__ import annotations

import struct
import tarfile
from dataclasses import dataclass
from typing import BinaryIO, cast

from openshelf.analysis.files.ranges import RangeReader, SeekableRanges, UnreadableFile

MAX_MEMBERS = 1_000
MAX_DIRECTORY = 16 * 1024 * 1024
_TAIL = 65_536 + 22
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_MEMBER = struct.Struct("<4s6H3L5H2L")
_METHODS = {0: "stored", 8: "deflate", 9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz"}
_TAR_READ = 1024 * 1024
_TAR_END = 1024


@dataclass(frozen=True, slots=True)
class Member:
    """``packed`` is None where a format does not pack. ``note`` says what is odd about it."""

    name: str
    size: int
    packed: int | None = None
    method: str = ""
    is_folder: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """The first ``MAX_MEMBERS`` members; ``total`` of them in all, None where only reading on would tell."""

    members: tuple[Member, ...]
    total: int | None
    is_cut: bool = False
    problems: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return sum(member.size for member in self.members)


def list_zip(ranges: RangeReader) -> Archive:
    """Reads the end of the file and the directory. Raises UnreadableFile where there is no proper one."""
    start = max(0, ranges.size - _TAIL)
    tail = ranges.read(start, ranges.size)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or place + _END.size > len(tail):
        raise UnreadableFile("it has no directory at its end: it is cut off, or not a ZIP archive")
    _, _, _, _, total, size, offset, _ = _END.unpack_from(tail, place)
    end = start + place
    # Some writers, PyTorch among them, add the ZIP64 records to small archives too.
    total, size, offset, end = _zip64(ranges, end, (total, size, offset))
    # Bytes before the archive shift all offsets; what counts is that the directory ends where the end record begins.
    begin = end - size
    if begin < 0 or size > MAX_DIRECTORY:
        raise UnreadableFile(f"its directory says to have {size:,} bytes; at most {MAX_DIRECTORY:,} are read")
    problems = [] if begin == offset else [f"{abs(begin - offset):,} bytes stand before the archive or are missing"]
    members = _zip_members(ranges.read(begin, end), begin, problems)
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        problems.append("a name occurs twice; programs may read different members under it")
    return Archive(tuple(members), total, total > len(members), tuple(problems))


def _zip64(ranges: RangeReader, end: int, known: tuple[int, int, int]) -> tuple[int, int, int, int]:
    if end < 20 or ranges.read(end - 20, end - 16) != b"PK\x06\x07":
        return *known, end
    place = int.from_bytes(ranges.read(end - 12, end - 4), "little")
    found = _END64.unpack(ranges.read(place, place + _END64.size))
    if found[0] != b"PK\x06\x06":
        raise UnreadableFile(f"at byte {place:,} the ZIP64 end record should stand")
    return found[7], found[8], found[9], place


def _zip_members(directory: bytes, begin: int, problems: list[str]) -> list[Member]:
    members: list[Member] = []
    place = 0
    while place < len(directory) and len(members) < MAX_MEMBERS:
        if place + _MEMBER.size > len(directory) or directory[place : place + 4] != b"PK\x01\x02":
            problems.append(f"at byte {begin + place:,} of the directory a member should begin")
            break
        field = _MEMBER.unpack_from(directory, place)
        flags, method, packed, size = field[3], field[4], field[8], field[9]
        name_end = place + _MEMBER.size + field[10]
        extra = directory[name_end : name_end + field[11]]
        if 0xFFFFFFFF in (size, packed):
            size, packed = _zip64_sizes(extra, size, packed)
        raw = directory[place + _MEMBER.size : name_end]
        name = raw.decode("utf-8" if flags & 0x800 else "cp437", "replace")
        how = _METHODS.get(method, f"method {method}")
        members.append(Member(name, size, packed, how, name.endswith("/"), _odd(name, bool(flags & 1))))
        place = name_end + field[11] + field[12]
    return members


def _zip64_sizes(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        if kind == 1:
            values = [
                int.from_bytes(extra[at : at + 8], "little") for at in range(place + 4, place + 4 + length - 7, 8)
            ]
            if size == 0xFFFFFFFF and values:
                size = values.pop(0)
            if packed == 0xFFFFFFFF and values:
                packed = values.pop(0)
            break
        place += 4 + length
    return size, packed


def list_tar(ranges: RangeReader) -> Archive:
    """Goes from header to header. Raises UnreadableFile where the first one is no header."""
    members: list[Member] = []
    problems: list[str] = []
    ended = False
    try:
        file = cast(BinaryIO, SeekableRanges(ranges, _TAR_READ))
        with tarfile.open(fileobj=file, mode="r:", errorlevel=0, encoding="utf-8", errors="replace") as archive:
            while len(members) < MAX_MEMBERS:
                found = archive.next()
                if found is None:
                    ended = True
                    break
                members.append(_tar_member(found))
                archive.members = []  # type: ignore[attr-defined]
    except UnreadableFile as error:
        problems.append(str(error))
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
        problems.append(f"it cannot be read on after {len(members):,} members: {error}")
    if ended and ranges.read(max(0, ranges.size - _TAR_END), ranges.size).strip(b"\0"):
        problems.append("it does not end with two empty blocks, as a whole archive does: perhaps it is cut off")
    if problems and not members:
        raise UnreadableFile(problems[0])
    return Archive(tuple(members), len(members) if ended else None, not ended, tuple(problems))


def _tar_member(found: tarfile.TarInfo) -> Member:
    link = f"links to {found.linkname[:200]}" if found.issym() or found.islnk() else ""
    odd = "a device" if found.isdev() else ""
    return Member(found.name, found.size, None, "", found.isdir(), _odd(found.name, False) or link or odd)


def _odd(name: str, is_encrypted: bool) -> str:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or name[1:3] in (":\\", ":/"):
        return "leads out of the folder that it is unpacked in"
    return "needs a password" if is_encrypted else ""
