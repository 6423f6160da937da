"""What lies between two Revisions: files that differ, and the lines that differ in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from openshelf.domain.tree import Entry


class FileStatus(StrEnum):
    """What happened to a file on the way from the old revision to the new one."""

    ADDED = "added"
    DELETED = "deleted"
    MODIFIED = "modified"
    RENAMED = "renamed"


class WithoutLines(StrEnum):
    """Why the lines of a file that differs are not there."""

    BINARY = "binary"
    OUTSIDE_GIT = "outside git"
    LARGE = "large"
    LIMIT = "limit"
    """The page has shown as much as it may."""
    SUBMODULE = "submodule"
    NO_CHANGE = "no change"
    """Name or mode differ, or nothing but the whitespace that was asked to be passed over."""


@dataclass(frozen=True, slots=True)
class Line:
    """``sign`` is ' ', '-' or '+'; numbers count from 1 and are None on the side where the line is not.

    ``content`` are its bytes with the line end, if it has one.
    """

    sign: str
    old: int | None
    new: int | None
    content: bytes


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that differ with those around them; the old side is ``old_count`` lines from ``old_start``."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    heading: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One file that differs; ``old`` is None where it is new, ``new`` where it is gone.

    ``added`` and ``removed`` count lines; they are exact even where the hunks were cut (``is_cut``). ``without`` says
    why there are no hunks; lines are then not counted, except where it says NO_CHANGE.
    """

    status: FileStatus
    old: Entry | None
    new: Entry | None
    hunks: tuple[Hunk, ...] = ()
    added: int = 0
    removed: int = 0
    is_cut: bool = False
    without: WithoutLines | None = None

    @property
    def path(self) -> str:
        return self.entry.path

    @property
    def entry(self) -> Entry:
        """The file as it is now, or as it was where it is gone."""
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def is_same_content(self) -> bool:
        return self.old is not None and self.new is not None and self.old.oid == self.new.oid

    @property
    def grown_bytes(self) -> int:
        """By how many bytes the file has grown; negative where it shrank."""
        return (self.new.size if self.new else 0) - (self.old.size if self.old else 0)


@dataclass(frozen=True, slots=True)
class Diff:
    """Some of the files that differ, in order of path, beginning with number ``first``; ``total`` of them differ.

    ``has_more``: there are more than ``total`` files, which were not looked at.
    """

    files: tuple[FileDiff, ...]
    total: int
    first: int = 0
    has_more: bool = False

    @property
    def added(self) -> int:
        return sum(file.added for file in self.files)

    @property
    def removed(self) -> int:
        return sum(file.removed for file in self.files)

    @property
    def grown_bytes(self) -> int:
        return sum(file.grown_bytes for file in self.files)

    @property
    def counts_all(self) -> bool:
        """Whether the sums are those of every file that differs."""
        return len(self.files) == self.total and not self.has_more


def apply_hunks(old: bytes, hunks: tuple[Hunk, ...]) -> bytes:
    """The new text that ``hunks`` make of ``old``. Raises ValueError where they do not fit it."""
    return b"".join(_applied(split_lines(old), hunks))


def split_lines(text: bytes) -> list[bytes]:
    """Lines as git has them: each ends after a newline, and nothing else ends one."""
    lines = [line + b"\n" for line in text.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _applied(lines: list[bytes], hunks: tuple[Hunk, ...]) -> Iterator[bytes]:
    at = 0
    for hunk in hunks:
        # git counts an empty old side from the line before it.
        start = hunk.old_start - 1 if hunk.old_count else hunk.old_start
        yield from lines[at:start]
        at = start
        for line in hunk.lines:
            if line.sign == "+":
                yield line.content
                continue
            if at >= len(lines) or lines[at] != line.content:
                raise ValueError(f"line {at + 1} is not what the diff says")
            at += 1
            if line.sign == " ":
                yield line.content
    yield from lines[at:]
