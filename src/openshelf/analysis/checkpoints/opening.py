"""From a path, a reference or an address to a checkpoint."""

from __future__ import annotations

from pathlib import Path

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, facts_of
from openshelf.analysis.checkpoints.files import Files, LocalFiles
from openshelf.analysis.checkpoints.folders import Found, read_folder
from openshelf.analysis.checkpoints.formats import read_file


def open_checkpoint(where: str | Path, *, endpoint: str | None = None, token: str | None = None) -> Checkpoint:  # noqa: ARG001
    """The checkpoint in a file or folder.

    Only headers are read. Raises UnreadableCheckpoint, which says which file, where and why.
    """
    files = LocalFiles(Path(where))
    try:
        return open_files(files, is_folder=Path(where).is_dir())
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
    return Checkpoint(
        listing.format, listing.tensors, files, tuple(used), facts_of(listing), listing.metadata, listing.problems,
        listing.decoders, found.others,
    )  # fmt: skip
