"""Files and lines that differ between two commits, within bounds that hold for any content."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import pygit2
from pygit2.enums import DeltaStatus, DiffFind, DiffOption

from openshelf.domain.diff import Diff, FileDiff, FileStatus, Hunk, Line, WithoutLines
from openshelf.domain.tree import Entry
from openshelf.storage.repositories.repository import GitRepository

MAX_LISTED = 20_000
# Similarity is judged for each pair of a file that came and one that went, and reads both.
MAX_RENAME_PAIRS = 2500
MAX_RENAME_BYTES = 4_000_000
_BINARY_LOOK = 8000
_STATUS = {
    DeltaStatus.ADDED: FileStatus.ADDED,
    DeltaStatus.DELETED: FileStatus.DELETED,
    DeltaStatus.RENAMED: FileStatus.RENAMED,
}


@dataclass(slots=True)
class Bounds:
    """How much is compared. ``lines`` and ``seconds`` are for all files together and are used up on the way."""

    lines: int = 3000
    lines_a_file: int = 1200
    file_bytes: int = 1_000_000
    seconds: float = 2.0
    _started: float = field(default_factory=time.monotonic)

    @property
    def is_spent(self) -> bool:
        return self.lines <= 0 or time.monotonic() - self._started > self.seconds


def compare(
    repository: GitRepository,
    old: str | None,
    new: str,
    bounds: Bounds,
    *,
    first: int = 0,
    limit: int = 100,
    path: str | None = None,
    ignore_whitespace: bool = False,
) -> Diff:
    """What differs between two commits; ``old`` None stands for no files at all.

    ``first`` and ``limit`` choose files by number, ``path`` the one file with this name on either side.
    """
    found, has_more = _changes(repository, old, new)
    if path is not None:
        found = [change for change in found if path in (change.old_path, change.new_path)]
        first = 0
    files = []
    for change in islice(found, first, first + limit):
        file = _with_lines(repository, change.file(repository), bounds, ignore_whitespace)
        bounds.lines -= sum(len(hunk.lines) for hunk in file.hunks)
        files.append(file)
    return Diff(tuple(files), len(found), first, has_more)


def compare_texts(old: bytes | None, new: bytes | None, *, ignore_whitespace: bool = False) -> tuple[Hunk, ...]:
    """The hunks that make ``new`` of ``old``; None stands for no file."""
    return tuple(_hunks(_patch(old, new, ignore_whitespace)))


@dataclass(frozen=True, slots=True)
class _Delta:
    status: FileStatus
    old_path: str
    old_oid: str
    old_mode: int
    new_path: str
    new_oid: str
    new_mode: int

    def file(self, repository: GitRepository) -> FileDiff:
        old = new = None
        if self.status is not FileStatus.ADDED:
            old = repository.entry_of(self.old_path, self.old_oid, self.old_mode)
        if self.status is not FileStatus.DELETED:
            new = repository.entry_of(self.new_path, self.new_oid, self.new_mode)
        return FileDiff(self.status, old, new)


def _changes(repository: GitRepository, old: str | None, new: str) -> tuple[list[_Delta], bool]:
    tree = repository.git[new].peel(pygit2.Tree)
    before = repository.git[old].peel(pygit2.Tree) if old else None
    flags = DiffOption.INCLUDE_TYPECHANGE | DiffOption.SKIP_BINARY_CHECK
    diff = before.diff_to_tree(tree, flags) if before is not None else tree.diff_to_tree(swap=True, flags=flags)
    number = len(diff)
    if number <= MAX_LISTED:
        _find_renames(repository, diff)
    found = [change for delta in islice(diff.deltas, MAX_LISTED) for change in _split(repository, delta)]
    found.sort(key=lambda change: change.new_path)
    return found, number > MAX_LISTED


def _find_renames(repository: GitRepository, diff: Any) -> None:
    gone, come = [], []
    for delta in diff.deltas:
        if delta.status == DeltaStatus.DELETED:
            gone.append(str(delta.old_file.id))
        elif delta.status == DeltaStatus.ADDED:
            come.append(str(delta.new_file.id))
    if not gone or not come:
        return
    flags = DiffFind.FIND_RENAMES
    if len(gone) * len(come) > MAX_RENAME_PAIRS or _bytes(repository, gone + come) > MAX_RENAME_BYTES:
        flags |= DiffFind.FIND_EXACT_MATCH_ONLY
    diff.find_similar(flags, rename_threshold=60, rename_limit=MAX_RENAME_PAIRS)


def _bytes(repository: GitRepository, oids: Iterable[str]) -> int:
    return sum(repository.git.odb.read_header(pygit2.Oid(hex=oid))[1] for oid in oids if oid in repository.git)


def _split(repository: GitRepository, delta: Any) -> list[_Delta]:
    """A change as git sees it; a rename between pointers of different blobs is none, they only look alike."""
    old, new = delta.old_file, delta.new_file
    status = _STATUS.get(delta.status, FileStatus.MODIFIED)
    change = _Delta(status, _path(old), str(old.id), int(old.mode), _path(new), str(new.id), int(new.mode))
    if status is FileStatus.RENAMED and change.old_oid != change.new_oid:
        both = change.file(repository)
        if any(side.blob for side in (both.old, both.new) if side):
            gone = replace(change, status=FileStatus.DELETED, new_path=change.old_path)
            return [gone, replace(change, status=FileStatus.ADDED, old_path=change.new_path)]
    return [change]


def _path(file: Any) -> str:
    return bytes(file.raw_path).decode("utf-8", "replace")


def _with_lines(repository: GitRepository, file: FileDiff, bounds: Bounds, ignore_whitespace: bool) -> FileDiff:
    without = _without(file, bounds)
    if without:
        return replace(file, without=without)
    old, new = _content(repository, file.old), _content(repository, file.new)
    if _is_binary(old) or _is_binary(new):
        return replace(file, without=WithoutLines.BINARY)
    patch = _patch(old, new, ignore_whitespace)
    _, added, removed = patch.line_stats
    if not patch.hunks:
        return replace(file, without=WithoutLines.NO_CHANGE)
    hunks, is_cut = _cut(patch, min(bounds.lines, bounds.lines_a_file))
    return replace(file, hunks=hunks, added=added, removed=removed, is_cut=is_cut)


def _without(file: FileDiff, bounds: Bounds) -> WithoutLines | None:
    sides = [side for side in (file.old, file.new) if side]
    if any(side.is_submodule for side in sides):
        return WithoutLines.SUBMODULE
    if file.is_same_content:
        return WithoutLines.NO_CHANGE
    if any(side.blob for side in sides):
        return WithoutLines.OUTSIDE_GIT
    if any(side.size > bounds.file_bytes for side in sides):
        return WithoutLines.LARGE
    return WithoutLines.LIMIT if bounds.is_spent else None


def _content(repository: GitRepository, entry: Entry | None) -> bytes | None:
    return repository.read(entry.oid) if entry else None


def _is_binary(content: bytes | None) -> bool:
    return content is not None and b"\0" in content[:_BINARY_LOOK]


def _patch(old: bytes | None, new: bytes | None, ignore_whitespace: bool) -> Any:
    flags = DiffOption.FORCE_TEXT | DiffOption.INDENT_HEURISTIC
    if ignore_whitespace:
        flags |= DiffOption.IGNORE_WHITESPACE
    return pygit2.Patch.create_from(old, new, flag=flags)


def _cut(patch: Any, limit: int) -> tuple[tuple[Hunk, ...], bool]:
    """The hunks up to so many lines; the last one may be shorter than it says."""
    kept: list[Hunk] = []
    for hunk in _hunks(patch):
        if len(hunk.lines) > limit:
            if limit > 0:
                kept.append(replace(hunk, lines=hunk.lines[:limit]))
            return tuple(kept), True
        kept.append(hunk)
        limit -= len(hunk.lines)
    return tuple(kept), False


def _hunks(patch: Any) -> Iterable[Hunk]:
    for hunk in patch.hunks:
        heading = hunk.header.partition("@@")[2].partition("@@")[2].strip()
        lines = tuple(_line(line) for line in hunk.lines if line.origin in " -+")
        yield Hunk(hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines, heading, lines)


def _line(line: Any) -> Line:
    old = line.old_lineno if line.old_lineno > 0 else None
    new = line.new_lineno if line.new_lineno > 0 else None
    return Line(line.origin, old, new, bytes(line.raw_content))
