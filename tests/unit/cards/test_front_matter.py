"""A README taken apart: what is metadata, what is text, what is wrong and on which line."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.analysis.cards.front_matter import MAX_BYTES, split
from openshelf.analysis.cards.yaml_values import MAX_NODES, UnreadableYaml, read


def value(text: str) -> Any:
    return read(text)[0]


@pytest.mark.parametrize(
    ("content", "metadata", "body", "body_line"),
    [
        (b"---\na: 1\n---\nText\n", {"a": 1}, "Text\n", 4),
        (b"\xef\xbb\xbf---\na: 1\n---\nText", {"a": 1}, "Text", 4),
        (b"---\r\na: 1\r\n---\r\nText\r\n", {"a": 1}, "Text\n", 4),
        (b"\n\n---\na: 1\n---\nText", {"a": 1}, "Text", 6),
        (b"---\na: 1\n---", {"a": 1}, "", 4),
        (b"---\n---\nText", {}, "Text", 3),
        (b"---\n# nothing\n---\nText", {}, "Text", 4),
        (b"Text\n---\na: 1\n---\n", None, "Text\n---\na: 1\n---\n", 1),
        (b"----\na: 1\n----\n", None, "----\na: 1\n----\n", 1),
        (b"", None, "", 1),
    ],
)
def test_split(content: bytes, metadata: Any, body: str, body_line: int) -> None:
    card = split(content)
    assert (card.metadata, card.body, card.body_line, card.problems) == (metadata, body, body_line, ())


@pytest.mark.parametrize(
    ("content", "line", "words", "fatal"),
    [
        (b"---\na: 1\nb: [1\n---\n", 4, "not valid YAML", True),
        (b"---\na: 1\n  b: 2\n---\n", 3, "indentation", True),
        (b"---\n- a\n---\n", 2, "name: value", True),
        (b"---\na: 1\nb: 2\na: 3\n---\n", 4, '"a" is said twice', False),
        (b"---\na: *b\n---\n", 2, "*b names nothing", True),
        (b"---\na: &a [*a]\n---\n", 2, "*a names nothing", True),
        (b"---\na: !!python/object/apply:os.system [ls]\n---\n", 2, "tag", False),
        (b"---\n? [a]\n: 1\n---\n", 2, "plain text", True),
        (b"---\na: 1\n...\nb: 2\n---\n", 4, "YAML", True),
        (b"---\na: \x01\n---\n", 2, "control character", True),
        (b"---\na: 1\n", 1, "nothing closes", False),
        (b"---\na: 1\n---\n\xff", 4, "not UTF-8", False),
    ],
)
def test_a_problem_names_its_line(content: bytes, line: int, words: str, fatal: bool) -> None:
    card = split(content)
    (problem,) = card.problems
    assert (problem.line, problem.fatal) == (line, fatal)
    assert words in problem.text
    assert str(problem).startswith(f"Line {line}: ")
    assert (card.metadata is None) == (fatal or "closes" in words)


def test_a_file_that_is_too_long_is_read_to_the_limit() -> None:
    card = split(b"---\na: 1\n---\n" + "é".encode() * MAX_BYTES)
    (problem,) = card.problems
    assert "1,000,000 bytes" in problem.text
    assert set(card.body) == {"é"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("", None),
        ("12:30", "12:30"),
        ("2024-01-05", "2024-01-05"),
        ("2024-01-05T10:00:00Z", "2024-01-05T10:00:00Z"),
        ("0x1F", 31),
        ("1e-5", 1e-5),
        ("1_000", "1_000"),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("9" * 100, int("9" * 100)),
        ("9" * 5_000, "9" * 5_000),
        ("[a, 1, {b: c}]", ["a", 1, {"b": "c"}]),
    ],
)
def test_plain_values(written: str, expected: Any) -> None:
    assert value(f"a: {written}") == {"a": expected}


def test_names_are_always_text() -> None:
    assert value("1: a\ntrue: b\nnull: c\n2024-01-01: d") == {"1": "a", "true": "b", "null": "c", "2024-01-01": "d"}


def test_aliases_and_merges_are_followed() -> None:
    assert value("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  l: 3\nc: *x") == {
        "a": {"k": 1, "l": 2},
        "b": {"k": 1, "l": 3},
        "c": {"k": 1, "l": 2},
    }


def laughs(levels: int = 12) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


BOMBS = {
    "laughs": (laughs(), "aliases counted"),
    "long": ("a: [" + "1," * (MAX_NODES + 1) + "]", "values"),
    "deep list": ("a: " + "[" * 100_000, "deep"),
    "deep mapping": ("a: " + "{a: " * 1_000, "deep"),
    "deep by indentation": "\n".join(" " * depth + "a:" for depth in range(30)),
    "deep by alias": "a: &a [[[[[[[[[[[[x]]]]]]]]]]]]\nb: [[[[[[[[[[*a]]]]]]]]]]",
    "merges": "a: &a {k: v}\n" + "\n".join(f"b{n}: {{<<: *a}}" for n in range(MAX_NODES)),
    "quotes": 'a: "' + "x" * 500_000,
    "anchors": "\n".join(f"a{n}: &b{n} x" for n in range(MAX_NODES)),
    "question marks": "? " * 50_000,
    "tags": "a: !" + "x" * 500_000 + " y\nb: [",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_quickly(name: str) -> None:
    bomb = BOMBS[name]
    text, words = bomb if isinstance(bomb, tuple) else (bomb, "")
    started = time.thread_time()
    with pytest.raises(UnreadableYaml) as refused:
        read(text)
    assert words in refused.value.problem.text
    assert len(refused.value.problem.text) < 400
    assert time.thread_time() - started < 2


YAML_PIECES = st.sampled_from(
    "\n|  |\t|: |b: |- |? |# c|&x |*x|<<: |>\n|!!int |!t |%YAML 1.1\n|a|[|]|{|}|,|'|\"|---|...|1|.nan|2024-01-01|0o7|"
    "\\ud800|\\x00|é|@|`".split("|")
)


def assert_fit_for_json(content: bytes) -> None:
    card = split(content)
    json.dumps(card.metadata, allow_nan=False).encode()
    json.dumps(card.metadata, allow_nan=False, ensure_ascii=False).encode()
    card.body.encode()
    assert all(problem.line >= 1 for problem in card.problems)


@settings(max_examples=400, deadline=None)
@given(st.lists(YAML_PIECES, max_size=25).map("".join))
def test_any_yaml_is_fit_for_json(text: str) -> None:
    assert_fit_for_json(f"---\n{text}\n---\nbody".encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read(content: bytes) -> None:
    assert_fit_for_json(content)
    assert_fit_for_json(b"---\n" + content + b"\n---\n")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1), JSON, min_size=1, max_size=4))
def test_json_is_read_as_what_it_is(document: dict[str, Any]) -> None:
    card = split(f"---\n{json.dumps(document)}\n---\n".encode())
    assert card.metadata == document or "<<" in json.dumps(document) or "\\ud" in json.dumps(document)
