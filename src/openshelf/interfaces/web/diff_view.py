"""A difference as pages show it: its files with their lines, what is known of those that have none, and the options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from markupsafe import Markup

from openshelf.domain.diff import Diff, FileDiff
from openshelf.domain.repos import Repo
from openshelf.domain.tree import Entry
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.diff_table import Tables
from openshelf.interfaces.web.visible import visible_name
from openshelf.interfaces.web.visit import Visit
from openshelf.services import arrivals
from openshelf.services.arrivals import Arrival
from openshelf.services.differences import FILES_A_PAGE, Part

IMAGES = frozenset((".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp"))
MAX_IMAGE_BYTES = 20_000_000
# What is folded is on the page all the same, with its count; what is open is read without a click.
OPEN_LINES = 400
OPEN_LINES_IN_ALL = 1500
_MOST_FILES = 20_000


@dataclass(frozen=True, slots=True)
class Side:
    """A file before or after: how it is kept, in one word, and where its page and its picture are."""

    entry: Entry
    arrival: Arrival | None
    page: str
    picture: str = ""


@dataclass(frozen=True, slots=True)
class FileView:
    """One file of a difference. ``alone`` shows it by itself, with more lines."""

    anchor: str
    file: FileDiff
    name: Markup
    was: Markup
    table: Markup
    is_open: bool
    before: Side | None
    after: Side | None
    alone: str

    @property
    def sides(self) -> list[Side]:
        return [side for side in (self.before, self.after) if side]

    @property
    def has_pictures(self) -> bool:
        return any(side.picture for side in self.sides)


@dataclass(frozen=True, slots=True)
class DiffView:
    """The files of one page of a difference, and links that change how it is shown."""

    diff: Diff
    files: tuple[FileView, ...]
    path: str
    is_split: bool
    ignores_whitespace: bool
    other_view: str
    other_whitespace: str
    all_files: str
    previous: str
    next: str


def part(visit: Visit) -> Part:
    """What of a difference the address asks for."""
    page = visit.asked_number("p", most=_MOST_FILES // FILES_A_PAGE)
    return Part(page * FILES_A_PAGE, visit.request.query_params.get("file", ""), visit.asked("space") == "ignore")


def show(visit: Visit, repo: Repo, diff: Diff, part: Part, old: str | None, new: str, place: str) -> DiffView:
    """``old`` and ``new`` are the commits compared; ``place`` is the page's address without its query."""
    split = "split" if visit.asked("view") == "split" else ""
    space = "ignore" if part.ignore_whitespace else ""
    number = part.first // FILES_A_PAGE

    def address(p: int = 0, view: str = split, space: str = space, file: str = part.path) -> str:
        return addresses.with_query(place, p=p, view=view, space=space, file=file)

    blobs = [side.blob.sha256 for file in diff.files for side in (file.old, file.new) if side and side.blob]
    known = arrivals.find(visit.hub, repo, blobs)
    sides = _Sides(repo, old, new, known)
    tables, files, opened = Tables(visit.language, bool(split)), [], 0
    for index, file in enumerate(diff.files):
        lines = sum(len(hunk.lines) for hunk in file.hunks)
        is_open = bool(part.path) or (lines <= OPEN_LINES and opened + lines <= OPEN_LINES_IN_ALL)
        opened += lines if is_open else 0
        files.append(_file(f"f{part.first + index + 1}", file, tables, sides, is_open, address(file=file.path)))
    has_next = not part.path and part.first + len(files) < diff.total
    return DiffView(
        diff,
        tuple(files),
        part.path,
        bool(split),
        part.ignore_whitespace,
        address(number, view="" if split else "split"),
        address(number, space="" if space else "ignore"),
        address(file=""),
        address(number - 1) if number and not part.path else "",
        address(number + 1) if has_next else "",
    )


def _file(anchor: str, file: FileDiff, tables: Tables, sides: _Sides, is_open: bool, alone: str) -> FileView:
    renamed = file.old is not None and file.new is not None and file.old.path != file.new.path
    return FileView(
        anchor,
        file,
        visible_name(file.path),
        visible_name(file.old.path) if renamed and file.old else Markup(),
        tables.table(anchor, file) if file.hunks else Markup(),
        is_open,
        sides.before(file.old),
        sides.after(file.new),
        alone,
    )


@dataclass(frozen=True, slots=True)
class _Sides:
    repo: Repo
    old: str | None
    new: str
    known: Mapping[str, Arrival]

    def before(self, entry: Entry | None) -> Side | None:
        return self._side(entry, self.old) if entry and self.old else None

    def after(self, entry: Entry | None) -> Side | None:
        return self._side(entry, self.new) if entry else None

    def _side(self, entry: Entry, commit: str) -> Side:
        is_image = PurePosixPath(entry.path).suffix.lower() in IMAGES and 0 < entry.size <= MAX_IMAGE_BYTES
        picture = addresses.resolve(self.repo, commit, entry.path) if is_image else ""
        arrival = self.known.get(entry.blob.sha256) if entry.blob else None
        return Side(entry, arrival, addresses.blob(self.repo, commit, entry.path), picture)
