"""The pickle machine: it reads what Python writes in every protocol, and does nothing that a pickle asks for."""

from __future__ import annotations

import datetime
import os
import pickle
import pickletools
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.analysis.checkpoints.checkpoint import Role
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFile
from openshelf.analysis.checkpoints.pickles.machine import read_pickle
from openshelf.analysis.checkpoints.pickles.opcodes import OPCODES
from openshelf.analysis.checkpoints.pickles.values import Collection, Opaque, Pairs, Pickle, Span, Token
from openshelf.analysis.checkpoints.pickles.walk import Walk

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(max_size=400)
)
DATA = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=5)
    ),
    max_leaves=20,
)


def read(written: bytes) -> Pickle:
    return read_pickle(HeldFile("p", written), "p")


def plain(value: Any, written: bytes) -> Any:
    """What the nodes stand for, made by this test and not by the machine."""
    if isinstance(value, Span):
        held = written[value.start : value.start + value.length]
        return held.decode() if value.is_text else held
    if isinstance(value, Pairs):
        return {plain(key, written): plain(one, written) for key, one in value.pairs}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(one, written) for one in value)
    if isinstance(value, Collection):
        return {plain(one, written) for one in value.items}
    if isinstance(value, Opaque):
        args = plain(value.args, written)
        return (
            args[0].encode(args[1])
            if value.name == "_codecs.encode"
            else {"_codecs": b"", "__builtin__.bytes": b""}[value.name]
        )
    return value


@given(DATA, st.integers(0, 5))
@settings(max_examples=300)
def test_plain_data_of_every_protocol(data: Any, protocol: int) -> None:
    written = pickle.dumps(data, protocol)
    found = read(written)
    assert found.end == len(written)
    assert plain(found.value, written) == data


def test_every_opcode_is_known() -> None:
    known = {opcode.code.encode("latin-1")[0] for opcode in pickletools.opcodes}
    assert {code for code, handler in enumerate(OPCODES) if handler} == known - {ord(".")}


class Wicked:
    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.target}",)

    def __init__(self, target: Path) -> None:
        self.target = target


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_run(protocol: int, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    written = pickle.dumps({"a": Wicked(canary)}, protocol)
    found = read(written)
    assert found.globals == ("posix.system",)
    node = found.value.pairs[0][1]
    assert isinstance(node, Opaque)
    assert isinstance(node.call, Token)
    assert not canary.exists()
    pickle.loads(written)
    assert canary.exists(), "the pickle of this test is not wicked"


def test_objects_of_old_and_new_ways_to_make_them() -> None:
    day = datetime.date(2026, 11, 21)
    for protocol in range(6):
        found = read(pickle.dumps(day, protocol)).value
        assert isinstance(found, Opaque)
        assert found.name == "datetime.date"
    old = read(b"(imodule\nClass\n(dS'x'\nI1\nsb.").value
    assert isinstance(old, Opaque)
    assert old.name == "module.Class"
    assert old.state.get("x") == 1
    assert read(b"(cmodule\nClass\nI5\no.").value.args == (5,)
    extended = read(b"\x80\x02\x82\x07.").value
    assert isinstance(extended, Token)


def test_a_list_in_itself_ends() -> None:
    endless: list[Any] = []
    endless.append({"again": endless, "n": 1})
    walk: Walk[int] = Walk("p", lambda _: None)
    walk.go(read(pickle.dumps(endless)).value, "it")
    assert walk.found == []
    assert walk.values == {"it.0.n": 1}


def bomb(levels: int, last: bytes) -> bytes:
    """Lists of the list before it, twice: 2 to the power of ``levels`` leaves."""
    written = b"]" + last + b"aq\0"
    for number in range(levels):
        written += b"0](" + (b"h" + bytes([number])) * 2 + b"eq" + bytes([number + 1])
    return written + b"."


def test_a_bomb_of_references_is_walked_once() -> None:
    begun = time.process_time()
    walk: Walk[int] = Walk("p", lambda _: None)
    walk.go(read(bomb(100, b"N")).value)
    assert time.process_time() - begun < 1


def test_a_bomb_with_a_find_in_it_is_refused() -> None:
    walk: Walk[int] = Walk("p", lambda node: 1)
    with pytest.raises(UnreadableCheckpoint, match=r"describes more than"):
        walk.go(read(bomb(100, b"ca\nb\n)R")).value)


def test_of_two_things_of_one_name_both_are_kept() -> None:
    written = pickle.dumps({"a.b": datetime.date(1, 1, 1), "a": {"b": datetime.date(1, 1, 1)}})
    walk: Walk[int] = Walk("p", lambda node: 1)
    walk.go(read(written).value)
    assert walk.found == [("a.b", Role.WEIGHT, 1), ("a.b#2", Role.WEIGHT, 1)]
    assert "stands for several" in walk.problems[0]


def test_a_name_that_a_double_could_get_is_not_given_twice() -> None:
    day = datetime.date(1, 1, 1)
    walk: Walk[int] = Walk("p", lambda node: 1)
    walk.go(read(pickle.dumps({"a.b#2": day, "a.b": day, "a": {"b": day}, "a.b#3": day})).value)
    assert len({name for name, _, _ in walk.found}) == 4


def test_a_find_is_looked_at_once_however_often_it_is_meant() -> None:
    asked: list[object] = []

    def find(node: object) -> int:
        asked.append(node)
        return 1

    walk: Walk[int] = Walk("p", find)
    walk.go(read(b"ca\nb\n)Rq\0](" + b"h\0" * 1000 + b"e\x86.").value)
    assert len(walk.found) == 1001
    assert len(asked) == 1


@pytest.mark.parametrize(
    "written",
    [
        b"ca\nb\n)R" + b"Nb" * 300_000 + b".",
        b"ca\nb\n)R" + b"Na" * 300_000 + b".",
        b"ca\nb\n)R" + b"NNs" * 300_000 + b".",
        b"}(" + b"NN" * 300_000 + b"u.",
        b"N" + b"\x94" * 300_000 + b".",
        b"N" + b"Q" * 300_000 + b".",
    ],
)
def test_time_grows_with_length_and_no_faster(written: bytes) -> None:
    begun = time.process_time()
    read(written)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (b"", "ends at byte 0"),
        (b"\x80\x06N.", "protocol 6"),
        (b"\xff.", "0xff is no opcode"),
        (b"N", "ends at byte 1"),
        (b"NN.", "other than one value"),
        (b"(N.", "other than one value"),
        (b"a.", "none is left"),
        (b"\x85.", "none is left"),
        (b"h\5.", "has not remembered"),
        (b"\x8e" + b"\xff" * 8, "cut off"),
        (b"B\xff\xff\xff\x7fabc", "cut off"),
        (b"\x8b\xff\xff\xff\x7f.", "a number of 2,147,483,647 bytes"),
        (b"L" + b"9" * 5000 + b"L\n.", "a number that is none"),
        (b"I1" + b"0" * 100_000 + b"\n.", "too long"),
        (b"Ix\n.", "a number that is none"),
        (b"S'\\x\n.", "without quotation|wrong escape"),
        (b"V\\U99999999\n.", "wrong escape"),
        (b"\x97.", "outside of it"),
        (b"\x98.", "outside of it"),
        (b"NN\x93.", "by a name that is no text"),
        (b"NNR.", "cannot be called"),
        (b"NNb.", "a state to what has none"),
        (b"NNa.", "adds values to what is no list"),
        (b"NNNs.", "sets keys of what has none"),
        (b"}(Nu.", "a key without a value"),
        (b"(" * 200_000, "nested more than"),
        (b"c" + b"a" * 5000 + b"\nb\n.", "too long"),
        (b"N" + b"px\n.", "which is no number"),
    ],
)
def test_what_is_no_pickle_is_refused(written: bytes, words: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=words):
        read(written)


def test_values_in_each_other_a_million_deep() -> None:
    found = read(b"N" + b"\x85" * 1_000_000 + b".")
    walk: Walk[int] = Walk("p", lambda _: None)
    walk.go(found.value)
    assert "nested more than 150 deep" in walk.problems[0]


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes(written: bytes) -> None:
    for content in (written, b"\x80\x04" + written, pickle.dumps([written, {"a": [1.5]}])[: len(written)]):
        try:
            found = read(content)
        except UnreadableCheckpoint:
            continue
        Walk[int]("p", lambda _: None).go(found.value)
