"""The words that differ between two versions of a line."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TypeAlias

MAX_LINE = 1000
MAX_WORDS = 150
# Below this likeness the lines are different lines, and marks would be noise.
_LEAST_ALIKE = 0.4
_WORDS = re.compile(r"\w+|\s+|.", re.DOTALL)

Span: TypeAlias = tuple[int, int]
"""The characters [start, end) of a line."""


def changed_words(old: str, new: str) -> tuple[list[Span], list[Span]]:
    """What was taken out of ``old`` and what was put into ``new``; nothing where the lines are long or unlike."""
    if old == new or len(old) > MAX_LINE or len(new) > MAX_LINE:
        return [], []
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    if max(len(before), len(after)) > MAX_WORDS:
        return [], []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.quick_ratio() < _LEAST_ALIKE or matcher.ratio() < _LEAST_ALIKE:
        return [], []
    steps = [step for step in matcher.get_opcodes() if step[0] != "equal"]
    gone = _spans(before, [(start, end) for _, start, end, _, _ in steps])
    come = _spans(after, [(start, end) for _, _, _, start, end in steps])
    return gone, come


def _spans(words: list[str], ranges: list[Span]) -> list[Span]:
    """Ranges of words as ranges of characters; neighbours become one."""
    places = [0]
    for word in words:
        places.append(places[-1] + len(word))
    found: list[Span] = []
    for start, end in ranges:
        if start == end:
            continue
        if found and found[-1][1] == places[start]:
            found[-1] = (found[-1][0], places[end])
        else:
            found.append((places[start], places[end]))
    return found
