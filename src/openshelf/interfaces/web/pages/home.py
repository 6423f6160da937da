"""The first page: what is new, and for those who are signed in how to add to it."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import accounts, repos

NEW = 12
MINE = 6


def show(visit: Visit) -> Response:
    if visit.actor.is_anonymous and accounts.is_new(visit.hub):
        return visit.redirect("/setup")
    mine = []
    if visit.actor.account:
        mine = repos.search_repos(visit.hub, visit.actor, owner=visit.actor.account.name, limit=MINE).repos
    new = repos.search_repos(visit.hub, visit.actor, limit=NEW).repos
    return visit.page("home.html", new=new, mine=mine, base_url=visit.base_url)


routes = [page("/", show)]
