"""From the objects of a pickle to a listing: names and roles by the walk, arrays by what recognises them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from openshelf.analysis.checkpoints.array_values import values_of
from openshelf.analysis.checkpoints.checkpoint import BIG_ENDIAN, RAW, Array, Decoder, Listing, Role, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.checkpoints.pickles.stored_arrays import StoredArray, tensor_of
from openshelf.analysis.checkpoints.pickles.values import Pickle
from openshelf.analysis.checkpoints.pickles.walk import Walk

MAX_GLOBALS_TOLD = 1000
Read = Callable[[Files, str], Listing]


def listing_of(
    format_name: str,
    file: str,
    found: Iterable[tuple[str, Role, StoredArray]],
    read: Read,
    metadata: Mapping[str, Any],
    problems: Iterable[str] = (),
) -> Listing:
    """A listing of ``found``; ``read`` lists a file of the same format again, for values of other shards."""
    arrays: dict[str, StoredArray] = {}
    tensors: list[Tensor] = []
    notes: dict[str, dict[str, Any]] = {}
    encodings: set[str] = set()
    names: set[str] = set()
    for name, role, array in found:
        tensor = tensor_of(name, role, array, file)
        if name in names:
            raise UnreadableCheckpoint(file, f"two of its tensors are called {name[:200]!r}")
        names.add(name)
        tensors.append(tensor)
        if tensor.encoding not in (RAW, BIG_ENDIAN):
            arrays[name] = array
            encodings.add(tensor.encoding)
        for kind, note in array.note.items():
            notes.setdefault(kind, {})[name] = note
    decoder = _decoder(file, arrays, read)
    decoders = dict.fromkeys(encodings, decoder)
    told = {key: value for key, value in {**metadata, **notes}.items() if value not in (None, {}, [], ())}
    return Listing(format_name, tuple(tensors), told, decoders=decoders, problems=tuple(problems))


def _decoder(file: str, arrays: Mapping[str, StoredArray], read: Read) -> Decoder:
    """Values of ``file``; one that stands for several shards reads the headers of the others once more."""
    others: dict[str, Decoder] = {}

    def decode(files: Files, tensor: Tensor) -> Array:
        if tensor.file != file:
            if tensor.file not in others:
                others.clear()
                others[tensor.file] = read(files, tensor.file).decoders.get(tensor.encoding, decode)
            return others[tensor.file](files, tensor)
        array = arrays.get(tensor.name)
        if array is None:
            raise UnreadableValues(file, f"the values of {tensor.name!r} are not known under this name")
        return values_of(files.open(file), file, array)

    return decode


def pickle_metadata(pickle: Pickle, walk: Walk[StoredArray]) -> dict[str, Any]:
    """What is said of every pickle: what loading it would import, and its plain values by name."""
    return {
        "globals": list(pickle.globals[:MAX_GLOBALS_TOLD]),
        "protocol": pickle.protocol,
        "values": dict(walk.values),
    }
