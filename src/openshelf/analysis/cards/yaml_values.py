"""YAML from strangers: read by the rules of YAML 1.2, bounded, and always fit for JSON.

Values are built from parser events, so that nothing but plain values can come out, and an alias is counted as what it
expands to. YAML 1.2 is what the JavaScript of the Hugging Face Hub reads: ``no`` is a language, not ``false``, and
``1:30`` is not ninety. A date stays the text that was written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

MAX_NODES = 20_000
MAX_DEPTH = 20
_MAX_DIGITS = 300

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STR_TAG = "tag:yaml.org,2002:str"
_CORE_TAG = re.compile(r"tag:yaml\.org,2002:(?:str|int|float|bool|null|seq|map|timestamp)\Z|!\Z")
_HINT = 'check the indentation, and quote text that holds ": " or starts with a sign'
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL_OR_HEX = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a card. ``line`` counts from 1 in the file; ``fatal`` when the metadata cannot be used."""

    line: int
    text: str
    fatal: bool = False

    def __str__(self) -> str:
        return f"Line {self.line}: {self.text}"


class UnreadableYaml(Exception):
    """The text is not YAML, or is more than is read; carries the one fatal ``problem``."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.problem = Problem(line, text, fatal=True)


@dataclass(frozen=True, slots=True)
class _Built:
    value: Any
    nodes: int
    height: int


def read(text: str, first_line: int = 1) -> tuple[Any, tuple[Problem, ...]]:
    """The value of one YAML document, and what is doubtful about it.

    ``first_line`` is the line of the file on which ``text`` starts. Raises :class:`UnreadableYaml`.
    """
    reader = _Reader(first_line)
    encoded = text.encode("utf-8", "replace")
    try:
        return reader.document(yaml.parse(encoded, Loader=_LOADER)), tuple(reader.problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (mark.line if mark else 0)
        said = error.problem or error.context
        raise UnreadableYaml(line, f"this is not valid YAML ({said}); {_HINT}") from error
    except yaml.reader.ReaderError as error:
        line = first_line + encoded.count(b"\n", 0, error.position)
        raise UnreadableYaml(line, "this is not valid YAML (a control character); remove it") from error


class _Reader:
    def __init__(self, first_line: int) -> None:
        self.first_line = first_line
        self.problems: list[Problem] = []
        self.anchors: dict[str, _Built] = {}
        self.nodes = 0

    def document(self, events: Iterator[Any]) -> Any:
        built: _Built | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if built is not None:
                    raise self.unreadable(event, "a second YAML document starts here; keep one")
                built = self.node(next(events), events, 1)
        return built.value if built else None

    def node(self, event: Any, events: Iterator[Any], depth: int) -> _Built:
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        self.count(event, 1, depth)
        before = self.nodes - 1
        if isinstance(event, yaml.ScalarEvent):
            value, height = self.scalar(event), 0
        elif isinstance(event, yaml.SequenceStartEvent):
            value, height = self.sequence(events, depth)
        else:
            value, height = self.mapping(events, depth)
        built = _Built(value, self.nodes - before, height)
        if event.anchor:
            self.anchors[event.anchor] = built
        self.check_tag(event)
        return built

    def alias(self, event: Any, depth: int) -> _Built:
        built = self.anchors.get(event.anchor)
        if built is None:
            raise self.unreadable(event, f"*{_short(event.anchor)} names nothing above it; write the value itself")
        self.count(event, built.nodes, depth + built.height)
        return built

    def sequence(self, events: Iterator[Any], depth: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        height = 0
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            built = self.node(event, events, depth + 1)
            items.append(built.value)
            height = max(height, built.height + 1)
        return items, height

    def mapping(self, events: Iterator[Any], depth: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        inherited: dict[str, Any] = {}
        height = 0
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self.key(event, events, depth)
            built = self.node(next(events), events, depth + 1)
            height = max(height, built.height + 1)
            if key == "<<" and isinstance(built.value, dict):
                inherited = {**built.value, **inherited}
                continue
            if key in found:
                self.doubt(event, f'"{_short(key)}" is said twice; the last one counts, remove the other')
            found[key] = built.value
        return {**inherited, **found}, height

    def key(self, event: Any, events: Iterator[Any], depth: int) -> str:
        if isinstance(event, yaml.ScalarEvent):
            self.count(event, 1, depth)
            return _clean(event.value)
        built = self.node(event, events, depth + 1)
        if isinstance(built.value, dict | list):
            raise self.unreadable(event, "the name of a value must be plain text, not a list or a mapping")
        return str(built.value)

    def scalar(self, event: Any) -> Any:
        text = _clean(event.value)
        if event.tag == _STR_TAG or (event.tag is None and not event.implicit[0]):
            return text
        return _plain(text)

    def check_tag(self, event: Any) -> None:
        if event.tag is not None and not _CORE_TAG.match(event.tag):
            self.doubt(event, f"the YAML tag {_short(event.tag)} is ignored; write a plain value")

    def count(self, event: Any, nodes: int, depth: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise self.unreadable(event, f"more than {MAX_NODES:,} values with aliases counted in full; shorten it")
        if depth > MAX_DEPTH:
            raise self.unreadable(event, f"nested more than {MAX_DEPTH} levels deep; flatten the metadata")

    def doubt(self, event: Any, text: str) -> None:
        self.problems.append(Problem(self.line(event), text))

    def unreadable(self, event: Any, text: str) -> UnreadableYaml:
        return UnreadableYaml(self.line(event), text)

    def line(self, event: Any) -> int:
        return self.first_line + int(event.start_mark.line)


def _plain(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if len(text) <= _MAX_DIGITS:
        if _INT.match(text):
            return int(text)
        if _OCTAL_OR_HEX.match(text):
            return int(text, 0)
        if _FLOAT.match(text) and math.isfinite(number := float(text)):
            return number
    return text


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
