"""The contract of an object store."""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from openshelf.domain.tree import Blob
from openshelf.errors import InvalidUpload, StorageFault
from openshelf.storage.blobs import BlobStore
from openshelf.storage.objects import READ_BYTES, Objects
from tests.storage.backends import OBJECTS


@pytest.fixture(params=sorted(OBJECTS))
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return OBJECTS[request.param](tmp_path)


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _put(objects: Objects, content: bytes) -> str:
    staged = objects.stage()
    staged.write(content)
    staged.keep(_key(content))
    return _key(content)


def test_what_is_staged_has_no_name_until_it_is_kept(objects: Objects) -> None:
    staged = objects.stage()
    staged.write(b"half ")
    staged.write(memoryview(b"done"))
    assert (staged.size, staged.read(2, 7)) == (9, b"lf do")
    assert list(objects.list()) == []
    assert objects.size(_key(b"half done")) is None
    staged.keep(_key(b"half done"))
    assert [(info.key, info.size) for info in objects.list()] == [(_key(b"half done"), 9)]


def test_what_is_discarded_leaves_nothing(objects: Objects) -> None:
    staged = objects.stage()
    staged.write(b"x" * 1000)
    staged.discard()
    staged.discard()
    assert list(objects.list()) == []


def test_keeping_twice_is_harmless(objects: Objects) -> None:
    assert _put(objects, b"same") == _put(objects, b"same")
    assert objects.read_range(_key(b"same"), 0, 4) == b"same"
    assert len(list(objects.list())) == 1


def test_ranges(objects: Objects) -> None:
    content = bytes(range(256)) * 10_000
    key = _put(objects, content)
    assert b"".join(objects.read(key)) == content
    assert b"".join(objects.read(key, 1000)) == content[1000:]
    assert b"".join(objects.read(key, 7, 2_000_001)) == content[7:2_000_001]
    assert objects.read_range(key, 5, 5) == b""
    assert max(len(piece) for piece in objects.read(key)) <= READ_BYTES


def test_a_missing_object_is_a_fault_not_an_empty_file(objects: Objects) -> None:
    with pytest.raises(StorageFault, match="missing"):
        list(objects.read("ab" * 32))
    assert objects.delete("ab" * 32) is False
    assert objects.local_path("ab" * 32) is None


def test_reading_past_the_end_is_a_fault(objects: Objects) -> None:
    key = _put(objects, b"short")
    with pytest.raises(StorageFault, match="ends at byte 5"):
        objects.read_range(key, 0, 6)


def test_bytes_that_are_read_once(objects: Objects) -> None:
    content = os.urandom(2_500_000)
    key = _put(objects, content)
    with mmap.mmap(-1, 2_600_000) as buffer:
        for start, end in ((0, 1), (5, 2_500_000), (1_048_576, 1_048_577), (4095, 8193)):
            with objects.read_once(key, start, end, buffer) as found:
                assert found == content[start:end]
        with pytest.raises(StorageFault, match="ends at byte 2500000"):
            objects.read_once(key, 5, 2_500_001, buffer)
        with pytest.raises(StorageFault, match="is missing"):
            objects.read_once("b" * 64, 0, 1, buffer)


def test_a_reader_survives_deletion(objects: Objects) -> None:
    key = _put(objects, b"a" * (3 * READ_BYTES))
    reading = objects.read(key)
    first = next(reading)
    assert objects.delete(key)
    assert len(first) + sum(len(piece) for piece in reading) == 3 * READ_BYTES


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "ab/cd" * 10, "short"])
def test_keys_cannot_leave_the_store(objects: Objects, key: str) -> None:
    with pytest.raises(ValueError, match="not an object key"):
        objects.size(key)


def test_a_blob_gets_its_name_only_when_its_bytes_are_right(objects: Objects) -> None:
    blobs = BlobStore(objects)
    writer = blobs.writer()
    writer.write(b"not what was said")
    with pytest.raises(InvalidUpload, match="announced as sha256"):
        writer.keep(Blob(_key(b"something else"), 17))
    assert list(objects.list()) == []
    writer = blobs.writer()
    writer.write(b"right")
    assert writer.keep(Blob(_key(b"right"), 5)).size == 5
    assert blobs.is_intact(_key(b"right"))


class ObjectMachine(RuleBasedStateMachine):
    """Any order of puts, discards, reads and deletions agrees with a dictionary."""

    make = staticmethod(OBJECTS["disk"])

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.objects = type(self).make(Path(self.folder.name))
        self.model: dict[str, bytes] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(content=st.binary(max_size=50))
    def put(self, content: bytes) -> None:
        self.model[_put(self.objects, content)] = content

    @rule(content=st.binary(max_size=50))
    def give_up(self, content: bytes) -> None:
        staged = self.objects.stage()
        staged.write(content)
        staged.discard()

    @rule(content=st.binary(max_size=3))
    def remove(self, content: bytes) -> None:
        assert self.objects.delete(_key(content)) is (self.model.pop(_key(content), None) is not None)

    @rule(start=st.integers(0, 60), length=st.integers(0, 60))
    def read(self, start: int, length: int) -> None:
        for key, content in self.model.items():
            first, last = min(start, len(content)), min(start + length, len(content))
            assert self.objects.read_range(key, first, last) == content[first:last]

    @invariant()
    def listed(self) -> None:
        if hasattr(self, "model"):
            assert {info.key: info.size for info in self.objects.list()} == {
                key: len(content) for key, content in self.model.items()
            }


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_any_order_of_operations(name: str) -> None:
    machine = type("Machine", (ObjectMachine,), {"make": staticmethod(OBJECTS[name])})
    run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=15, deadline=None))
