"""Text files for reading: coloured code, a number on each line that links to it; lines and their length are bounded."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from openshelf.analysis.cards.highlighting import highlighted_lines, numbered_line
from openshelf.interfaces.web.shown_cache import ShownCache

MAX_LINES = 10_000
MAX_LINE = 5_000


@dataclass(frozen=True, slots=True)
class Source:
    """A text as safe HTML. ``lines``: that are shown; ``is_cut``: whether more follow; ``shortened``: lines cut off."""

    html: Markup
    lines: int
    is_cut: bool = False
    shortened: int = 0


# By the hash of the text, its file's name, and the words in it.
_cache = ShownCache[Source](8_000_000)


def laid_out(text: str, etag: str, name: str, more_characters: str) -> Source:
    """Like ``lay_out``, remembered; ``etag`` is that of the file whose beginning ``text`` is."""
    key = (etag, str(len(text)), name, more_characters)
    known = _cache.get(key)
    if known is None:
        known = lay_out(text, name, more_characters)
        _cache.keep(key, known)
    return known


def lay_out(text: str, name: str, more_characters: str) -> Source:
    """``text`` of a file called ``name``; ``more_characters`` are the words behind a line that was cut off."""
    whole = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = whole.split("\n", MAX_LINES)
    is_cut = len(lines) > MAX_LINES and bool(lines[-1])
    lines = lines[:MAX_LINES]
    if lines and not lines[-1]:
        lines.pop()
    long = set[int]()
    if max(map(len, lines), default=0) > MAX_LINE:
        long = {number for number, line in enumerate(lines, 1) if len(line) > MAX_LINE}
        lines = [line[:MAX_LINE] for line in lines]
    found = highlighted_lines("\n".join(lines), name) if lines else []
    note = Markup(' <span class="line-cut">… {}</span>').format(more_characters)
    numbered = "\n".join(
        numbered_line(number, line + note if number in long else line) for number, line in enumerate(found, 1)
    )
    html = Markup(f'<pre class="highlight"><code>{numbered}\n</code></pre>')  # noqa: S704 - made safe there
    return Source(html, len(lines), is_cut, len(long))


def read_source(name: str, content: bytes) -> Source | None:
    """A preview of what was written; None where ``content`` is not UTF-8 text."""
    if b"\0" in content:
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return lay_out(text, name, "…")
