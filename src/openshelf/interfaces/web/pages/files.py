"""The folders of a revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import filterfalse
from operator import attrgetter
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import Response

from openshelf.analysis.cards import front_matter
from openshelf.domain.repos import Repo, Revision
from openshelf.domain.tree import CommitInfo, Entry
from openshelf.errors import EntryNotFound
from openshelf.interfaces.web import addresses, card
from openshelf.interfaces.web.pages.repo_frame import frame, pages, ref_choice, revision
from openshelf.interfaces.web.visit import Visit
from openshelf.services import arrivals, fetch, trees
from openshelf.services.arrivals import Arrival
from openshelf.services.sizes import readable_size
from openshelf.storage.repositories import GitRepository

PAGE = 250
MAX_LISTED = 100_000
_VIEWS = ("tree", "commits")
_MAX_README_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a folder: an entry, how it is kept, what changed it last, and what was stored when it came."""

    entry: Entry
    kept: str
    commit: CommitInfo | None
    arrival: Arrival | None
    address: str
    commit_address: str
    download: str
    download_label: str


def show_folder(visit: Visit, repo: Repo) -> Response:
    git, found = revision(visit, repo)
    path = visit.part("path").strip("/")
    entry = git.entry(found.commit, path)
    if not entry.is_folder:
        return visit.redirect(addresses.blob(repo, found.asked, path))
    entries, _more = trees.page(git, found.commit, path, limit=MAX_LISTED)
    # Git has them in order already, but for folders among files.
    entries = sorted(filter(_is_folder, entries), key=_path) + list(filterfalse(_is_folder, entries))
    number = visit.asked_number("p", most=MAX_LISTED // PAGE)
    here = entries[number * PAGE : (number + 1) * PAGE]
    visit.check_page(number, here)
    commits = trees.last_commits(git, found.commit, here)
    known = arrivals.find(visit.hub, repo, [entry.blob.sha256 for entry in here if entry.blob])
    place = addresses.tree(repo, found.asked, path)
    rows = rows_of(visit, repo, found.asked, path, here, commits, known)
    return visit.page(
        "tree.html",
        **frame(visit, repo, "files", found.asked),
        revision=found,
        refs=ref_choice(visit, repo),
        folder=path,
        crumbs=list(crumbs_of(repo, found.asked, path)),
        parent=addresses.tree(repo, found.asked, path.rpartition("/")[0]) if path else "",
        rows=rows,
        says_stored=any(row.arrival and row.arrival.percent is not None for row in rows),
        saved=None if path else arrivals.saved(visit.hub, repo),
        readme=_readme(repo, git, found, path),
        total=len(entries),
        first=number * PAGE,
        base_url=visit.base_url,
        previous=addresses.with_query(place, p=number - 1) if number else "",
        next=addresses.with_query(place, p=number + 1) if len(entries) > (number + 1) * PAGE else "",
    )


_is_folder, _path = attrgetter("is_folder"), attrgetter("path")


def rows_of(
    visit: Visit,
    repo: Repo,
    asked: str,
    folder: str,
    entries: Sequence[Entry],
    commits: Mapping[str, CommitInfo],
    known: Mapping[str, Arrival],
) -> list[Row]:
    """A page has hundreds, so what they share is worked out once."""
    tree, blob, resolve = (f"{of(repo, asked, folder)}/" for of in (addresses.tree, addresses.blob, addresses.resolve))
    of_commits = {found.id: addresses.commit(repo, found.id) for found in commits.values()}
    _ = visit.gettext
    label = _("Download %(name)s, %(size)s")
    rows = []
    for entry in entries:
        commit = commits.get(entry.path)
        arrival = known.get(entry.blob.sha256) if entry.blob else None
        kept = "" if entry.blob is None else "Xet" if arrival and arrival.is_chunked else "LFS"
        name = quote(entry.name, safe="")
        rows.append(
            Row(
                entry,
                kept,
                commit,
                arrival,
                (tree if entry.is_folder else blob) + name,
                of_commits[commit.id] if commit else "",
                "" if entry.is_folder else f"{resolve}{name}?download=true",
                "" if entry.is_folder else label % {"name": entry.name, "size": readable_size(entry.size)},
            )
        )
    return rows


def _readme(repo: Repo, git: GitRepository, found: Revision, folder: str) -> Markup:
    """What a folder says of itself. The card of the default branch has a page of its own."""
    if not folder and found.commit == repo.head:
        return Markup()
    path = f"{folder}/{card.FILE}" if folder else card.FILE
    content = git.read_path(found.commit, path, _MAX_README_BYTES)
    return card.render(repo, front_matter.split(content).body, found.asked, folder) if content else Markup()


def choose_revision(visit: Visit, repo: Repo) -> Response:
    """Where the form of branches and tags leads. Raises RevisionNotFound."""
    view = visit.asked("view") if visit.asked("view") in _VIEWS else "tree"
    asked, path = visit.asked("rev", "main"), visit.asked("path").strip("/")
    git, found = fetch.revision(visit.hub, repo, asked)
    if view == "commits":
        return visit.redirect(addresses.commits(repo, found.asked, path))
    try:
        git.entry(found.commit, path)
    except EntryNotFound:
        path = ""
    return visit.redirect(addresses.tree(repo, found.asked, path))


def crumbs_of(repo: Repo, asked: str, path: str) -> Iterator[tuple[str, str]]:
    """Name and address of each folder above ``path``, and of itself."""
    parts = path.split("/") if path else []
    for depth, name in enumerate(parts, 1):
        yield name, addresses.tree(repo, asked, "/".join(parts[:depth]))


routes = [
    *pages("/tree/{rev:segment}", show_folder),
    *pages("/tree/{rev:segment}/{path:rest}", show_folder),
    *pages("/revision", choose_revision),
]
