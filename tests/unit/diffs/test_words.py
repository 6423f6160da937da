"""Words that changed inside a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openshelf.analysis.diffs.words import MAX_LINE, changed_words

LINES = st.text(alphabet="ab .,(\u202eé", max_size=40)


def test_only_the_words_that_differ_are_marked() -> None:
    old, new = "lr = 0.001  # slow", "lr = 0.01  # slow"
    gone, come = changed_words(old, new)
    assert [old[start:end] for start, end in gone] == ["001"]
    assert [new[start:end] for start, end in come] == ["01"]
    assert changed_words("return a", "return a, b") == ([], [(8, 11)])


def test_lines_that_are_unlike_or_long_get_no_marks() -> None:
    assert changed_words("import os", "# nothing of this") == ([], [])
    assert changed_words("a " * MAX_LINE, "a " * MAX_LINE + "b") == ([], [])
    assert changed_words("a b " * 200, "a b " * 200 + "c") == ([], [])
    assert changed_words("same", "same") == ([], [])


@given(LINES, LINES)
def test_what_is_not_marked_is_the_same_on_both_sides(old: str, new: str) -> None:
    gone, come = changed_words(old, new)
    if gone or come:
        assert _without(old, gone) == _without(new, come)


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in reversed(spans):
        text = text[:start] + text[end:]
    return text
