"""The commits of a branch, newest first, and one at a time."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.domain.repos import Repo
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.pages.repo_frame import frame, pages, ref_choice, revision
from openshelf.interfaces.web.visit import Visit
from openshelf.services import fetch, history

PAGE = 50
_MOST_PAGES = 2000


def show(visit: Visit, repo: Repo) -> Response:
    git, found = revision(visit, repo)
    number = visit.asked_number("p", most=_MOST_PAGES)
    commits = history.log(git, found.commit, offset=number * PAGE, limit=PAGE + 1)
    place = addresses.commits(repo, found.asked)
    return visit.page(
        "commits.html",
        **frame(visit, repo, "versions", found.asked),
        revision=found,
        refs=ref_choice(visit, repo),
        commits=commits[:PAGE],
        previous=addresses.with_query(place, p=number - 1) if number else "",
        next=addresses.with_query(place, p=number + 1) if len(commits) > PAGE else "",
    )


def show_commit(visit: Visit, repo: Repo) -> Response:
    git, found = revision(visit, repo)
    commit = history.one(git, found.commit)
    return visit.page("commit.html", **frame(visit, repo, "versions", found.asked), commit=commit)


def show_proposal(visit: Visit, repo: Repo) -> Response:
    """Where clients send people after they proposed a change: to its commits. Raises RevisionNotFound."""
    _git, found = fetch.revision(visit.hub, repo, f"refs/pr/{visit.part('number')}")
    return visit.redirect(addresses.commits(repo, found.asked))


routes = [
    *pages("/commits/{rev:segment}", show),
    *pages("/commit/{rev:segment}", show_commit),
    *pages("/discussions/{number:segment}", show_proposal),
]
