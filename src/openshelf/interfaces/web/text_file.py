"""A text file that is edited in a browser: what the page shows, and the bytes that come of what was typed.

Browsers know one kind of line end. Lines that were not touched keep theirs, new ones get that of the file, and a byte
order mark stays.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from itertools import takewhile

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")


@dataclass(frozen=True, slots=True)
class TextFile:
    """``text`` has ``\\n`` at the end of each line; ``lines`` are (content, line end) as they are in the file."""

    text: str
    lines: tuple[tuple[str, str], ...] = ()
    has_mark: bool = False

    @property
    def line_end(self) -> str:
        """The line end that the file has most of."""
        counted = Counter(end for _, end in self.lines if end)
        return counted.most_common(1)[0][0] if counted else "\n"

    def encode(self, typed: str) -> bytes:
        """The bytes of the file when its text is ``typed``."""
        now = _lines(typed)
        before = self.lines
        most = min(len(now), len(before))
        same = (new[0] == old[0] for new, old in zip(now, before, strict=False))
        head = sum(1 for _ in takewhile(bool, same))
        backwards = (new[0] == old[0] for new, old in zip(reversed(now), reversed(before), strict=False))
        tail = min(sum(1 for _ in takewhile(bool, backwards)), most - head)
        kept = [*before[:head], *([("", "")] * (len(now) - head - tail)), *before[len(before) - tail :]]
        text = "".join(
            content + ((old or self.line_end) if end else "")
            for (content, end), (_, old) in zip(now, kept, strict=True)
        )
        return (codecs.BOM_UTF8 if self.has_mark else b"") + text.encode()


def read(content: bytes) -> TextFile | None:
    """None where ``content`` is not UTF-8 text."""
    if b"\0" in content:
        return None
    has_mark = content.startswith(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    lines = tuple(_lines(text))
    return TextFile("".join(line + ("\n" if end else "") for line, end in lines), lines, has_mark)


def _lines(text: str) -> list[tuple[str, str]]:
    found = [(match[1], match[2]) for match in _LINE.finditer(text)]
    while found and found[-1] == ("", ""):
        found.pop()
    return found
