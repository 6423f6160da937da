"""Directories of archives, and sizes of pictures."""

from __future__ import annotations

import io
import tarfile
import zipfile

from openshelf.analysis.files import sniffing
from openshelf.analysis.files.archives import list_tar, list_zip
from openshelf.analysis.files.images import read_picture
from openshelf.analysis.files.ranges import UnreadableFile, in_memory
from tests.fuzz.target import Target

_PICTURES = (sniffing.PNG, sniffing.JPEG, sniffing.GIF, sniffing.WEBP, sniffing.BMP, sniffing.AVIF, sniffing.SVG)


def run(data: bytes) -> None:
    for read in (list_zip, list_tar):
        try:
            read(in_memory(data))
        except UnreadableFile as error:
            assert str(error)
    for name in ("a", "a.md", "a.png", "a.json"):
        sniffing.sniff(data[:4096], len(data), name)
    for kind in _PICTURES:
        try:
            read_picture(in_memory(data), kind)
        except UnreadableFile as error:
            assert str(error)


def _seeds() -> list[bytes]:
    packed, tar = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "hello")
        archive.writestr("../b", "x" * 100)
    with tarfile.open(fileobj=tar, mode="w") as archive_of_files:
        member = tarfile.TarInfo("a")
        member.size = 3
        archive_of_files.addfile(member, io.BytesIO(b"abc"))
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(8) + b"\x08\x06\0\0\0"
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="1e400" viewBox="0 0 1 1"/>'
    return [packed.getvalue(), tar.getvalue(), png, svg, b"GIF89a\1\0\1\0", b"\xff\xd8\xff\xe0\0\x02\xff\xc0\0\x0b"]


TARGET = Target(run, _seeds, memory=16 * 1024 * 1024, per_byte=400)
