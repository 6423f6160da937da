"""The first page: search, what is new of each kind, and for those who are signed in what is theirs."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import accounts, repos

RECENT = 6
NEWEST = 6
MINE = 6


@dataclass(frozen=True, slots=True)
class Shelf:
    """One kind: how many repos of it the visitor may read, and those changed last."""

    kind: RepoKind
    total: int
    recent: list[Repo]


def show(visit: Visit) -> Response:
    if visit.actor.is_anonymous and accounts.is_new(visit.hub):
        return visit.redirect("/setup")
    hub, actor, account = visit.hub, visit.actor, visit.actor.account
    shelves = []
    for kind in RepoKind:
        found = repos.search_repos(hub, actor, kind=kind, limit=RECENT)
        if found.total:
            shelves.append(Shelf(kind, found.total, found.repos))
    newest = repos.search_repos(hub, actor, sort="createdAt", limit=NEWEST).repos if shelves else []
    mine = repos.search_repos(hub, actor, owner=account.name, limit=MINE).repos if account else []
    return visit.page(
        "home.html",
        shelves=shelves,
        newest=newest,
        mine=mine,
        organisations=sorted(actor.organisations.values(), key=str.lower),
        base_url=visit.base_url,
    )


routes = [page("/", show)]
