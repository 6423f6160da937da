"""The commits of a branch, newest first."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.domain.repos import Repo
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.pages.repo_frame import frame, pages, ref_choice, revision
from openshelf.interfaces.web.visit import Visit
from openshelf.services import history

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


routes = pages("/commits/{rev:segment}", show)
