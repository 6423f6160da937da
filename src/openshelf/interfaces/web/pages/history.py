"""The commits of a branch or of one file, newest first, and one commit with what it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from starlette.responses import Response

from openshelf.domain.repos import Repo, Revision
from openshelf.domain.tree import CommitInfo
from openshelf.interfaces.web import addresses, diff_view
from openshelf.interfaces.web.pages.repo_frame import frame, pages, ref_choice, revision
from openshelf.interfaces.web.visible import visible_name
from openshelf.interfaces.web.visit import Visit
from openshelf.services import authors, differences, fetch, history
from openshelf.storage.repositories import GitRepository

PAGE = 50
_MOST_PAGES = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """A commit in a list. With the history of a file: its path there, the name before, and whether it went."""

    commit: CommitInfo
    author: str = ""
    path: str = ""
    was: str = ""
    is_gone: bool = False


def show(visit: Visit, repo: Repo) -> Response:
    git, found = revision(visit, repo)
    number = visit.asked_number("p", most=_MOST_PAGES)
    commits = history.log(git, found.commit, offset=number * PAGE, limit=PAGE + 1)
    visit.check_page(number, commits)
    place = addresses.commits(repo, found.asked)
    return visit.page(
        "commits.html",
        **frame(visit, repo, "versions", found.asked),
        revision=found,
        refs=ref_choice(visit, repo),
        file_path="",
        days=list(by_day(rows(visit, commits[:PAGE]))),
        newer=addresses.with_query(place, p=number - 1) if number else "",
        older=addresses.with_query(place, p=number + 1) if len(commits) > PAGE else "",
        further="",
    )


def show_path(visit: Visit, repo: Repo) -> Response:
    """The history of one file or folder. Where little changed it, only a piece of the past is looked at at once."""
    git, found = revision(visit, repo)
    asked = visit.part("path").strip("/")
    if not asked:
        return visit.redirect(addresses.commits(repo, found.asked))
    path = visit.request.query_params.get("was") or asked
    walked = visit.asked_number("walked", most=history.MAX_WALKED)
    seen = history.of_path(git, found.commit, path, walked=walked, limit=PAGE)
    who = authors.of_commits(visit.hub, [change.commit for change in seen.changes])
    made = [
        Row(change.commit, who.get(change.commit.id, ""), change.path, change.was, change.is_gone)
        for change in seen.changes
    ]
    place = addresses.commits(repo, found.asked, asked)
    following = {"walked": seen.walked, "was": seen.path if seen.path != asked else ""}
    return visit.page(
        "commits.html",
        **frame(visit, repo, "versions", found.asked),
        revision=found,
        refs=ref_choice(visit, repo),
        file_path=asked,
        path_name=visible_name(asked),
        entry=_entry(git, found, asked),
        days=list(by_day(made)),
        newer=place if walked else "",
        older="",
        further="" if seen.is_whole else addresses.with_query(place, **following),
        walked=seen.walked,
    )


def _entry(git: GitRepository, found: Revision, path: str) -> str:
    """What is at ``path`` now: "folder", "file", or nothing."""
    there = git.some_entries(found.commit, [path]).get(path)
    if there is None:
        return ""
    return "folder" if there.is_folder else "file"


def rows(visit: Visit, commits: Sequence[CommitInfo]) -> list[Row]:
    """Commits with those of their authors who have an account here."""
    who: Mapping[str, str] = authors.of_commits(visit.hub, commits)
    return [Row(commit, who.get(commit.id, "")) for commit in commits]


def by_day(found: Sequence[Row]) -> Iterator[tuple[CommitInfo, list[Row]]]:
    """Rows under the first commit of their day, in UTC."""
    for _, group in groupby(found, key=lambda row: row.commit.date.date()):
        together = list(group)
        yield together[0].commit, together


def show_commit(visit: Visit, repo: Repo) -> Response:
    git, found = revision(visit, repo)
    commit = history.one(git, found.commit)
    part = diff_view.part(visit)
    diff = differences.of_commit(git, commit, part)
    old = commit.parents[0] if commit.parents else None
    place = addresses.commit(repo, found.asked)
    return visit.page(
        "commit.html",
        **frame(visit, repo, "versions", found.asked),
        row=rows(visit, [commit])[0],
        commit=commit,
        view=diff_view.show(visit, repo, diff, part, old, commit.id, place),
    )


def show_proposal(visit: Visit, repo: Repo) -> Response:
    """Where clients send people after they proposed a change: to its commits. Raises RevisionNotFound."""
    _git, found = fetch.revision(visit.hub, repo, f"refs/pr/{visit.part('number')}")
    return visit.redirect(addresses.commits(repo, found.asked))


routes = [
    *pages("/commits/{rev:segment}", show),
    *pages("/commits/{rev:segment}/{path:rest}", show_path),
    *pages("/commit/{rev:segment}", show_commit),
    *pages("/discussions/{number:segment}", show_proposal),
]
