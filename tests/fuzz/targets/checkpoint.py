"""Files of weights, for each reader by itself: listed, and the values of small tensors decoded.

An input is all files of one checkpoint (see ``bundles``), so that an index and what it leads to are both damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from random import Random

from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.formats import format_of
from openshelf.analysis.checkpoints.hdf5 import child
from tests.fuzz.bundles import pack, packed, unpack
from tests.fuzz.hdf5_here import hdf5_here
from tests.fuzz.inside import damage_inside
from tests.fuzz.target import Target
from tests.fuzz.watch import watched
from tests.unit.checkpoints.folder_makers import FOLDERS
from tests.unit.checkpoints.hostile import take
from tests.unit.checkpoints.makers import Made, every

FOLDER = "folder"
# HDF5 is read by a process of its own, whose coverage a fuzzer cannot see; here its program runs in this process.
_HDF5 = ("keras_h5", "keras_v3")
_MOST_BYTES = 30_000
_MEMORY = 24 << 20


@cache
def sets_of(reader: str) -> list[Made]:
    """The right checkpoints of a reader, by the name of its module; of ``folder`` those that are whole folders."""
    return _by_reader()[reader]


@cache
def _by_reader() -> Mapping[str, list[Made]]:
    found: dict[str, list[Made]] = {}
    for maker in every().values():
        made = maker()
        if sum(map(len, made.values())) <= _MOST_BYTES:
            kind = format_of(HeldFiles(made).open(next(iter(made))))
            assert kind is not None
            found.setdefault(kind.read.__module__.rpartition(".")[2], []).append(made)
    return {**dict(sorted(found.items())), FOLDER: [maker() for maker in FOLDERS.values()]}


def run(reader: str, data: bytes) -> None:
    _, files = unpack(data, _names(reader))
    with _reading(reader), watched():
        take(files, is_folder=reader == FOLDER)


@cache
def _names(reader: str) -> list[list[str]]:
    return [list(made) for made in sets_of(reader)]


def _reading(reader: str) -> AbstractContextManager[object]:
    return hdf5_here() if reader in _HDF5 else nullcontext()


def mutate(reader: str, random: Random, data: bytes) -> bytes:
    """``data`` with one of its files damaged, inside too, so that sums are right; the others stay as they are."""
    which, files = unpack(data, _names(reader))
    name = random.choice(list(files))
    files[name] = damage_inside(random, files[name], list(sets_of(reader)[which].values()))
    return pack(which, list(files.values()))


def _seeds(reader: str) -> list[bytes]:
    return packed(sets_of(reader))


def _memory(reader: str) -> int:
    """libhdf5 takes what damaged sizes say; in use its process is held to so much, and the file then refused."""
    return child.MEMORY_BYTES if reader in _HDF5 else _MEMORY


TARGETS = {
    reader: Target(
        partial(run, reader),
        partial(_seeds, reader),
        memory=_memory(reader),
        per_byte=200,
        mutate=partial(mutate, reader),
    )
    for reader in _by_reader()
}
