"""Archives that say one thing in one place and another thing in another, made from right ones.

Offsets of fields: PKWARE APPNOTE 6.3.10, 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (end record).
"""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

_LOCAL, _MEMBER, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_SIZES = (0, 1, 100, 2**16, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_NAMES = (b"../escape", b"/absolute", b"back\\slash", b"nul\0name", b"", b"a/../../b", b"C:\\x", b"a" * 5000)
_BOMB = 1 << 24
# Field to its place and width, in a local header and in the central directory.
_FIELDS = {
    "flags": ((6, 2), (8, 2)), "method": ((8, 2), (10, 2)), "crc": ((14, 4), (16, 4)), "stored": ((18, 4), (20, 4)),
    "size": ((22, 4), (24, 4)), "name": ((26, 2), (28, 2)), "extra": ((28, 2), (30, 2)),
}  # fmt: skip


def trick(random: Random, right: bytes) -> bytes:
    """One or two tricks on the archive ``right``. Raises what zipfile raises where it is too damaged for that."""
    data = right
    for _ in range(random.randint(1, 2)):
        data = random.choice(_TRICKS)(random, data)
    return data


def _places(data: bytes, mark: bytes) -> list[int]:
    found, place = [], data.find(mark)
    while place >= 0:
        found.append(place)
        place = data.find(mark, place + 4)
    return found


def _put(data: bytes, at: int, value: int, width: int) -> bytes:
    return data[:at] + (value & (1 << 8 * width) - 1).to_bytes(width, "little") + data[at + width :]


def _one_field(random: Random, data: bytes) -> bytes:
    """One place lies about a member; the other tells the truth."""
    name = random.choice(list(_FIELDS))
    return _written(random, data, random.randint(0, 1), name)


def _both_fields(random: Random, data: bytes) -> bytes:
    """Both places tell the same lie of a member."""
    name = random.choice(list(_FIELDS))
    number = random.randint(0, 1 << 16)
    value = random.choice((*_SIZES, random.randint(0, len(data))))
    for which in (0, 1):
        data = _written(random, data, which, name, number, value)
    return data


def _written(
    random: Random, data: bytes, which: int, name: str, number: int | None = None, value: int | None = None
) -> bytes:
    places = _places(data, (_LOCAL, _MEMBER)[which])
    if not places:
        return data
    place = places[(random.randint(0, 1 << 16) if number is None else number) % len(places)]
    offset, width = _FIELDS[name][which]
    wanted = random.choice((*_SIZES, random.randint(0, len(data)))) if value is None else value
    return _put(data, place + offset, wanted, width)


def _offset(random: Random, data: bytes) -> bytes:
    """A member that lies where another does, inside it, or outside the archive."""
    places, headers = _places(data, _MEMBER), _places(data, _LOCAL)
    if not places or not headers:
        return data
    wanted = random.choice((*headers, random.choice(headers) + random.randint(-4, 40), *_SIZES))
    return _put(data, random.choice(places) + 42, wanted, 4)


def _end_record(random: Random, data: bytes) -> bytes:
    """Disks, counts, size and place of the directory."""
    places = _places(data, _END)
    if not places:
        return data
    offset, width = random.choice(((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)))
    return _put(data, places[-1] + offset, random.choice((*_SIZES, random.randint(0, len(data)))), width)


def _zip64(random: Random, data: bytes) -> bytes:
    """Sizes in a field of ZIP64, right or not, and a ZIP64 end record that may lead anywhere."""
    members = _members(data)
    written = io.BytesIO()
    with _writing(written) as archive:
        for info, content in members:
            extra = struct.pack("<HHQQ", 1, 16, random.choice((len(content), *_SIZES)), random.choice(_SIZES))
            entry = zipfile.ZipInfo(info.filename)
            entry.extra = extra[: random.choice((4, 12, 20))]
            archive.writestr(entry, content, info.compress_type)
    made = written.getvalue()
    if random.randint(0, 1):
        return _written(random, made, 1, random.choice(("stored", "size")), value=2**32 - 1)
    end = _places(made, _END)[-1]
    start, size = struct.unpack_from("<II", made, end + 12)[::-1]
    place = random.choice((end, 0, 2**40, start))
    count = random.choice((len(members), 2**33))
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    return made[:end] + record + struct.pack("<4sLQL", b"PK\x06\x07", 0, place, 1) + made[end:]


class _Forward(io.RawIOBase):
    """A stream that cannot go back, so that zipfile writes descriptors."""

    def __init__(self) -> None:
        self.held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any, /) -> int:
        before = len(self.held)
        self.held += piece
        return len(self.held) - before


def _descriptor(random: Random, data: bytes) -> bytes:
    """Sizes that stand behind the data, or should and do not."""
    target = _Forward()
    with _writing(target) as archive:
        for info, content in _members(data):
            archive.writestr(zipfile.ZipInfo(info.filename), content, info.compress_type)
    made = bytes(target.held)
    places = _places(made, b"PK\x07\x08")
    if places and random.randint(0, 1):
        return _put(made, random.choice(places) + random.choice((0, 4, 8, 12)), random.choice(_SIZES), 4)
    return made


@contextmanager
def _writing(target: Any) -> Iterator[zipfile.ZipFile]:
    """A new archive, in which a name may stand twice without a warning."""
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w") as archive:
        warnings.simplefilter("ignore")
        yield archive


def _members(data: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info, archive.read(info)) for info in archive.infolist() if info.file_size < _BOMB]


def _again(random: Random, data: bytes) -> bytes:
    """A member twice, one with a name that leads outside, or one that unpacks to much."""
    members = _members(data)
    written = io.BytesIO()
    with _writing(written) as archive:
        chosen = random.randint(0, len(members) - 1)
        way = random.randint(0, 2)
        for number, (info, content) in enumerate(members):
            name = info.filename
            if number == chosen and way == 0:
                archive.writestr(zipfile.ZipInfo(name), content, info.compress_type)
            if number == chosen and way == 1:
                name = random.choice(_NAMES).decode("latin-1")
            if number == chosen and way == 2:
                content = content + bytes(random.choice((1 << 16, 1 << 20, _BOMB)))
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED if way == 2 else info.compress_type)
    return written.getvalue()


def _around(random: Random, data: bytes) -> bytes:
    """Bytes before the archive, behind it, between its parts, or a second archive behind the first."""
    way = random.randint(0, 3)
    extra = random.randbytes(random.randint(1, 64))
    if way == 0:
        return extra + data
    if way == 1:
        return data + extra
    if way == 2:
        return data + data
    place = random.choice(_places(data, _MEMBER) or [0])
    return data[:place] + extra + data[place:]


_TRICKS: tuple[Callable[[Random, bytes], bytes], ...] = (
    _one_field, _both_fields, _offset, _end_record, _zip64, _descriptor, _again, _around,
)  # fmt: skip
