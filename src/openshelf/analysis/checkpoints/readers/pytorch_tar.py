"""PyTorch before 0.1.10: a tar archive of ``storages``, ``tensors`` and ``pickle``.

``storages`` is a count, then for each a pickled (key, location, type), its number of elements as i64 and its bytes,
then a pickled list of views; ``tensors`` is a count, then for each a pickled (key, storage key, type), the number of
dimensions as i32 and 4 unused bytes, sides, strides and offset as i64: ``legacy_load`` in ``torch/serialization.py``.
Archives without ``tensors`` whose pickle rebuilds tensors itself, as other programs write them, are read too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from openshelf.analysis.checkpoints.checkpoint import Listing
from openshelf.analysis.checkpoints.containers.tar_members import is_tar, tar_members
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.pickles.arrays import array_of
from openshelf.analysis.checkpoints.pickles.listing import listing_of, pickle_metadata
from openshelf.analysis.checkpoints.pickles.machine import read_pickle
from openshelf.analysis.checkpoints.pickles.stored_arrays import Storage, StoredArray, bits
from openshelf.analysis.checkpoints.pickles.values import Opaque, Pickle, Reference, Token, Value
from openshelf.analysis.checkpoints.pickles.walk import Unknown, Walk
from openshelf.analysis.checkpoints.torch.facts import with_facts
from openshelf.analysis.checkpoints.torch.tensors import STORAGES, Locate, TorchObjects

MAX_COUNT = 100_000
_MAX_DIMENSIONS = 64


@dataclass(slots=True)
class _Tar:
    file: OpenFile
    name: str
    members: dict[str, tuple[int, int]]
    storages: dict[str, tuple[Storage, str]] = field(default_factory=dict)
    tensors: dict[str, StoredArray] = field(default_factory=dict)

    def pickle(self, member: str, place: int) -> Pickle:
        return read_pickle(self.file, self.name, place, self.members[member][1])

    def count(self, member: str) -> tuple[int, int]:
        """The number that a member begins with, and the byte after it."""
        found = self.pickle(member, self.members[member][0])
        if type(found.value) is not int or not 0 <= found.value <= MAX_COUNT:
            reason = f"its member {member!r} should begin with a count up to {MAX_COUNT:,}"
            raise UnreadableCheckpoint(self.name, reason, self.members[member][0])
        return found.value, found.end

    def numbers(self, member: str, place: int, count: int) -> tuple[tuple[int, ...], int]:
        """Signed numbers of 8 bytes."""
        end = place + 8 * count
        if end > self.members[member][1]:
            raise UnreadableCheckpoint(self.name, f"its member {member!r} is cut off", place)
        written = self.file.read(place, end)
        found = tuple(int.from_bytes(written[at : at + 8], "little", signed=True) for at in range(0, 8 * count, 8))
        if any(one < 0 for one in found):
            raise UnreadableCheckpoint(self.name, "a length, side, stride or offset is negative", place)
        return found, end


def matches(file: OpenFile) -> bool:
    return is_tar(file) and {"storages", "pickle"} <= set(_members(file, ""))


def read(files: Files, name: str) -> Listing:
    file = files.open(name)
    tar = _Tar(file, name, _members(file, name))
    _read_storages(tar)
    if "tensors" in tar.members:
        _read_tensors(tar)
    pickle = tar.pickle("pickle", tar.members["pickle"][0])
    objects = TorchObjects(name, _locator(tar), lambda node: array_of(node, name))

    def recognise(node: Opaque | Reference) -> StoredArray | Unknown | None:
        if isinstance(node, Reference):
            return tar.tensors.get(_key(node.key))
        return objects.tensor(node)

    walk: Walk[StoredArray] = Walk(name, recognise)
    walk.go(pickle.value)
    listing = listing_of("pytorch-tar", name, walk.found, read, pickle_metadata(pickle, walk), walk.problems)
    return with_facts(listing, walk)


def _members(file: OpenFile, name: str) -> dict[str, tuple[int, int]]:
    try:
        return tar_members(file, name)
    except UnreadableCheckpoint:
        if name:
            raise
        return {}


def _locator(tar: _Tar) -> Locate:
    def locate(key: str, dtype: str, numel: int) -> Storage:
        found = tar.storages.get(key)
        if found is None or found[0].nbytes < numel * bits(dtype) // 8:
            raise UnreadableCheckpoint(
                tar.name, f"the storage {key[:100]!r} is missing, or shorter than its tensors say"
            )
        return found[0]

    return locate


def _key(value: Value) -> str:
    return str(value)[:100] if isinstance(value, (str, int)) else ""


def _triple(tar: _Tar, member: str, place: int) -> tuple[tuple[Value, Value, Value], int]:
    found = tar.pickle(member, place)
    if not isinstance(found.value, tuple) or len(found.value) != 3:
        raise UnreadableCheckpoint(tar.name, f"the next of its {member} should be described here", place)
    return found.value, found.end


def _read_storages(tar: _Tar) -> None:
    count, place = tar.count("storages")
    for _ in range(count):
        (key, _, kind), place = _triple(tar, "storages", place)
        dtype = STORAGES.get(kind.name) if isinstance(kind, Token) else None
        if dtype is None:
            raise UnreadableCheckpoint(tar.name, "the type of this storage is not known", place)
        (numel,), place = tar.numbers("storages", place, 1)
        nbytes = (numel * bits(dtype) + 7) // 8
        if nbytes > tar.members["storages"][1] - place:
            raise UnreadableCheckpoint(tar.name, f"a storage of {nbytes:,} bytes is cut off", place)
        tar.storages[_key(key)] = Storage(nbytes, place), dtype
        place += nbytes
    if place == tar.members["storages"][1]:
        return
    views = tar.pickle("storages", place).value
    for view in views if isinstance(views, list) else ():
        _view(tar, view, place)


def _view(tar: _Tar, view: Value, place: int) -> None:
    """A storage that is a piece of another: (key, key of the other, offset, number of elements)."""
    known = isinstance(view, tuple) and len(view) == 4 and _key(view[1]) in tar.storages
    if not known or not all(type(one) is int and 0 <= one < 1 << 62 for one in view[2:]):
        raise UnreadableCheckpoint(tar.name, "a view of a storage is not described as it should be", place)
    root, dtype = tar.storages[_key(view[1])]
    start, nbytes = view[2] * bits(dtype) // 8, view[3] * bits(dtype) // 8
    if start + nbytes > root.nbytes or root.offset is None:
        raise UnreadableCheckpoint(tar.name, "a view of a storage reaches past its end", place)
    tar.storages[_key(view[0])] = Storage(nbytes, root.offset + start), dtype


def _read_tensors(tar: _Tar) -> None:
    count, place = tar.count("tensors")
    for _ in range(count):
        (key, storage_key, _), place = _triple(tar, "tensors", place)
        storage, dtype = tar.storages.get(_key(storage_key), (None, ""))
        (head,), after = tar.numbers("tensors", place, 1)
        dimensions = head & 0xFFFFFFFF
        if storage is None or dimensions > _MAX_DIMENSIONS:
            raise UnreadableCheckpoint(tar.name, "this tensor has no known storage, or too many dimensions", place)
        sides, after = tar.numbers("tensors", after, dimensions)
        strides, after = tar.numbers("tensors", after, dimensions)
        (offset,), after = tar.numbers("tensors", after, 1)
        found = StoredArray(dtype, sides, strides, storage, offset * bits(dtype) // 8)
        if found.end > storage.nbytes:
            reason = f"a tensor needs {found.end:,} bytes of its storage, which has {storage.nbytes:,}"
            raise UnreadableCheckpoint(tar.name, reason, place)
        tar.tensors[_key(key)], place = found, after


FORMAT = Format("pytorch-tar", "a PyTorch file of before 0.1.10", matches, read)
