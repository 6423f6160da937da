"""The folders of a revision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import Response

from openshelf.domain.repos import Repo
from openshelf.domain.tree import CommitInfo, Entry
from openshelf.errors import EntryNotFound
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.pages.repo_frame import frame, pages, ref_choice, revision
from openshelf.interfaces.web.visit import Visit
from openshelf.services import fetch, trees

PAGE = 500
MAX_LISTED = 100_000
_VIEWS = ("tree", "commits")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a folder: an entry, how it is kept, and what changed it last."""

    entry: Entry
    kept: str
    commit: CommitInfo | None


def show_folder(visit: Visit, repo: Repo) -> Response:
    git, found = revision(visit, repo)
    path = visit.part("path").strip("/")
    entry = git.entry(found.commit, path)
    if not entry.is_folder:
        return visit.redirect(addresses.blob(repo, found.asked, path))
    entries, _more = trees.page(git, found.commit, path, limit=MAX_LISTED)
    entries = sorted(entries, key=lambda entry: (not entry.is_folder, entry.name))
    number = visit.asked_number("p", most=MAX_LISTED // PAGE)
    here = entries[number * PAGE : (number + 1) * PAGE]
    commits = trees.last_commits(git, found.commit, here)
    xet = fetch.xet_hashes(visit.hub, here)
    place = addresses.tree(repo, found.asked, path)
    return visit.page(
        "tree.html",
        **frame(visit, repo, "files", found.asked),
        revision=found,
        refs=ref_choice(visit, repo),
        folder=path,
        crumbs=list(crumbs_of(repo, found.asked, path)),
        parent=addresses.tree(repo, found.asked, path.rpartition("/")[0]) if path else "",
        rows=[Row(entry, kept_as(entry, xet), commits.get(entry.path)) for entry in here],
        total=len(entries),
        first=number * PAGE,
        base_url=visit.base_url,
        previous=addresses.with_query(place, p=number - 1) if number else "",
        next=addresses.with_query(place, p=number + 1) if len(entries) > (number + 1) * PAGE else "",
    )


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


def kept_as(entry: Entry, xet: dict[str, bytes]) -> str:
    """How the bytes of a file are kept, in one word; empty for files in git itself."""
    if entry.blob is None:
        return ""
    return "Xet" if entry.blob.sha256 in xet else "LFS"


routes = [
    *pages("/tree/{rev:segment}", show_folder),
    *pages("/tree/{rev:segment}/{path:rest}", show_folder),
    *pages("/revision", choose_revision),
]
