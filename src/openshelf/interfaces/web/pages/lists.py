"""Lists of repos: of one kind, of all kinds by search, and of one owner."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from openshelf.domain.names import RESERVED_OWNERS, RepoKind
from openshelf.domain.people import AccountKind
from openshelf.errors import NotFound
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import accounts, organisations, repos

PAGE = 30
SORTS = {"updated": "lastModified", "created": "createdAt", "downloads": "downloads"}
_MOST_PAGES = 1000
_MOST_TAGS = 10
_MOST_PEOPLE = 6


def show_kind(visit: Visit) -> Response:
    return _list(visit, "list.html", visit.kind(), addresses.kind(visit.kind()), people=[])


def show_search(visit: Visit) -> Response:
    query = visit.asked("q")[:200]
    people = accounts.search(visit.hub, query, _MOST_PEOPLE) if query else []
    return _list(visit, "list.html", None, "/search", people=people)


def show_owner(visit: Visit) -> Response:
    if visit.part("owner").lower() in RESERVED_OWNERS:
        raise NotFound("There is nothing at this address.")
    owner = accounts.find(visit.hub, visit.part("owner"))
    if owner.name != visit.part("owner"):
        return visit.redirect(addresses.owner(owner.name), 307)
    is_organisation = owner.kind is AccountKind.ORGANISATION
    return _list(
        visit,
        "owner.html",
        None,
        addresses.owner(owner.name),
        owner_name=owner.name,
        owner=owner,
        members=accounts.members(visit.hub, owner) if is_organisation else [],
        memberships=[] if is_organisation else accounts.memberships(visit.hub, owner),
        runs_it=is_organisation and organisations.may_administer(visit.actor, owner),
        is_me=visit.actor.account is not None and visit.actor.account.id == owner.id,
    )


def _list(
    visit: Visit, template: str, kind: RepoKind | None, place: str, *, owner_name: str | None = None, **values: Any
) -> Response:
    query, tags = visit.asked("q")[:200], visit.request.query_params.getlist("tag")[:_MOST_TAGS]
    sort = visit.asked("sort", "updated")
    if sort not in SORTS:
        raise NotFound("Lists are sorted by updated, created or downloads.")
    number = visit.asked_number("p", most=_MOST_PAGES)
    found = repos.search_repos(
        visit.hub,
        visit.actor,
        kind=kind,
        query=query,
        owner=owner_name,
        tags=tags,
        sort=SORTS[sort],
        limit=PAGE,
        offset=number * PAGE,
    )
    asked = {"q": query, "tag": tags, "sort": "" if sort == "updated" else sort}
    without = {
        tag: addresses.with_query(place, **{**asked, "tag": [other for other in tags if other != tag]}) for tag in tags
    }
    return visit.page(
        template,
        kind=kind,
        place=place,
        query=query,
        tags=without,
        sort=sort,
        sorts=_sorts(visit),
        found=found.repos,
        total=found.total,
        number=number,
        is_filtered=bool(query or tags),
        previous=addresses.with_query(place, **asked, p=number - 1) if number else "",
        next=addresses.with_query(place, **asked, p=number + 1) if found.next_offset else "",
        base_url=visit.base_url,
        **values,
    )


def _sorts(visit: Visit) -> list[tuple[str, str]]:
    _ = visit.gettext
    return [("updated", _("Last change")), ("created", _("Newest")), ("downloads", _("Most downloads"))]


routes = [
    page("/{kind:kind}", show_kind),
    page("/search", show_search),
]
owner_routes = [page("/{owner:segment}", show_owner)]
