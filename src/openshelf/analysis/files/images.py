"""Pictures by their headers: width, height, whether they are see-through, whether they move."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from openshelf.analysis.files.ranges import RangeReader, UnreadableFile
from openshelf.analysis.files.sniffing import AVIF, BMP, GIF, JPEG, PNG, SVG, WEBP, Kind

HEADER_BYTES = 256 * 1024
_MOST_PIXELS = 200_000_000
_SVG_TAG = re.compile(r"<svg\b([^>]{0,4000})>", re.IGNORECASE)
_SVG_NUMBER = re.compile(r"""\b(width|height)\s{0,9}=\s{0,9}["']\s{0,9}(\d{1,6}(?:\.\d{1,6})?)(?:px)?\s{0,9}["']""")
_SVG_BOX = re.compile(r"""\bviewBox\s{0,9}=\s{0,9}["']\s{0,9}([-\d.eE+ ,]{1,100})["']""")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Picture:
    """Size in pixels, 0 where the file does not say; ``is_animated`` None where only all of the file would tell."""

    width: int
    height: int
    has_alpha: bool = False
    is_animated: bool = False

    @property
    def is_too_large(self) -> bool:
        """Whether a browser would need more memory for it than a page should ask for."""
        return self.width * self.height > _MOST_PIXELS


def read_picture(ranges: RangeReader, kind: Kind) -> Picture:
    """What the header says. Raises UnreadableFile where it is cut or malformed."""
    head = ranges.read(0, min(ranges.size, HEADER_BYTES))
    try:
        return _READERS[kind](head)
    except (IndexError, ValueError) as error:
        if isinstance(error, UnreadableFile):
            raise
        raise UnreadableFile(f"the header of {kind.name} is cut off or malformed: {error}") from None


def _u(head: bytes, place: int, length: int, order: str = "big") -> int:
    if place + length > len(head):
        raise UnreadableFile(f"the header ends at byte {len(head):,}, where byte {place + length:,} should be")
    return int.from_bytes(head[place : place + length], "big" if order == "big" else "little")


def _png(head: bytes) -> Picture:
    if head[12:16] != b"IHDR":
        raise UnreadableFile("at byte 12 the first chunk of a PNG image should be IHDR")
    alpha, animated, place = _u(head, 25, 1) in (4, 6), False, 8
    while place + 8 <= len(head) and (name := head[place + 4 : place + 8]) != b"IDAT":
        alpha |= name == b"tRNS"
        animated |= name == b"acTL"
        place += 12 + _u(head, place, 4)
    return Picture(_u(head, 16, 4), _u(head, 20, 4), alpha, animated)


def _jpeg(head: bytes) -> Picture:
    place = 2
    while True:
        if _u(head, place, 1) != 0xFF:
            raise UnreadableFile(f"at byte {place:,} of a JPEG image a marker should begin")
        marker = _u(head, place + 1, 1)
        if marker == 0xFF:
            place += 1
        elif marker in _FRAMES:
            return Picture(_u(head, place + 7, 2), _u(head, place + 5, 2))
        elif marker in (0xD9, 0xDA):
            raise UnreadableFile(f"at byte {place:,} a JPEG image begins its data without saying its size")
        else:
            place += 2 + (_u(head, place + 2, 2) if not (0xD0 <= marker <= 0xD8 or marker == 1) else 0)


def _gif(head: bytes) -> Picture:
    looped = b"NETSCAPE2.0" in head
    alpha = any(head[found.end()] & 1 for found in re.finditer(rb"\x21\xf9\x04", head) if found.end() < len(head))
    return Picture(_u(head, 6, 2, "little"), _u(head, 8, 2, "little"), alpha, looped or head.count(b"\x21\xf9\x04") > 1)


def _webp(head: bytes) -> Picture:
    form = head[12:16]
    if form == b"VP8X":
        flags = _u(head, 20, 1)
        width, height = _u(head, 24, 3, "little") + 1, _u(head, 27, 3, "little") + 1
        return Picture(width, height, bool(flags & 0x10), bool(flags & 0x02))
    if form == b"VP8L":
        bits = _u(head, 21, 4, "little")
        return Picture((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1))
    if form == b"VP8 ":
        return Picture(_u(head, 26, 2, "little") & 0x3FFF, _u(head, 28, 2, "little") & 0x3FFF)
    raise UnreadableFile("at byte 12 of a WebP image one of VP8, VP8L and VP8X should be")


def _bmp(head: bytes) -> Picture:
    if _u(head, 14, 4, "little") == 12:
        return Picture(_u(head, 18, 2, "little"), _u(head, 20, 2, "little"))
    height = int.from_bytes(head[22:26], "little", signed=True)
    return Picture(_u(head, 18, 4, "little"), abs(height), _u(head, 28, 2, "little") == 32)


def _avif(head: bytes) -> Picture:
    place = head.find(b"ispe")
    if place < 0:
        raise UnreadableFile("no size (ispe) is in the first part of an AVIF image")
    return Picture(_u(head, place + 8, 4), _u(head, place + 12, 4), b"auxC" in head, head[8:12] == b"avis")


def _svg(head: bytes) -> Picture:
    text = head.decode("utf-8", "replace")
    tag = _SVG_TAG.search(text)
    if tag is None:
        raise UnreadableFile("no <svg> element is in it")
    said = {name: float(value) for name, value in _SVG_NUMBER.findall(tag[1])}
    box = _SVG_BOX.search(tag[1])
    if box and len(said) < 2:
        sides = [float(side) for side in box[1].replace(",", " ").split()]
        said = {"width": sides[2], "height": sides[3]}
    animated = "<animate" in text or "@keyframes" in text
    return Picture(_side(said.get("width")), _side(said.get("height")), True, animated)


def _side(value: float | None) -> int:
    return round(value) if value is not None and 0 < value < 1_000_000 else 0


_READERS: dict[Kind, Callable[[bytes], Picture]] = {
    PNG: _png, JPEG: _jpeg, GIF: _gif, WEBP: _webp, BMP: _bmp, AVIF: _avif, SVG: _svg,
}  # fmt: skip
