"""PyTorch since 1.6: a ZIP archive of a pickle and storages, as ``torch.save`` and ``torch.jit.save`` write it.

Pickles are read as descriptions and never executed; code of TorchScript is named and not run.
"""

from __future__ import annotations

from typing import Any

from openshelf.analysis.checkpoints.checkpoint import Listing, Role
from openshelf.analysis.checkpoints.containers.zip_directory import is_zip, peek_directory
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.pickles.listing import listing_of, pickle_metadata
from openshelf.analysis.checkpoints.pickles.stored_arrays import StoredArray
from openshelf.analysis.checkpoints.pickles.values import Pickle
from openshelf.analysis.checkpoints.pickles.walk import Walk
from openshelf.analysis.checkpoints.torch.archive import TorchArchive, open_archive
from openshelf.analysis.checkpoints.torch.facts import with_facts
from openshelf.analysis.checkpoints.torch.script import ScriptRoles

_MAX_CODE_TOLD = 1000


def matches(file: OpenFile) -> bool:
    return _holds_pickle(file) and not matches_script(file)


def matches_script(file: OpenFile) -> bool:
    directory = peek_directory(file)
    return b"/constants.pkl" in directory and b"/data.pkl" in directory


def _holds_pickle(file: OpenFile) -> bool:
    if not is_zip(file):
        return False
    # The first member tells an archive whose end is cut off.
    head = file.read(26, min(file.size, 600))
    first = head[4 : 4 + int.from_bytes(head[:2], "little")]
    return first.endswith(b"/data.pkl") or b"/data.pkl" in peek_directory(file)


def read(files: Files, name: str) -> Listing:
    archive = open_archive(files, name)
    pickle = archive.pickle("data.pkl")
    walk: Walk[StoredArray] = Walk(name, archive.objects("data", "data.pkl").tensor)
    walk.go(pickle.value)
    metadata = {**_archive_facts(archive), **pickle_metadata(pickle, walk)}
    listing = listing_of("pytorch-zip", name, walk.found, read, metadata, [*archive.problems, *walk.problems])
    return with_facts(listing, walk)


def read_script(files: Files, name: str) -> Listing:
    archive = open_archive(files, name)
    pickle, constants = archive.pickle("data.pkl"), archive.pickle("constants.pkl")
    roles = ScriptRoles(archive)
    walk: Walk[StoredArray] = Walk(name, archive.objects("data", "data.pkl").tensor, roles.of)
    walk.go(pickle.value)
    fixed: Walk[StoredArray] = Walk(name, archive.objects("constants", "constants.pkl").tensor)
    values = constants.value if isinstance(constants.value, (tuple, list)) else (constants.value,)
    for number, value in enumerate(values):
        fixed.go(value, f"CONSTANTS.c{number}", Role.CONSTANT)
    found = [*walk.found, *fixed.found]
    # Caches and constants without an element hold no value; parameters and buffers are listed even so.
    empty = [called for called, role, array in found if not array.elements and role is not Role.WEIGHT]
    kept = [(called, role, array) for called, role, array in found if array.elements or role is Role.WEIGHT]
    metadata = {**_archive_facts(archive), **pickle_metadata(_both(pickle, constants), walk), "empty": empty}
    problems = [*archive.problems, *walk.problems, *fixed.problems]
    listing = listing_of("torchscript", name, kept, read_script, metadata, problems)
    return with_facts(listing, walk)


def _both(pickle: Pickle, constants: Pickle) -> Pickle:
    names = dict.fromkeys((*pickle.globals, *constants.globals))
    return Pickle(pickle.value, tuple(names), pickle.protocol, pickle.end)


def _archive_facts(archive: TorchArchive) -> dict[str, Any]:
    start = f"{archive.root}/code/"
    code = [name.removeprefix(start) for name in archive.directory.members if name.startswith(start)]
    return {
        "archive": archive.root,
        "archive_version": archive.small("version") or archive.small(".data/version"),
        "byteorder": archive.small("byteorder"),
        "code": code[:_MAX_CODE_TOLD],
    }


FORMATS = (
    Format("torchscript", "a TorchScript archive", matches_script, read_script),
    Format("pytorch-zip", "a PyTorch ZIP archive", matches, read),
)
