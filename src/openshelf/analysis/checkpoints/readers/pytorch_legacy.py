"""PyTorch 0.1.10 to 1.5: five pickles (magic number, protocol, system, objects, storage keys), then the storages.

Each storage is its number of elements as i64, then its bytes, both little-endian on any machine: ``_legacy_save`` in
``torch/serialization.py``, ``THPStorage_writeFileRaw`` in ``torch/csrc/serialization.cpp``.
"""

from __future__ import annotations

from openshelf.analysis.checkpoints.checkpoint import Listing
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.pickles.arrays import array_of
from openshelf.analysis.checkpoints.pickles.listing import listing_of, pickle_metadata
from openshelf.analysis.checkpoints.pickles.machine import read_pickle
from openshelf.analysis.checkpoints.pickles.stored_arrays import Storage, StoredArray, bits
from openshelf.analysis.checkpoints.pickles.values import Pickle, Token, Value
from openshelf.analysis.checkpoints.pickles.walk import Walk
from openshelf.analysis.checkpoints.torch.facts import with_facts
from openshelf.analysis.checkpoints.torch.tensors import STORAGES, TorchObjects

MAGIC = 0x1950A86A20F9469CFC6C
_WRITTEN = (MAGIC.to_bytes(10, "little"), str(MAGIC).encode())
_PROTOCOL = 1001


def matches(file: OpenFile) -> bool:
    head = file.read(0, min(file.size, 48))
    return head[:1] in (b"\x80", b"L") and any(written in head for written in _WRITTEN)


def read(files: Files, name: str) -> Listing:
    file = files.open(name)
    magic = read_pickle(file, name)
    protocol = read_pickle(file, name, magic.end)
    if magic.value != MAGIC or protocol.value != _PROTOCOL:
        raise UnreadableCheckpoint(name, f"it should be of the protocol {_PROTOCOL}, and is not", magic.end)
    system = read_pickle(file, name, protocol.end)
    pickle = read_pickle(file, name, system.end)
    keys = read_pickle(file, name, pickle.end)
    storages = _storages(file, name, pickle, keys)

    def locate(key: str, dtype: str, numel: int) -> Storage:
        found = storages.get(key)
        if found is None or found.nbytes != (numel * bits(dtype) + 7) // 8:
            raise UnreadableCheckpoint(name, f"the storage {key[:100]!r} is missing, or not as long as its tensors say")
        return found

    walk: Walk[StoredArray] = Walk(name, TorchObjects(name, locate, lambda node: array_of(node, name)).tensor)
    walk.go(pickle.value)
    metadata = pickle_metadata(pickle, walk)
    return with_facts(listing_of("pytorch-legacy", name, walk.found, read, metadata, walk.problems), walk)


def _storages(file: OpenFile, name: str, pickle: Pickle, keys: Pickle) -> dict[str, Storage]:
    """Where each storage lies, one after the other in the order of ``keys``."""
    if not isinstance(keys.value, list) or not all(isinstance(key, (str, int)) for key in keys.value):
        raise UnreadableCheckpoint(name, "a list of storage keys should stand here", pickle.end)
    widths = {str(key[2]): STORAGES.get(key[1].name) for key in map(_persistent_id, pickle.references) if key}
    found: dict[str, Storage] = {}
    place = keys.end
    for key in keys.value:
        dtype = widths.get(str(key))
        if dtype is None or str(key) in found:
            raise UnreadableCheckpoint(name, f"the type of the storage {str(key)[:100]!r} is not known", place)
        if place + 8 > file.size:
            raise UnreadableCheckpoint(name, f"it ends at byte {file.size:,}, before the storage {key!r:.100}", place)
        count = int.from_bytes(file.read(place, place + 8), "little")
        nbytes = (count * bits(dtype) + 7) // 8
        if nbytes > file.size - place - 8:
            reason = (
                f"the storage {key!r:.100} has {nbytes:,} bytes, and {file.size - place - 8:,} follow: it is cut off"
            )
            raise UnreadableCheckpoint(name, reason, place)
        found[str(key)] = Storage(nbytes, place + 8)
        place += 8 + nbytes
    return found


def _persistent_id(reference: Value) -> tuple[Value, ...] | None:
    key = reference.key
    is_storage = isinstance(key, tuple) and len(key) >= 5 and isinstance(key[1], Token)
    return key if is_storage and isinstance(key[2], (str, int)) else None


FORMAT = Format("pytorch-legacy", "a PyTorch file of before 1.6", matches, read)
