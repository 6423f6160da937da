"""Markdown from strangers to HTML that is safe to put on a page.

Four steps, each bounded: the text is cut to what can be laid out, comrak turns it into HTML (GitHub's dialect, raw
HTML kept), ``elements`` writes that anew, ``allow_list`` checks it as a browser would read it. Code is coloured
and formulas are drawn last, in what is already safe.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape, unescape
from time import thread_time

import comrak

from openshelf.analysis.cards.addresses import Addresses
from openshelf.analysis.cards.allow_list import LANGUAGE_CLASS, enforce
from openshelf.analysis.cards.elements import Rewriter
from openshelf.analysis.cards.highlighting import highlight, highlight_code, pygments_css
from openshelf.analysis.cards.maths import draw

__all__ = ["clean_html", "highlight", "pygments_css", "render"]

MAX_CHARACTERS = 2_000_000
MAX_CELLS = 200_000
MAX_COLUMNS = 500
MAX_QUOTES = 30
MAX_HTML = 16_000_000
MAX_COLOURED = 300_000

MAX_SOURCE = 200_000
MAX_SECONDS = 1.5
"""CPU time after which a text is shown as it was written."""

SLOW_NOTE = '<p class="note">This text takes too long to lay out. It is shown as it was written.</p>\n'
CUT_NOTE = '<p class="note">This text is too long to show in full. Open the file itself to read the rest.</p>\n'

_QUOTES = re.compile(rf"^((?:[ \t]*+>){{{MAX_QUOTES}}})(?=[ \t]*>)", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n((?:[ \t]*+\n){100})(?:[ \t]*+\n)++")
_DELIMITER_ROW = re.compile(r"[ \t>*+\-:|.)\d]*-[ \t>*+\-:|]*\Z")
_CODE = re.compile(r'<pre><code class="language-([^"<>]*)">([^<]*)</code></pre>')
_EXTENSIONS = ("table", "strikethrough", "tasklist", "autolink", "footnotes", "math_dollars", "alerts")


def render(body: str, *, link: Callable[[str], str], image: Callable[[str], str]) -> str:
    """``body`` as HTML, without scripts, styles or anything from another origin.

    ``link`` and ``image`` turn a relative address, as written, into a path on this hub (``""`` to drop it). Links to
    other origins get ``rel="nofollow noopener noreferrer"``; images there become links. Ids start with
    ``user-content-``. Never raises; what is too long ends with a note that says so.
    """
    started = thread_time()
    text, cut = _bounded(body)
    html = comrak.render_markdown(text, *_OPTIONS)
    rewriter = Rewriter(Addresses(link, image))
    if thread_time() - started > MAX_SECONDS:
        return _as_source(body)
    rewritten = rewriter.rewrite(html[:MAX_HTML])
    if thread_time() - started > MAX_SECONDS:
        return _as_source(body)
    safe = enforce(rewritten)
    cut = cut or rewriter.cut or len(html) > MAX_HTML
    return draw(_coloured(safe)) + (CUT_NOTE if cut else "")


def clean_html(html: str, *, link: Callable[[str], str], image: Callable[[str], str]) -> str:
    """HTML from strangers held to what a card may have; as :func:`render`, without Markdown."""
    rewriter = Rewriter(Addresses(link, image))
    safe = enforce(rewriter.rewrite(html[:MAX_HTML]))
    return safe + (CUT_NOTE if rewriter.cut or len(html) > MAX_HTML else "")


def _as_source(body: str) -> str:
    return f"{SLOW_NOTE}<pre><code>{escape(body[:MAX_SOURCE], quote=False)}</code></pre>\n"


def _options() -> tuple[comrak.ExtensionOptions, comrak.ParseOptions, comrak.RenderOptions]:
    extensions, rendering = comrak.ExtensionOptions(), comrak.RenderOptions()
    for name in _EXTENSIONS:
        setattr(extensions, name, True)
    rendering.unsafe_ = True
    return extensions, comrak.ParseOptions(), rendering


_OPTIONS = _options()


def _bounded(body: str) -> tuple[str, bool]:
    """The part of ``body`` whose layout costs linear time, and whether anything was left out."""
    text = body[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
    text = _BLANK_LINES.sub(r"\n\1", text)
    text = _QUOTES.sub(r"\1\\", text) if ">" * 2 in text.replace(" ", "").replace("\t", "") else text
    end = _end_of_tables(text) if "|" in text else len(text)
    return text[:end], end < len(text) or len(body) > MAX_CHARACTERS


def _end_of_tables(text: str) -> int:
    """Where the cells of all tables, short rows filled up as comrak does, become too many, or one is too wide."""
    columns = cells = position = 0
    for line in text.splitlines(keepends=True):
        if "|" in line and _DELIMITER_ROW.match(line.rstrip()):
            columns = max(columns, line.count("|") + 1)
        elif columns and not line.strip():
            columns = 0
        cells += columns
        if cells > MAX_CELLS or columns > MAX_COLUMNS:
            return position
        position += len(line)
    return position


def _coloured(html: str) -> str:
    left = MAX_COLOURED

    def colour(block: re.Match[str]) -> str:
        nonlocal left
        code = unescape(block[2])
        done = highlight_code(code, block[1]) if len(code) <= left else None
        if done is None:
            return block[0]
        left -= len(code)
        return f'<pre class="highlight"><code class="{LANGUAGE_CLASS}{block[1]}">{done}</code></pre>'

    return _CODE.sub(colour, html)
