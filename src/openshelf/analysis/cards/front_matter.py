"""The front matter of a README: the YAML between two lines of ``---`` at its very start.

What counts as front matter is what ``huggingface_hub`` 2.4 reads as such (``REGEX_YAML_BLOCK`` in ``repocard.py``):
blank lines may stand before it, and without a closing line there is none.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openshelf.analysis.cards.yaml_values import Problem, UnreadableYaml, read

__all__ = ["MAX_BYTES", "Card", "Problem", "split"]

MAX_BYTES = 1_000_000

_OPENING = re.compile(r"(?:[ \t]*\n)*---[ \t]*\n")
_CLOSING = re.compile(r"^---[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Card:
    """A README taken apart.

    ``metadata`` is fit for JSON; None when there is no front matter or it cannot be read (then a problem is fatal),
    empty when nothing is between the fences. ``body`` starts on line ``body_line`` of the file.
    """

    metadata: Mapping[str, Any] | None
    body: str
    problems: tuple[Problem, ...] = ()
    body_line: int = 1


def split(content: bytes) -> Card:
    """Take README.md apart. Never raises: what is wrong is in ``problems``. Reads at most ``MAX_BYTES``."""
    text, problems = _decode(content)
    opening = _OPENING.match(text)
    if opening is None:
        return Card(None, text, tuple(problems))
    first_line = text.count("\n", 0, opening.end()) + 1
    closing = _CLOSING.search(text, opening.end())
    if closing is None:
        problems.append(Problem(first_line - 1, 'nothing closes the front matter; end it with a line of "---"'))
        return Card(None, text, tuple(problems))
    metadata, found = _metadata(text[opening.end() : closing.start()], first_line)
    body_line = text.count("\n", 0, closing.start()) + 2
    return Card(metadata, text[closing.end() + 1 :], (*problems, *found), body_line)


def _decode(content: bytes) -> tuple[str, list[Problem]]:
    problems = []
    whole = len(content) <= MAX_BYTES
    if not whole:
        problems.append(Problem(1, f"only the first {MAX_BYTES:,} bytes are read; move long text to other files"))
        content = content[:MAX_BYTES]
    decoder = codecs.getincrementaldecoder("utf-8-sig")
    try:
        text = decoder().decode(content, final=whole)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(Problem(line, "some bytes are not UTF-8 and show as \ufffd; save the file as UTF-8"))
        text = decoder("replace").decode(content, final=whole)
    return text.replace("\r\n", "\n").replace("\r", "\n"), problems


def _metadata(text: str, first_line: int) -> tuple[Mapping[str, Any] | None, tuple[Problem, ...]]:
    try:
        value, problems = read(text, first_line)
    except UnreadableYaml as error:
        return None, (error.problem,)
    if value is None:
        return {}, problems
    if not isinstance(value, dict):
        wrong = Problem(first_line, 'the metadata must be "name: value" lines', fatal=True)
        return None, (*problems, wrong)
    return value, problems
