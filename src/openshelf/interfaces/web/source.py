"""Text files for reading: decoded, with coloured code and a number on each line."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from openshelf.analysis.cards.highlighting import highlight


@dataclass(frozen=True, slots=True)
class Source:
    """A text as safe HTML, and how many lines it has."""

    html: Markup
    lines: int


def read_source(name: str, content: bytes) -> Source | None:
    """None where ``content`` is not UTF-8 text."""
    if b"\0" in content:
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    lines = len(text.splitlines())
    return Source(Markup(highlight(text, name)), lines)  # noqa: S704 - made safe there
