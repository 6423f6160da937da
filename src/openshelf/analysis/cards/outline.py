"""The headings of a card that has become HTML: a table of contents, and an anchor to each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

MAX_HEADINGS = 60
_HEADING = re.compile(r'<h([1-6])((?: [a-z-]+="[^"]*")*? id="([^"]+)"[^>]*)>(.*?)</h\1>', re.DOTALL)
_LONGEST = 4_000
_MARKUP = re.compile(r"<[^<>]*+>")


@dataclass(frozen=True, slots=True)
class Heading:
    """``level`` counts from 1 among the levels that the card uses; ``id`` is that of the element."""

    level: int
    id: str
    text: str


def outline(html: str) -> tuple[tuple[Heading, ...], str]:
    """The headings of ``html``, at most :data:`MAX_HEADINGS`, and ``html`` with a link to itself in each of them."""
    found: list[tuple[int, str, str]] = []

    def anchored(heading: re.Match[str]) -> str:
        level, attributes, name, inside = heading.groups()
        text = " ".join(unescape(_MARKUP.sub("", inside)).split())
        if not text or len(inside) > _LONGEST or len(found) >= MAX_HEADINGS:
            return heading[0]
        found.append((int(level), name, text[:200]))
        anchor = f'<a class="anchor" href="#{name}" aria-hidden="true" tabindex="-1">#</a>'
        return f"<h{level}{attributes}>{inside} {anchor}</h{level}>"

    linked = _HEADING.sub(anchored, html)
    levels = sorted({level for level, _, _ in found})
    return tuple(Heading(levels.index(level) + 1, unescape(name), text) for level, name, text in found), linked
