"""What lies inside containers with sums, and how other bytes are put in its place so that every sum is right again.

Damage at random dies at the first check sum; damage inside goes on to the readers behind it.
"""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from openshelf.analysis.checkpoints.files import HeldFile
from openshelf.analysis.checkpoints.tensorflow.sorted_table import MAGIC, SortedTable
from openshelf.analysis.files.ranges import UnreadableFile
from tests.fuzz.mutations import damage
from tests.fuzz.zip_tricks import trick
from tests.unit.checkpoints.makers.tensorflow import table

_MOST = 1 << 20
_ERRORS = (
    zipfile.BadZipFile, tarfile.TarError, UnreadableFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError,
    NotImplementedError, RuntimeError, KeyError, IndexError, struct.error, UnicodeError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inner:
    """A piece inside a container; ``put`` gives the container with another in its place."""

    content: bytes
    put: Callable[[bytes], bytes]


def damage_inside(random: Random, right: bytes, seeds: Sequence[bytes]) -> bytes:
    """``right``, damaged as it is, or inside, or by a trick of its container; often enough in each way."""
    way = random.randint(0, 3)
    if way == 0:
        return damage(random, right, seeds)
    try:
        if way == 1 and right[:2] == b"PK":
            return trick(random, right)
        found = inners(right)
        if not found:
            return damage(random, right, seeds)
        inner = random.choice(found)
        return inner.put(damage(random, inner.content, [one.content for one in found]))
    except _ERRORS:
        return damage(random, right, seeds)


def inners(content: bytes) -> list[Inner]:
    """What lies inside; nothing where ``content`` is no container known here, or too damaged. May raise ``_ERRORS``."""
    if content[:4] == b"PK\x03\x04":
        return _of_zip(content)
    if content[257:262] == b"ustar":
        return _of_tar(content)
    if content[-8:] == MAGIC:
        return _of_table(content)
    if content[8:10] == b'{"':
        return _of_safetensors(content)
    for start, opened, closed in _PACKINGS:
        if content.startswith(start):
            return [Inner(opened(content), closed)]
    return []


def _unpacked(content: bytes, wbits: int) -> bytes:
    return zlib.decompressobj(wbits).decompress(content, _MOST)


def _gzipped(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(content) + packer.flush()


_PACKINGS: Sequence[tuple[bytes, Callable[[bytes], bytes], Callable[[bytes], bytes]]] = (
    (b"\x78\x9c", lambda content: _unpacked(content, 15), zlib.compress),
    (b"\x1f\x8b\x08", lambda content: _unpacked(content, 31), _gzipped),
    (b"BZh", lambda content: bz2.BZ2Decompressor().decompress(content, _MOST), bz2.compress),
    (b"\xfd7zXZ", lambda content: lzma.LZMADecompressor().decompress(content, _MOST), lzma.compress),
)


def _of_zip(content: bytes) -> list[Inner]:
    members: dict[str, tuple[int, bytes]] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            if member.file_size <= _MOST:
                members[member.filename] = member.compress_type, archive.read(member)

    def put(name: str, new: bytes) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for called, (method, old) in members.items():
                archive.writestr(zipfile.ZipInfo(called), new if called == name else old, method)
        return target.getvalue()

    return [Inner(held, partial(put, name)) for name, (_, held) in members.items()]


def _of_tar(content: bytes) -> list[Inner]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        members = {one.name: _held(archive, one) for one in archive.getmembers() if one.isfile() and one.size <= _MOST}

    def put(name: str, new: bytes) -> bytes:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for called, old in members.items():
                entry = tarfile.TarInfo(called)
                entry.size = len(new if called == name else old)
                archive.addfile(entry, io.BytesIO(new if called == name else old))
        return target.getvalue()

    return [Inner(held, partial(put, name)) for name, held in members.items()]


def _held(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    return opened.read() if opened is not None else b""


def _of_table(content: bytes) -> list[Inner]:
    """Values and keys of a sorted table; put back, its blocks and their sums are made anew, packed or not."""
    entries = dict(SortedTable(HeldFile("", content), "").entries())
    is_packed = len(content) % 2 == 0

    def put_value(key: bytes, new: bytes) -> bytes:
        return table({**entries, key: new}, is_packed)

    def put_key(key: bytes, new: bytes) -> bytes:
        return table({new if one == key else one: value for one, value in entries.items()}, is_packed)

    keys = [Inner(key, partial(put_key, key)) for key in entries]
    return [*(Inner(value, partial(put_value, key)) for key, value in entries.items()), *keys]


def _of_safetensors(content: bytes) -> list[Inner]:
    """The header, whose length stands in front of it."""
    end = 8 + int.from_bytes(content[:8], "little")

    def put(new: bytes) -> bytes:
        return len(new).to_bytes(8, "little") + new + content[end:]

    return [Inner(content[8:end], put)]
