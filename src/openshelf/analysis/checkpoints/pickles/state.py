"""What the pickle machine holds while it runs, with bounds on all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.pickles.stream import PickleStream
from openshelf.analysis.checkpoints.pickles.values import Opaque, Reference, Span, Token, Value

MAX_OBJECTS = 3_000_000
MAX_MEMO = 3_000_000
MAX_STACK = 2_000_000
MAX_MARKS = 100_000
MAX_TEXT = 256 * 1024 * 1024
MAX_GLOBALS = 100_000
_MAX_NAME = 4096

Payload = Callable[[Opaque, PickleStream], Value]
"""Called after an object got its state; may pass over raw data that follow it, and gives what stands for the object."""


@dataclass(slots=True)
class PickleState:
    """One run over ``stream``; ``payload`` lets a format keep raw data between the opcodes, as joblib does.

    ``stack`` is what was put since the last mark, ``marked`` what was put before each mark.
    """

    stream: PickleStream
    payload: Payload | None = None
    stack: list[Value] = field(init=False, default_factory=list)
    marked: list[list[Value]] = field(init=False, default_factory=list)
    memo: dict[int, Value] = field(init=False, default_factory=dict)
    tokens: dict[tuple[str, str], Token] = field(init=False, default_factory=dict)
    references: list[Reference] = field(init=False, default_factory=list)
    protocol: int = field(init=False, default=0)
    objects: int = field(init=False, default=0)
    text: int = field(init=False, default=0)

    def error(self, reason: str) -> UnreadableCheckpoint:
        return UnreadableCheckpoint(self.stream.name, reason, max(0, self.stream.place - 1))

    def made(self) -> None:
        """Counts an object that is held."""
        self.objects += 1
        if self.objects > MAX_OBJECTS:
            raise self.error(f"its pickle makes more than {MAX_OBJECTS:,} objects")

    def to_mark(self) -> list[Value]:
        """What was put since the last mark."""
        found = self.stack
        self.stack = self.marked.pop()
        return found

    def token(self, module: str, name: str) -> Token:
        found = self.tokens.get((module, name))
        if found is None:
            if len(module) + len(name) > _MAX_NAME or len(self.tokens) >= MAX_GLOBALS:
                raise self.error(f"its pickle imports a name that is too long, or more than {MAX_GLOBALS:,}")
            found = self.tokens[module, name] = Token(module, name)
        return found

    def decoded(self, written: bytes) -> str:
        self.text += len(written)
        if self.text > MAX_TEXT:
            raise self.error(f"its pickle has more than {MAX_TEXT:,} bytes of text")
        try:
            return written.decode()
        except UnicodeDecodeError:
            return written.decode("utf-8", "replace")

    def line(self) -> bytes:
        found = self.stream.line()
        if isinstance(found, Span):
            raise UnreadableCheckpoint(self.stream.name, "a number or name in its pickle is too long", found.start)
        return found

    def keep(self, key: int) -> None:
        self.memo[key] = self.stack[-1]
        if len(self.memo) > MAX_MEMO:
            raise self.error(f"its pickle remembers more than {MAX_MEMO:,} values")

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise self.error(f"its pickle refers to value {key:,}, which it has not remembered")
        self.stack.append(self.memo[key])

    def called(self, call: Value, args: Value) -> None:
        if not isinstance(call, (Token, Opaque, Reference)):
            raise self.error("its pickle calls what cannot be called")
        self.made()
        self.stack.append(Opaque(call, args, self.stream.place - 1))

    def refer(self, key: Value) -> None:
        self.made()
        found = Reference(key)
        self.references.append(found)
        self.stack.append(found)
