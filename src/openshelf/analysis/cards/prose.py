"""Plain words out of Markdown, without rendering it: an excerpt, the first heading, papers that are named."""

from __future__ import annotations

import re
from collections.abc import Iterator

_READ = 20_000
_MAX_LINES = 1_000
_MAX_PAPERS = 50
_ARXIV = re.compile(r"\barxiv(?:\.org/(?:abs|pdf|html)/|:[ ]?)(\d{4}\.\d{4,5})(?!\d)", re.IGNORECASE)
_PAPER_PAGE = re.compile(r"\b(?:hf\.co|huggingface\.co)/papers/(\d{4}\.\d{4,5})(?!\d)")
_FENCE = re.compile(r"[ \t]{0,3}(```|~~~)")
_NOT_PROSE = re.compile(r"[ \t]*(?:#{1,6}(?:[ \t]|$)|\||[-=*_][-=*_ \t]*$|\[[^\]]{1,200}\]:|(?: {4}|\t))")
_HEADING = re.compile(r"[ \t]{0,3}#{1,2}[ \t]+(\S.*)$")
_MATHS = r"\$\$[^$\n]{1,1000}\$\$|\$(?![\s$])[^$\n]{1,500}(?<!\s)\$(?!\d)"
_REMOVED = re.compile(
    _MATHS + r"|!\[[^\]\n]{0,500}\]\([^()\n]{0,2000}\)|<[!/?A-Za-z][^<>]{0,2000}>|\[\^[^\]\n]{1,50}\]"
)
_LINK = re.compile(r"\[([^\[\]\n]{0,500})\](?:\([^()\n]{0,2000}\)|\[[^\[\]\n]{0,200}\])")
_MARKS = re.compile(
    r"^(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t])|\[[ xX!]\w*\]))+"
    r"|\*{1,3}|`+|~~|(?<!\w)_{1,3}|_{1,3}(?!\w)"
)


def excerpt(body: str, limit: int = 300) -> str:
    """The first prose of ``body`` in plain words, at most ``limit`` characters, cut between words."""
    words: list[str] = []
    length = 0
    for line in _prose_lines(body):
        for word in _plain(line).split():
            length += len(word) + 1
            if length - 1 > limit:
                return (" ".join(words) or word[: limit - 1]) + "…" if limit > 1 else ""
            words.append(word)
    return " ".join(words)


def first_heading(body: str) -> str | None:
    """The words of the first heading of level 1 or 2, or None."""
    for line in _outside_fences(body):
        heading = _HEADING.match(line)
        if heading and (words := " ".join(_plain(heading[1].rstrip("# \t")).split())):
            return words[:200]
    return None


def arxiv_ids(body: str) -> list[str]:
    """Numbers of the arXiv papers that ``body`` names, in order, each once, at most 50."""
    numbers: dict[str, None] = {}
    for pattern in (_ARXIV, _PAPER_PAGE):
        for match in pattern.finditer(body):
            numbers[match[1]] = None
            if len(numbers) >= _MAX_PAPERS:
                return list(numbers)
    return list(numbers)


def _outside_fences(body: str) -> Iterator[str]:
    fence = None
    for line in body[:_READ].splitlines()[:_MAX_LINES]:
        mark = _FENCE.match(line)
        if mark and fence in (None, mark[1]):
            fence = None if fence else mark[1]
        elif fence is None:
            yield line


def _prose_lines(body: str) -> Iterator[str]:
    for line in _without_comments("\n".join(_outside_fences(body))).splitlines():
        if not _NOT_PROSE.match(line):
            yield line


def _without_comments(text: str) -> str:
    kept, position = [], 0
    while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept.append(text[position:start])
        position = end + 3
    return "".join(kept) + text[position:]


def _plain(line: str) -> str:
    text = _LINK.sub(r"\1", _REMOVED.sub("", line))
    return _MARKS.sub("", text).replace("\\", "")
