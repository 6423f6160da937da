"""Bytes that are text, in the encoding that they are in, and what a reader should be told about them."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16 (little endian)"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16 (big endian)"),
)
# Control characters that no text has; ESC stays, logs are full of it.
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_HIGH = re.compile(rb"[\x80-\xff]")
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MOST_CONTROLS = 0.002
_MOST_DAMAGE = 0.1


@dataclass(frozen=True, slots=True)
class Text:
    """``encoding``: its name for people, ``is_certain`` where nothing but this fits. ``damaged``: bytes that were not
    valid and stand as U+FFFD. ``reorders``: whether invisible characters change the order in which it is shown.
    """

    text: str
    encoding: str
    is_certain: bool = True
    damaged: int = 0

    @property
    def reorders(self) -> bool:
        return bool(_REORDERING.search(self.text))


def looks_like_text(head: bytes, *, is_whole: bool) -> bool:
    return decode(head, is_whole=is_whole) is not None


def decode(content: bytes, *, is_whole: bool = True) -> Text | None:
    """``content`` as text, or None where it is not text. Where it is not whole, a cut last character is left out."""
    for mark, codec, label in _MARKS:
        if content.startswith(mark) and (found := _strictly(content[len(mark) :], codec, is_whole)) is not None:
            return Text(found, label)
    if b"\0" in content:
        return _without_mark(content, is_whole)
    if (found := _strictly(content, "utf-8", is_whole)) is not None:
        return Text(found, "UTF-8") if _few_controls(content) else None
    if not _few_controls(content):
        return None
    return _damaged_or_latin(content)


def _strictly(content: bytes, codec: str, is_whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(codec)().decode(content, is_whole)
    except UnicodeDecodeError:
        return None


def _without_mark(content: bytes, is_whole: bool) -> Text | None:
    """UTF-16 without a mark: every other byte of plain text is zero in it."""
    pairs = max(1, len(content) // 2)
    for codec, place, label in (("utf-16-le", 1, "UTF-16 (little endian)"), ("utf-16-be", 0, "UTF-16 (big endian)")):
        if len(content) >= 8 and content[place::2].count(0) > pairs * 0.7 and content[1 - place :: 2].count(0) == 0:
            found = _strictly(content, codec, is_whole)
            if found is not None and found.isprintable() | ("\n" in found):
                return Text(found, label, is_certain=False)
    return None


def _few_controls(content: bytes) -> bool:
    return len(_CONTROLS.findall(content)) <= len(content) * _MOST_CONTROLS


def _damaged_or_latin(content: bytes) -> Text | None:
    replaced = content.decode("utf-8", "replace")
    damaged = replaced.count("\ufffd") - content.count("\ufffd".encode())
    high = len(_HIGH.findall(content))
    if damaged <= high * _MOST_DAMAGE:
        return Text(replaced, "UTF-8", damaged=damaged)
    # Windows-1252 is Latin-1 with letters where that has controls; five bytes mean nothing in it.
    if high > len(content) * 0.4:
        return None
    return Text(content.decode("cp1252", "replace"), "Latin-1 (Windows-1252)", is_certain=False)
