"""Where the members of a tar archive lie (POSIX.1-2017 pax and ustar); meant for archives of few members."""

from __future__ import annotations

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import OpenFile

MAX_MEMBERS = 1000
_BLOCK = 512
_PLAIN = (b"0", b"\0", b"7")


def is_tar(file: OpenFile) -> bool:
    """Whether it begins with a header whose check sum is right."""
    return file.size >= _BLOCK and _sum_is_right(file.read(0, _BLOCK))


def tar_members(file: OpenFile, name: str) -> dict[str, tuple[int, int]]:
    """Name to first byte and byte after the last, of plain members; names of pax headers are not looked at.

    Raises UnreadableCheckpoint where a header is damaged, a member is cut off, or a name stands twice.
    """
    found: dict[str, tuple[int, int]] = {}
    place = 0
    for _ in range(MAX_MEMBERS):
        if place + _BLOCK > file.size:
            raise UnreadableCheckpoint(name, "it is a tar archive that ends without an end mark: it is cut off", place)
        head = file.read(place, place + _BLOCK)
        if not any(head):
            return found
        if not _sum_is_right(head):
            raise UnreadableCheckpoint(name, "the header of a tar member should stand here", place)
        size = _octal(head[124:136])
        start, end = place + _BLOCK, place + _BLOCK + size
        if end > file.size:
            raise UnreadableCheckpoint(name, f"a member of {size:,} bytes is cut off", place)
        if head[156:157] in _PLAIN:
            called = head[:100].split(b"\0")[0].decode("utf-8", "replace").removeprefix("./")
            if called in found:
                raise UnreadableCheckpoint(name, f"the member {called!r} stands in it twice", place)
            found[called] = start, end
        place = end + -size % _BLOCK
    raise UnreadableCheckpoint(name, f"it has more than {MAX_MEMBERS:,} members", place)


def _sum_is_right(head: bytes) -> bool:
    return any(head) and sum(head[:148]) + 256 + sum(head[156:]) == _octal(head[148:156])


def _octal(written: bytes) -> int:
    if written[:1] == b"\x80":
        return int.from_bytes(written[1:], "big")
    digits = written.strip(b"\0 ")
    return int(digits, 8) if digits and all(0x30 <= one < 0x38 for one in digits) else 0
