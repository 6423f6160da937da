"""From a path, a reference or an address to a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, with_counts
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.facts import with_neighbours
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.checkpoints.folders import Found, read_folder
from openshelf.analysis.checkpoints.formats import read_file
from openshelf.analysis.checkpoints.local_files import LocalFiles
from openshelf.analysis.checkpoints.remote.references import Pin, is_address

if TYPE_CHECKING:
    from openshelf.analysis.checkpoints.remote.spool import Spool

Model = Checkpoint | str | Path


@dataclass(frozen=True, slots=True)
class Place:
    """What a name leads to: files, and the one of them that was named (``first``; None for a folder or a repo).

    ``endpoint`` and ``commit`` where it is a repo of a hub.
    """

    files: Files
    first: str | None = None
    endpoint: str | None = None
    commit: str | None = None


def open_checkpoint(
    where: str | Path, *, endpoint: str | None = None, token: str | None = None, spool: Spool | None = None
) -> Checkpoint:
    """The checkpoint in a file or folder, in a repo of a hub, or at an address.

    ``where`` is a path; a reference ``owner/name``, with ``@revision`` and ``:path`` behind it where wanted and
    ``datasets/`` before it for a data set; the address of a page, folder or file of a hub; or the address of any file
    whose server gives parts of it. A path that exists goes before a reference. ``endpoint`` is the hub of references
    (else ``HF_ENDPOINT``), ``token`` what it knows you by (else ``HF_TOKEN``, or where ``hf auth login`` keeps it).
    ``spool`` keeps on the disk what is fetched, for those who read values more than once.

    Only headers are read. Raises UnreadableCheckpoint, which says which file, where and why.
    """
    return open_place(find(where, endpoint=endpoint, token=token, spool=spool))


@contextmanager
def opened(model: Model, *, endpoint: str | None = None, token: str | None = None) -> Iterator[Checkpoint]:
    """A checkpoint as it is, or the one that a name leads to, which is closed at the end."""
    if isinstance(model, Checkpoint):
        yield model
        return
    with open_checkpoint(model, endpoint=endpoint, token=token) as found:
        yield found


def find(
    where: str | Path,
    *,
    endpoint: str | None = None,
    token: str | None = None,
    pin: Pin | None = None,
    spool: Spool | None = None,
) -> Place:
    """Where a path, reference or address leads; of ``pin`` see ``open_remote``. Raises UnreadableCheckpoint."""
    if where == "":
        raise UnreadableCheckpoint("", "no path, reference or address is given")
    if isinstance(where, Path) or not is_address(where):
        try:
            files = LocalFiles(Path(where))
        except UnreadableCheckpoint:
            if isinstance(where, Path):
                raise
        else:
            return Place(files, None if files.is_folder else files.path.name)
    # Loaded here alone: whoever reads local files needs no HTTP.
    from openshelf.analysis.checkpoints.remote.opening import open_remote

    found = open_remote(where, endpoint, token, pin=pin, spool=spool)
    return Place(found, found.chosen, found.endpoint, found.commit)


def open_place(place: Place) -> Checkpoint:
    """The checkpoint there; its files are closed where it cannot be opened. Raises UnreadableCheckpoint."""
    try:
        return open_files(place.files, is_folder=place.first is None, first=place.first)
    except BaseException:
        place.files.close()
        raise


def open_files(files: Files, *, is_folder: bool, first: str | None = None) -> Checkpoint:
    """The checkpoint in a set of files: of a folder in whatever files hold it, else in ``first`` or the only file."""
    if is_folder:
        found = read_folder(files)
    else:
        name = first or next(iter(files.sizes()))
        found = Found(read_file(files, name), (name,))
    listing = found.listing
    used = dict.fromkeys(chain(found.files, listing.files, map(attrgetter("file"), listing.tensors)))
    facts, problems = with_neighbours(listing, files, used)
    return Checkpoint(
        listing.format, listing.tensors, files, tuple(used), partial(with_counts, facts, listing.tensors),
        listing.metadata, (*listing.problems, *problems), listing.decoders, found.others, listing.check,
    )  # fmt: skip
