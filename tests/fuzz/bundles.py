"""Several files as one piece of bytes, as a fuzzer wants them: the names come from a right set, the contents follow.

The first byte says which set; each content but the last has its length in front of it, in four bytes. Whatever the
bytes are, they are some files: a length that goes too far ends where the bytes end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Names = Sequence[Sequence[str]]
_WIDTH = 4


def pack(which: int, contents: Sequence[bytes]) -> bytes:
    """The files of the set ``which``, in the order of its names."""
    *others, last = contents
    return bytes([which]) + b"".join(len(one).to_bytes(_WIDTH, "little") + one for one in others) + last


def unpack(data: bytes, sets: Names) -> tuple[int, dict[str, bytes]]:
    """Which set, and its files by name."""
    which = data[0] % len(sets) if data else 0
    place, files = 1, {}
    for name in sets[which][:-1]:
        start = place + _WIDTH
        place = start + int.from_bytes(data[place:start], "little")
        files[name] = data[start:place]
    return which, {**files, sets[which][-1]: data[place:]}


def packed(made: Sequence[Mapping[str, bytes]]) -> list[bytes]:
    """Every set as a piece of bytes."""
    return [pack(which, list(files.values())) for which, files in enumerate(made)]
