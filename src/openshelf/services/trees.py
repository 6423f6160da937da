"""The files and folders of a revision: in pages, all of them, or some by path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from openshelf.domain.names import MAX_PATH_DEPTH
from openshelf.domain.tree import CommitInfo, Entry
from openshelf.errors import EntryNotFound, Invalid
from openshelf.storage.repositories import GitRepository, history


def page(
    git: GitRepository,
    commit: str,
    folder: str = "",
    *,
    recursive: bool = False,
    after: str | None = None,
    limit: int = 1000,
) -> tuple[list[Entry], bool]:
    """At most ``limit`` entries of ``folder``, beginning after the path ``after``, and whether there are more.

    Entries come in git's order, folders before what is in them. Raises EntryNotFound where ``folder`` is not a
    folder, Invalid where ``after`` is not in it.
    """
    top = git.entry(commit, folder)
    if not top.is_folder:
        raise EntryNotFound(f"{folder} is a file, not a folder", commit)
    prefix = f"{folder}/" if folder else ""
    names: list[str] = []
    if after is not None:
        if not after.startswith(prefix):
            raise _foreign_cursor()
        names = after.removeprefix(prefix).split("/")
    found = list(islice(_walk(git, top.oid, prefix, recursive, names), limit + 1))
    return found[:limit], len(found) > limit


def files(git: GitRepository, commit: str) -> Iterator[Entry]:
    """Every file of a commit, in git's order."""
    return git.files(commit)


def some(git: GitRepository, commit: str, paths: Iterable[str]) -> list[Entry]:
    """The entries at ``paths``; those that are not there are left out."""
    wanted = dict.fromkeys(path.strip("/") for path in paths if path.count("/") <= MAX_PATH_DEPTH)
    return list(git.some_entries(commit, wanted).values())


def last_commits(git: GitRepository, commit: str, entries: Iterable[Entry]) -> dict[str, CommitInfo]:
    """Path of each entry to the commit that changed it last."""
    found: dict[str, CommitInfo] = {}
    by_folder: dict[str, Mapping[str, CommitInfo]] = {}
    for entry in entries:
        folder, _, name = entry.path.rpartition("/")
        if folder not in by_folder:
            by_folder[folder] = history.last_commits(git, commit, folder)
        if name in by_folder[folder]:
            found[entry.path] = by_folder[folder][name]
    return found


def _walk(git: GitRepository, tree: str, prefix: str, recursive: bool, after: list[str]) -> Iterator[Entry]:
    """Entries below a tree that come after the path whose parts are ``after``; all where it is empty."""
    entries = git.listing(tree, prefix)
    start = 0
    if after:
        path = prefix + after[0]
        start = next((index for index, entry in enumerate(entries) if entry.path == path), -1)
        if start < 0 or (len(after) > 1 and not (recursive and entries[start].is_folder)):
            raise _foreign_cursor()
        if recursive and entries[start].is_folder:
            yield from _walk(git, entries[start].oid, f"{path}/", True, after[1:])
        start += 1
    for entry in islice(entries, start, None):
        yield entry
        if recursive and entry.is_folder:
            yield from _walk(git, entry.oid, f"{entry.path}/", True, [])


def _foreign_cursor() -> Invalid:
    return Invalid("This cursor does not belong to this listing; begin again without one.")
