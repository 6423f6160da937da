"""Colours for code, put on by the server as class names (``hl-k``, ``hl-s1`` ...).

A lexer of Pygments is a set of regular expressions, and few stay quick on hostile text (5 kB of line ends cost the one
for C 0.9 s). So only languages listed here are coloured, only up to a size, and only while the clock allows; anything
else is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import escape
from time import thread_time
from typing import Any

import pygments
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

CLASS_PREFIX = "hl-"
MAX_BLOCK = 100_000
MAX_FILE = 400_000
MAX_SHOWN = 2_000_000
MAX_LINE = 1_000
MAX_SECONDS = 0.5

_ALIASES = {
    alias: name
    for name, aliases in {
        "python": "py python3 pyi python-repl",
        "pycon": "",
        "pytb": "traceback",
        "bash": "sh shell zsh",
        "console": "shell-session terminal",
        "json": "jsonl json5 jsonc ipynb",
        "yaml": "yml",
        "toml": "",
        "ini": "cfg conf",
        "diff": "patch",
        "html": "htm xhtml",
        "xml": "svg xsd",
        "css": "",
        "javascript": "js mjs jsx",
        "typescript": "ts tsx",
        "c": "h",
        "cpp": "c++ cc cxx hpp cuh cu cuda",
        "csharp": "cs",
        "java": "",
        "kotlin": "kt",
        "scala": "",
        "go": "golang",
        "rust": "rs",
        "swift": "",
        "ruby": "rb",
        "php": "",
        "perl": "pl",
        "lua": "",
        "r": "rscript",
        "julia": "jl",
        "haskell": "hs",
        "sql": "",
        "docker": "dockerfile containerfile",
        "make": "makefile mk",
        "cmake": "",
        "tex": "latex sty",
        "bibtex": "bib",
        "markdown": "md",
        "protobuf": "proto",
        "graphql": "",
        "django": "jinja jinja2 j2",
        "powershell": "ps1",
    }.items()
    for alias in (name, *aliases.split())
}
_BY_FILE_NAME = {
    "dockerfile": "docker",
    "containerfile": "docker",
    "makefile": "make",
    "cmakelists.txt": "cmake",
    ".bashrc": "bash",
    "cargo.lock": "toml",
    "uv.lock": "toml",
}
_BLANK_RUN = re.compile(r"\n\s{100}")
_FORMATTER: HtmlFormatter[str] = HtmlFormatter(nowrap=True, classprefix=CLASS_PREFIX)


def highlight_code(code: str, language: str) -> str | None:
    """``code`` as HTML with class names, line by line; None when the language is unknown or the code too large."""
    name = _ALIASES.get(language.lower())
    if name is None or len(code) > MAX_BLOCK or not code.strip():
        return None
    return _coloured(code, name)


def highlight(text: str, filename: str) -> str:
    """A file as HTML for the viewer: ``<pre class="highlight">`` with one ``<span class="line" id="L7">`` a line.

    Each line starts with a link to itself that carries its number in ``data-line``, for a style sheet to show. Files
    above ``MAX_FILE`` characters are not coloured; of those above ``MAX_SHOWN`` the rest is left out, and it says so.
    """
    lines = highlighted_lines(text[:MAX_SHOWN], filename)
    numbered = "\n".join(numbered_line(number, line) for number, line in enumerate(lines, 1))
    rest = len(text) - MAX_SHOWN
    note = f'\n<p class="note">{rest:,} more characters are not shown. Download the file to read it all.</p>'
    return f'<pre class="highlight"><code>{numbered}\n</code></pre>' + (note if rest > 0 else "")


def highlighted_lines(text: str, filename: str) -> list[str]:
    """Each line of ``text`` as HTML; coloured where that can be done in time."""
    shown = text.replace("\r\n", "\n").replace("\r", "\n")
    language = language_of(filename)
    html = _coloured(shown, language) if language and len(shown) <= MAX_FILE else None
    return (html if html is not None else escape(shown, quote=False)).removesuffix("\n").split("\n")


def language_of(filename: str) -> str | None:
    """The language that the name of a file tells, of those that are coloured."""
    name = filename.rpartition("/")[2].lower()
    return _BY_FILE_NAME.get(name) or _ALIASES.get(name.rpartition(".")[2] if "." in name else "")


def pygments_css(style: str = "default", scope: str = ".highlight") -> str:
    """Rules for the class names, each under the selector ``scope``. Raises ValueError for an unknown ``style``."""
    try:
        formatter: HtmlFormatter[str] = HtmlFormatter(style=style, classprefix=CLASS_PREFIX)
    except ClassNotFound as error:
        raise ValueError(f'Pygments has no style "{style}"; "pygmentize -L styles" lists them') from error
    rules: list[str] = formatter.get_style_defs(scope).splitlines()  # type: ignore[no-untyped-call]
    return "\n".join(rule for rule in rules if rule.startswith(f"{scope} .{CLASS_PREFIX}"))


def numbered_line(number: int, html: str) -> str:
    """A line with its number as a link to itself."""
    anchor = f'<a class="line-number" href="#L{number}" data-line="{number}" aria-label="Line {number}"></a>'
    return f'<span class="line" id="L{number}">{anchor}{html}</span>'


def _coloured(code: str, name: str) -> str | None:
    if any(len(line) > MAX_LINE for line in code.split("\n")) or _BLANK_RUN.search(code):
        return None
    try:
        return pygments.format(_timely(_lexer(name).get_tokens(code)), _FORMATTER)
    except TimeoutError:
        return None


def _timely(tokens: Iterable[tuple[Any, str]]) -> Iterator[tuple[Any, str]]:
    """``tokens``; raises TimeoutError when they take more than ``MAX_SECONDS`` of CPU time."""
    end = thread_time() + MAX_SECONDS
    for number, token in enumerate(tokens):
        if number % 16 == 0 and thread_time() > end:
            raise TimeoutError
        yield token


@lru_cache(maxsize=64)
def _lexer(name: str) -> Lexer:
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)
