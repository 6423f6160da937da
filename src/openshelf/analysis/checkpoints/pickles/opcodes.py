"""What each opcode of a pickle does to the state of the machine; ``pickletools`` of Python is their reference."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import Final

from openshelf.analysis.checkpoints.pickles.state import MAX_MARKS, MAX_STACK, PickleState
from openshelf.analysis.checkpoints.pickles.stream import MAX_HELD
from openshelf.analysis.checkpoints.pickles.values import ByteText, Collection, Opaque, Pairs, Reference, Span, Value

_MAX_INT_BYTES = 1024
_DOUBLE = struct.Struct(">d")
_INT = struct.Struct("<i")

Handler = Callable[[PickleState], None]
OPCODES: Final[list[Handler | None]] = [None] * 256
"""By code; None where there is no such opcode. STOP is left to the machine."""


def _on(code: bytes) -> Callable[[Handler], Handler]:
    def known(handler: Handler) -> Handler:
        OPCODES[code[0]] = handler
        return handler

    return known


def _constant(code: bytes, value: Value) -> None:
    OPCODES[code[0]] = lambda state: state.stack.append(value)


def _number(code: bytes, count: int) -> None:
    OPCODES[code[0]] = lambda state: state.stack.append(state.stream.number(count))


def _byte(code: bytes, use: Callable[[PickleState, int], None]) -> None:
    """The most frequent opcodes carry one byte."""
    OPCODES[code[0]] = lambda state: use(state, state.stream.byte())


def _text(code: bytes, count: int) -> None:
    def put(state: PickleState) -> None:
        length = state.stream.number(count)
        long = length > MAX_HELD
        stream = state.stream
        state.stack.append(stream.skip(length, "utf-8") if long else state.decoded(stream.take(length)))

    OPCODES[code[0]] = put


def _bytes(code: bytes, count: int) -> None:
    def put(state: PickleState) -> None:
        state.made()
        state.stack.append(state.stream.skip(state.stream.number(count)))

    OPCODES[code[0]] = put


def _memo(code: bytes, count: int) -> None:
    OPCODES[code[0]] = lambda state: state.keep(state.stream.number(count))


def _recall(code: bytes, count: int) -> None:
    OPCODES[code[0]] = lambda state: state.recall(state.stream.number(count))


def _tuple(code: bytes, count: int) -> None:
    def put(state: PickleState) -> None:
        stack = state.stack
        if len(stack) < count:
            raise IndexError
        state.made()
        stack[-count:] = [tuple(stack[-count:])]

    OPCODES[code[0]] = put


def _extension(code: bytes, count: int) -> None:
    def put(state: PickleState) -> None:
        state.stack.append(state.token("copyreg", f"extension {state.stream.number(count)}"))

    OPCODES[code[0]] = put


for _code, _value in ((b"N", None), (b"\x88", True), (b"\x89", False), (b")", ())):
    _constant(_code, _value)
_byte(b"K", lambda state, value: state.stack.append(value))
_byte(b"q", PickleState.keep)
_byte(b"h", PickleState.recall)
_number(b"M", 2)
_memo(b"r", 4)
_recall(b"j", 4)
for _code, _count in ((b"\x8c", 1), (b"X", 4), (b"\x8d", 8)):
    _text(_code, _count)
for _code, _count in ((b"C", 1), (b"B", 4), (b"\x8e", 8), (b"\x96", 8)):
    _bytes(_code, _count)
for _code, _count in ((b"\x85", 1), (b"\x86", 2), (b"\x87", 3)):
    _tuple(_code, _count)
for _code, _count in ((b"\x82", 1), (b"\x83", 2), (b"\x84", 4)):
    _extension(_code, _count)


@_on(b"\x80")
def _protocol(state: PickleState) -> None:
    state.protocol = state.stream.number(1)
    if state.protocol > 5:
        raise state.error(f"its pickle is of protocol {state.protocol}; 0 to 5 are known")


@_on(b"\x95")
def _frame(state: PickleState) -> None:
    state.stream.take(8)


@_on(b"\x97")
@_on(b"\x98")
def _buffer(state: PickleState) -> None:
    raise state.error("its pickle needs buffers that are kept outside of it, which is not read")


@_on(b"(")
def _mark(state: PickleState) -> None:
    if len(state.marked) >= MAX_MARKS:
        raise state.error(f"its pickle is nested more than {MAX_MARKS:,} deep")
    state.marked.append(state.stack)
    state.stack = []


@_on(b"0")
def _pop(state: PickleState) -> None:
    if state.stack:
        state.stack.pop()
    else:
        state.to_mark()


@_on(b"1")
def _pop_mark(state: PickleState) -> None:
    state.to_mark()


@_on(b"2")
def _again(state: PickleState) -> None:
    if len(state.stack) > MAX_STACK:
        raise state.error(f"its pickle puts more than {MAX_STACK:,} values on each other")
    state.stack.append(state.stack[-1])


@_on(b"J")
def _signed(state: PickleState) -> None:
    state.stack.append(_INT.unpack(state.stream.take(4))[0])


@_on(b"G")
def _double(state: PickleState) -> None:
    state.stack.append(_DOUBLE.unpack(state.stream.take(8))[0])


@_on(b"\x8a")
def _long1(state: PickleState) -> None:
    state.stack.append(int.from_bytes(state.stream.take(state.stream.number(1)), "little", signed=True))


@_on(b"\x8b")
def _long4(state: PickleState) -> None:
    length = state.stream.number(4)
    if length > _MAX_INT_BYTES:
        raise state.error(f"its pickle has a number of {length:,} bytes; at most {_MAX_INT_BYTES:,} are read")
    state.stack.append(int.from_bytes(state.stream.take(length), "little", signed=True))


@_on(b"I")
@_on(b"L")
@_on(b"F")
def _written_number(state: PickleState) -> None:
    is_float = state.stream.window[state.stream.at - 1] == 0x46
    written = state.line().strip()
    try:
        if written in (b"00", b"01") and not is_float:
            state.stack.append(written == b"01")
        else:
            state.stack.append(float(written) if is_float else int(written.removesuffix(b"L"), 0))
    except ValueError:
        raise state.error(f"its pickle has a number that is none: {written[:40]!r}") from None


@_on(b"S")
def _quoted(state: PickleState) -> None:
    start = state.stream.place
    line = state.stream.line()
    if isinstance(line, Span):
        state.stack.append(Span(line.start, line.length, "escape"))
        return
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise state.error("its pickle has a text without quotation marks")
    try:
        content = codecs.escape_decode(line[1:-1])[0]
    except ValueError:
        raise state.error("its pickle has a text with a wrong escape") from None
    assert isinstance(content, bytes)
    text = _byte_text(state, content, Span(start + 1, len(line) - 2))
    if content != line[1:-1]:
        text.unescaped = content
    state.stack.append(text)


@_on(b"U")
@_on(b"T")
def _byte_string(state: PickleState) -> None:
    stream = state.stream
    length = stream.number(1 if stream.window[stream.at - 1] == 0x55 else 4)
    if length > MAX_HELD:
        state.made()
        state.stack.append(stream.skip(length))
        return
    start = stream.place
    state.stack.append(_byte_text(state, stream.take(length), Span(start, length)))


def _byte_text(state: PickleState, content: bytes, span: Span) -> ByteText:
    state.made()
    text = ByteText(state.decoded(content))
    text.span, text.unescaped = span, None
    return text


@_on(b"V")
def _unicode(state: PickleState) -> None:
    line = state.stream.line()
    if isinstance(line, Span):
        state.stack.append(Span(line.start, line.length, "raw-unicode-escape"))
        return
    try:
        state.stack.append(state.decoded(codecs.decode(line, "raw-unicode-escape").encode("utf-8", "replace")))
    except UnicodeDecodeError:
        raise state.error("its pickle has a text with a wrong escape") from None


@_on(b"p")
def _put(state: PickleState) -> None:
    state.keep(_index(state))


@_on(b"g")
def _get(state: PickleState) -> None:
    state.recall(_index(state))


def _index(state: PickleState) -> int:
    written = state.line()
    if not written.isdigit() or len(written) > 10:
        raise state.error(f"its pickle remembers a value under {written[:40]!r}, which is no number")
    return int(written)


@_on(b"\x94")
def _memoize(state: PickleState) -> None:
    state.keep(len(state.memo))


@_on(b"t")
def _tuple_from_mark(state: PickleState) -> None:
    found = state.to_mark()
    state.made()
    state.stack.append(tuple(found))


@_on(b"]")
def _empty_list(state: PickleState) -> None:
    state.made()
    state.stack.append([])


@_on(b"l")
def _list(state: PickleState) -> None:
    found = state.to_mark()
    state.made()
    state.stack.append(found)


@_on(b"}")
def _empty_dict(state: PickleState) -> None:
    state.made()
    state.stack.append(Pairs())


@_on(b"d")
def _dict(state: PickleState) -> None:
    found = state.to_mark()
    state.made()
    state.stack.append(Pairs(_paired(state, found)))


@_on(b"\x8f")
def _empty_set(state: PickleState) -> None:
    state.made()
    state.stack.append(Collection([]))


@_on(b"\x91")
def _frozen_set(state: PickleState) -> None:
    found = state.to_mark()
    state.made()
    state.stack.append(Collection(found))


@_on(b"a")
def _append(state: PickleState) -> None:
    value = state.stack.pop()
    _added(state, [value])


@_on(b"e")
@_on(b"\x90")
def _appends(state: PickleState) -> None:
    found = state.to_mark()
    _added(state, found)


def _added(state: PickleState, values: list[Value]) -> None:
    target = state.stack[-1]
    if isinstance(target, list):
        target.extend(values)
    elif isinstance(target, Collection):
        target.items.extend(values)
    elif isinstance(target, Opaque):
        if target.items is None:
            target.items = []
        target.items.extend(values)
    elif not isinstance(target, Reference):
        raise state.error("its pickle adds values to what is no list")


@_on(b"s")
def _set_item(state: PickleState) -> None:
    value = state.stack.pop()
    key = state.stack.pop()
    _paired_with(state, [(key, value)])


@_on(b"u")
def _set_items(state: PickleState) -> None:
    found = state.to_mark()
    _paired_with(state, _paired(state, found))


def _paired(state: PickleState, values: list[Value]) -> list[tuple[Value, Value]]:
    if len(values) % 2:
        raise state.error("its pickle has a key without a value")
    return list(zip(values[::2], values[1::2], strict=True))


def _paired_with(state: PickleState, pairs: list[tuple[Value, Value]]) -> None:
    target = state.stack[-1]
    if isinstance(target, Opaque):
        if target.pairs is None:
            target.pairs = Pairs()
        target = target.pairs
    if isinstance(target, Pairs):
        target.pairs.extend(pairs)
    elif not isinstance(target, (Reference, list)):
        raise state.error("its pickle sets keys of what has none")


@_on(b"c")
def _global(state: PickleState) -> None:
    module = state.decoded(state.line())
    state.stack.append(state.token(module, state.decoded(state.line())))


@_on(b"\x93")
def _stack_global(state: PickleState) -> None:
    name, module = state.stack.pop(), state.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise state.error("its pickle imports by a name that is no text")
    state.stack.append(state.token(str(module), str(name)))


@_on(b"P")
def _written_reference(state: PickleState) -> None:
    state.refer(state.decoded(state.line()))


@_on(b"Q")
def _reference(state: PickleState) -> None:
    state.refer(state.stack.pop())


@_on(b"R")
@_on(b"\x81")
def _reduce(state: PickleState) -> None:
    args, call = state.stack.pop(), state.stack.pop()
    state.called(call, args)


@_on(b"\x92")
def _new_with_keywords(state: PickleState) -> None:
    keywords, args, call = state.stack.pop(), state.stack.pop(), state.stack.pop()
    if isinstance(keywords, Pairs) and keywords.pairs:
        args = (args, keywords)
    state.called(call, args)


@_on(b"i")
def _instance(state: PickleState) -> None:
    module = state.decoded(state.line())
    call = state.token(module, state.decoded(state.line()))
    args = state.to_mark()
    state.called(call, tuple(args))


@_on(b"o")
def _object(state: PickleState) -> None:
    found = state.to_mark()
    state.called(found[0], tuple(found[1:]))


@_on(b"b")
def _build(state: PickleState) -> None:
    value = state.stack.pop()
    target = state.stack[-1]
    if isinstance(target, Opaque):
        if target.states is None:
            target.states = []
        target.states.append(value)
        if state.payload is not None:
            state.stack[-1] = state.payload(target, state.stream)
    elif not isinstance(target, (Reference, list, Pairs)):
        raise state.error("its pickle gives a state to what has none")
