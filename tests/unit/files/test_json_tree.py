"""JSON trees: values as they are written, what is wrong and where, bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.analysis.files.json_tree import MAX_CHILDREN, MAX_DEPTH, Node, read_json
from openshelf.analysis.files.ranges import UnreadableFile

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=30,
)


def value_of(node: Node) -> Any:
    if node.kind == "object":
        return {child.name: value_of(child) for child in node.children}
    if node.kind == "array":
        return [value_of(child) for child in node.children]
    return node.text if node.kind == "text" else json.loads(node.text)


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_the_tree_is_the_value(value: Any, indent: int | None, ascii_only: bool) -> None:
    tree = read_json(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    assert tree.is_whole
    assert value_of(tree.root) == value


@given(VALUES, st.data())
def test_a_part_of_a_file_is_shown_as_a_part(value: Any, data: st.DataObject) -> None:
    written = json.dumps([value])
    end = data.draw(st.integers(1, len(written) - 1))
    assert not read_json(written[:end], is_whole=False).is_whole
    with pytest.raises(UnreadableFile, match="line 1, column"):
        read_json(written[:end])


@given(st.text(alphabet='{}[]:,"\\ 0123eE.-+tfnulars\n\x00é', max_size=60), st.booleans())
def test_whatever_json_refuses_is_refused(text: str, whole: bool) -> None:
    try:
        expected = json.loads(text, parse_constant=lambda word: 0)
    except ValueError:
        if whole:
            with pytest.raises(UnreadableFile):
                read_json(text)
        return
    assert read_json(text).root.kind in ("object", "array", "text", "number", "word"), expected


def test_numbers_and_names_stay_as_written() -> None:
    tree = read_json('{"a": 1.50, "a": 12345678901234567890123, "b": 1E5, "c": NaN}')
    assert [child.text for child in tree.root.children] == ["1.50", "12345678901234567890123", "1E5", "NaN"]
    assert [child.is_repeated for child in tree.root.children] == [False, True, False, False]
    assert len(tree.notes) == 2


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{\n "a": 1,\n}', "line 3, column 2: } does not belong here"),
        ("[1 2]", "line 1, column 5: a comma is missing before 2"),
        ('{"a" 1}', "a colon is missing"),
        ("{a: 1}", "line 1, column 2: this is not JSON"),
        ("[1] x", "line 1, column 5: this is not JSON: x"),
        ("", "there is no value in it"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: str) -> None:
    with pytest.raises(UnreadableFile, match=place.replace("}", r"\}")):
        read_json(text)


def test_bounds() -> None:
    with pytest.raises(UnreadableFile, match="levels deep"):
        read_json("[" * 100_000)
    wide = read_json("[" + "1," * 100_000 + "1]")
    assert len(wide.root.children) == MAX_CHILDREN
    assert not wide.is_whole
    assert wide.root.is_partial
    assert read_json("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)).is_whole
    long = read_json('"' + "x" * 1_000_000 + '"')
    assert (len(long.root.text), long.root.size) == (2_000, 1_000_000)
