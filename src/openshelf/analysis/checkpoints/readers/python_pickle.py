"""Pickles of Python: scikit-learn, joblib and whatever else. Their structure is described; nothing is unpickled.

``globals`` of the metadata are all imports that loading would make, ``estimators`` the objects that look fitted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from openshelf.analysis.checkpoints.checkpoint import Listing, Role
from openshelf.analysis.checkpoints.files import Files, HeldFile, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.pickles.arrays import array_of, joblib_payload
from openshelf.analysis.checkpoints.pickles.listing import listing_of, pickle_metadata
from openshelf.analysis.checkpoints.pickles.machine import read_pickle
from openshelf.analysis.checkpoints.pickles.packed import looks_pickled, packing_of, unpacked
from openshelf.analysis.checkpoints.pickles.stored_arrays import Packed, Storage, StoredArray
from openshelf.analysis.checkpoints.pickles.values import Opaque, Pairs, Reference, Span, Token, Value
from openshelf.analysis.checkpoints.pickles.walk import Unknown, Walk

_MAX_OBJECTS_TOLD = 500
Found = tuple[str, Role, StoredArray]


def matches(file: OpenFile) -> bool:
    head = file.read(0, min(file.size, 256))
    if looks_pickled(head):
        return head[:1] == b"\x80" or file.read(file.size - 1, file.size) == b"."
    return packing_of(file) is not None


def read(files: Files, name: str) -> Listing:
    file: OpenFile = files.open(name)
    packing = packing_of(file)
    if packing is not None:
        file = HeldFile(f"{name} (unpacked from {packing})", unpacked(file, name, packing))
    pickle = read_pickle(file, name, payload=joblib_payload)

    def recognise(node: Opaque | Reference) -> StoredArray | Unknown | None:
        return array_of(node, name) if isinstance(node, Opaque) else None

    walk: Walk[StoredArray] = Walk(name, recognise)
    walk.go(pickle.value)
    if pickle.references:
        walk.problem(f"it refers to {len(pickle.references):,} objects that are kept outside of it")
    metadata: dict[str, Any] = {**pickle_metadata(pickle, walk), "packing": packing, **_objects(walk)}
    found = walk.found if packing is None else _packed(walk.found, packing)
    listing = listing_of("python-pickle", name, found, read, metadata, walk.problems)
    fitted = next(iter(metadata["estimators"]), None)
    return replace(
        listing,
        versions={"scikit-learn": fitted["version"]} if fitted else {},
        architecture=fitted["class"].rpartition(".")[2] if fitted else None,
    )


def _packed(found: list[Found], packing: str) -> list[Found]:
    """The same arrays, whose places are in what the file unpacks to."""
    keep: list[bytes] = []
    moved: list[Found] = []
    for name, role, array in found:
        storage = array.storage
        if storage is not None and storage.offset is not None:
            array = replace(array, storage=Storage(storage.nbytes, None, Packed(packing, storage.offset, keep)))
        elif storage is not None and isinstance(storage.source, Span):
            array = replace(array, storage=Storage(storage.nbytes, None))
        moved.append((name, role, array))
    return moved


def _objects(walk: Walk[StoredArray]) -> dict[str, Any]:
    told = []
    for name, node in walk.objects.items():
        called, state = class_of(node), node.state
        version = state.get("_sklearn_version") if isinstance(state, Pairs) else None
        if called and isinstance(version, str):
            told.append({"name": name, "class": called, "version": str(version)})
    return {"estimators": told[:_MAX_OBJECTS_TOLD]}


def class_of(node: Opaque) -> str:
    """The class of an object, by any of the ways to pickle one."""
    if node.name in ("copyreg._reconstructor", "copy_reg._reconstructor", "copyreg.__newobj__"):
        first: Value = node.args[0] if isinstance(node.args, tuple) and node.args else None
        return str(first) if isinstance(first, Token) else ""
    return node.name


FORMAT = Format("python-pickle", "a Python pickle", matches, read)
