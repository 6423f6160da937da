"""From a path, a reference or an address to a checkpoint."""

from __future__ import annotations

from pathlib import Path

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, facts_of
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.facts import with_neighbours
from openshelf.analysis.checkpoints.files import Files, LocalFiles
from openshelf.analysis.checkpoints.folders import Found, read_folder
from openshelf.analysis.checkpoints.formats import read_file
from openshelf.analysis.checkpoints.remote.references import is_address


def open_checkpoint(where: str | Path, *, endpoint: str | None = None, token: str | None = None) -> Checkpoint:
    """The checkpoint in a file or folder, in a repo of a hub, or at an address.

    ``where`` is a path; a reference ``owner/name``, with ``@revision`` and ``:path`` behind it where wanted and
    ``datasets/`` before it for a data set; the address of a page, folder or file of a hub; or the address of any file
    whose server gives parts of it. A path that exists goes before a reference. ``endpoint`` is the hub of references
    (else ``HF_ENDPOINT``), ``token`` what it knows you by (else ``HF_TOKEN``, or where ``hf auth login`` keeps it).

    Only headers are read. Raises UnreadableCheckpoint, which says which file, where and why.
    """
    if where == "":
        raise UnreadableCheckpoint("", "no path, reference or address is given")
    path = Path(where)
    if isinstance(where, str) and (is_address(where) or not _exists(path)):
        # Loaded here alone: whoever reads local files needs no HTTP.
        from openshelf.analysis.checkpoints.remote.opening import open_remote

        found = open_remote(where, endpoint, token)
        return _opened(found, is_folder=found.chosen is None, first=found.chosen)
    return _opened(LocalFiles(path), is_folder=path.is_dir(), first=None)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _opened(files: Files, *, is_folder: bool, first: str | None) -> Checkpoint:
    try:
        return open_files(files, is_folder=is_folder, first=first)
    except BaseException:
        files.close()
        raise


def open_files(files: Files, *, is_folder: bool, first: str | None = None) -> Checkpoint:
    """The checkpoint in a set of files: of a folder in whatever files hold it, else in ``first`` or the only file."""
    if is_folder:
        found = read_folder(files)
    else:
        name = first or next(iter(files.sizes()))
        found = Found(read_file(files, name), (name,))
    listing = found.listing
    used = dict.fromkeys((*found.files, *listing.files, *(tensor.file for tensor in listing.tensors)))
    facts, problems = with_neighbours(facts_of(listing), files, used, listing.metadata)
    return Checkpoint(
        listing.format, listing.tensors, files, tuple(used), facts, listing.metadata,
        (*listing.problems, *problems), listing.decoders, found.others,
    )  # fmt: skip
