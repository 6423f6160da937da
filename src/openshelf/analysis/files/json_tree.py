"""JSON as a tree to look at: numbers and texts as they are written, names that occur twice kept.

The reader stops after so many nodes, so that its time and memory do not depend on the size of the file; what lies
behind is then said not to have been read. Grammar: RFC 8259.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from openshelf.analysis.files.ranges import UnreadableFile

MAX_NODES = 3_000
MAX_DEPTH = 100
MAX_CHILDREN = 200
MAX_TEXT = 2_000

_TOKEN = re.compile(
    r"[ \t\r\n]*+(?:(?P<mark>[{}\[\]:,])"
    r'|(?P<text>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")'
    r"|(?P<number>-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?)(?![\w.])"
    r"|(?P<word>true|false|null|NaN|-?Infinity)(?!\w))"
)
_NOT_JSON = ("NaN", "Infinity", "-Infinity")
_ESCAPE = re.compile(r'\\(u[0-9a-fA-F]{4}|["\\/bfnrt])')
_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(slots=True)
class Node:
    """``kind``: object, array, text, number, word. ``text`` is the value as written, cut at ``MAX_TEXT``.

    ``size``: children of a container, characters of a text; ``is_partial`` where the file was not read to its end.
    ``left_out``: children that were read but are not kept. ``is_repeated``: the same name stands before it already.
    """

    kind: str
    name: str | None = None
    text: str = ""
    size: int = 0
    children: list[Node] = field(default_factory=list)
    left_out: int = 0
    is_partial: bool = False
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class JsonTree:
    """``read`` characters of the text were read; where that is not all, the rest is unknown."""

    root: Node
    nodes: int
    read: int
    is_whole: bool
    notes: tuple[str, ...] = ()


def read_json(text: str, *, is_whole: bool = True, most: int = MAX_NODES) -> JsonTree:
    """The tree of one JSON value. ``is_whole`` False: ``text`` is only the start of a file.

    Raises UnreadableFile with line and column where it is not JSON.
    """
    reader = _Reader(text, is_whole, most)
    root = reader.value()
    if not reader.stopped and (rest := reader.next_token()) is not None:
        raise reader.wrong(f"something follows after the end of the value: {_short(rest[1])}")
    stopped = reader.stopped or not is_whole
    return JsonTree(root, reader.nodes, reader.place, not stopped, tuple(dict.fromkeys(reader.notes)))


def line_and_column(text: str, place: int) -> tuple[int, int]:
    """Both from 1, as editors count."""
    return text.count("\n", 0, place) + 1, place - (text.rfind("\n", 0, place) + 1) + 1


def unescape(written: str) -> str:
    """The characters that a JSON text with its quotes stands for; half surrogates become U+FFFD."""
    plain = _ESCAPE.sub(lambda found: _character(found[1]), written[1:-1])
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: str) -> str:
    return chr(int(escape[1:], 16)) if escape[0] == "u" else _PLAIN.get(escape, escape)


def _short(written: str) -> str:
    return written if len(written) <= 40 else written[:39] + "…"


class _Reader:
    """Builds the tree with a stack of its own: the depth of a file is not the depth of Python."""

    def __init__(self, text: str, is_whole: bool, most: int) -> None:
        self.text, self.is_whole, self.most = text, is_whole, most
        self.place = self.nodes = 0
        self.stopped = False
        self.notes: list[str] = []

    def next_token(self) -> tuple[str, str] | None:
        """Kind and text of the next token; None at the end."""
        found = _TOKEN.match(self.text, self.place)
        if found is not None:
            self.place = found.end()
            kind = str(found.lastgroup)
            return kind, found[kind]
        rest = self.text[self.place : self.place + 64].lstrip(" \t\r\n")
        if not rest and not self.text[self.place :].strip(" \t\r\n"):
            return None
        if not self.is_whole and len(self.text) - self.place < 1_000_000 and self._may_be_cut():
            return None
        self.place += len(self.text[self.place :]) - len(self.text[self.place :].lstrip(" \t\r\n"))
        raise self.wrong(f"this is not JSON: {_short(rest)}")

    def _may_be_cut(self) -> bool:
        rest = self.text[self.place :].lstrip(" \t\r\n")
        return rest.startswith('"') or len(rest) < 400

    def wrong(self, message: str) -> UnreadableFile:
        line, column = line_and_column(self.text, self.place)
        return UnreadableFile(f"line {line:,}, column {column:,}: {message}")

    def value(self) -> Node:
        root: Node | None = None
        stack: list[tuple[Node, set[str]]] = []
        for node, opened in self._tokens(stack):
            if stack:
                self._attach(stack[-1], node)
            if root is None:
                root = node
            if opened:
                stack.append((node, set()))
                if len(stack) > MAX_DEPTH:
                    raise self.wrong(f"it is nested more than {MAX_DEPTH} levels deep")
            if not stack:
                return root
        if root is None:
            raise self.wrong("there is no value in it")
        for open_node, _ in stack:
            open_node.is_partial = self.stopped = True
        return root

    def _tokens(self, stack: list[tuple[Node, set[str]]]) -> Iterator[tuple[Node, bool]]:
        """Each value as it begins, and whether it has an inside; closes what ends on the way."""
        wants_value, name = True, None
        while True:
            if self.nodes >= self.most:
                return
            token = self.next_token()
            if token is None:
                if self.is_whole and (stack or self.nodes == 0):
                    raise self.wrong("the file ends in the middle of a value" if stack else "there is no value in it")
                return
            kind, written = token
            top = stack[-1][0] if stack else None
            if kind == "mark" and written in "}]":
                if top is None or (written == "}") != (top.kind == "object") or (wants_value and top.size):
                    raise self.wrong(f"{written} does not belong here")
                stack.pop()
                wants_value = False
                if not stack:
                    return
                continue
            if kind == "mark" and written == ",":
                if wants_value or top is None:
                    raise self.wrong("a comma does not belong here")
                wants_value = True
                continue
            if not wants_value:
                raise self.wrong(f"a comma is missing before {_short(written)}")
            if top is not None and top.kind == "object":
                name = self._name(kind, written)
                token = self.next_token()
                if token is None:
                    if self.is_whole:
                        raise self.wrong("the file ends in the middle of a value")
                    return
                kind, written = token
            node, opened = self._node(kind, written, name)
            name, wants_value = None, opened
            self.nodes += 1
            yield node, opened

    def _name(self, kind: str, written: str) -> str:
        if kind != "text":
            raise self.wrong(f"a name in quotes should stand where {_short(written)} stands")
        colon = self.next_token()
        if colon is not None and colon[1] != ":":
            raise self.wrong("a colon is missing after the name")
        return unescape(written)[:MAX_TEXT]

    def _node(self, kind: str, written: str, name: str | None) -> tuple[Node, bool]:
        if kind == "mark":
            if written not in "{[":
                raise self.wrong(f"a value should stand where {written} stands")
            return Node("object" if written == "{" else "array", name), True
        if kind == "text":
            plain = unescape(written)
            return Node("text", name, plain[:MAX_TEXT], len(plain)), False
        if written in _NOT_JSON:
            self.notes.append(f"{written} is not a number in JSON; many programs read it all the same.")
        return Node(kind, name, written[:MAX_TEXT], len(written)), False

    def _attach(self, parent: tuple[Node, set[str]], node: Node) -> None:
        holder, names = parent
        holder.size += 1
        if node.name is not None:
            node.is_repeated = node.name in names
            names.add(node.name)
            if node.is_repeated:
                self.notes.append("A name occurs twice in one object; programs take one of the values.")
        if len(holder.children) < MAX_CHILDREN:
            holder.children.append(node)
        else:
            holder.left_out += 1
