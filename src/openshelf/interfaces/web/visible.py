"""Text shown so that nothing in it hides: control characters, changes of direction and broken bytes become marks.

Overrides of the writing direction can make a line read otherwise than it runs ("Trojan Source", CVE-2021-42574).
"""

from __future__ import annotations

import re
import unicodedata
from html import escape

from markupsafe import Markup

MAX_LINE = 2000
_ODD = re.compile(
    "[\0-\x08\x0a-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SHORT = {"\r": "CR", "\n": "LF", "\x1b": "ESC", "\0": "NUL", "\b": "BS", "\f": "FF"}


def decoded(content: bytes) -> str:
    """Bytes as text; those that are not UTF-8 stay apart, for ``visible`` to name them."""
    return content.decode("utf-8", "surrogateescape")


def visible(text: str) -> Markup:
    """``text`` as HTML with a mark for each character that does not show or that turns the direction."""
    return Markup(_ODD.sub(_mark, escape(text, quote=False)))  # noqa: S704 - escaped, and marks are our own


def visible_name(text: str) -> Markup:
    """A name or path, kept apart from the direction of what stands around it."""
    return Markup("<bdi>{}</bdi>").format(visible(text))


def visible_text(text: str) -> Markup:
    """Text of several lines; their ends stay."""
    return Markup("\n").join(visible(line) for line in text.split("\n"))


def is_plain(text: str) -> bool:
    """Whether ``visible`` would mark nothing."""
    return not _ODD.search(text)


def _mark(found: re.Match[str]) -> str:
    char = found[0]
    if "\udc80" <= char <= "\udcff":
        return f'<span class="odd" title="not UTF-8">\\x{ord(char) - 0xDC00:02x}</span>'
    name = unicodedata.name(char, "").lower() or "control character"
    return f'<span class="odd" title="{escape(name)}">{_SHORT.get(char, f"U+{ord(char):04X}")}</span>'
