"""Lists of repos: of one kind, of all kinds by search, and of one owner."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from openshelf.domain.facets import Facet
from openshelf.domain.names import RESERVED_OWNERS, RepoKind
from openshelf.domain.people import AccountKind
from openshelf.errors import InvalidName, NotFound
from openshelf.interfaces.web import addresses, facet_links
from openshelf.interfaces.web.facet_links import Question
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import accounts, organisations, repos

PAGE = 30
SORTS = {"updated": "lastModified", "created": "createdAt", "downloads": "downloads", "name": "name", "size": "size"}
_MOST_PAGES = 300
_MOST_CHOSEN = 12
_MOST_PEOPLE = 6
_EVERY_VALUE = 300


def show_kind(visit: Visit) -> Response:
    return _list(visit, "list.html", addresses.kind(visit.kind()), visit.kind(), people=[])


def show_search(visit: Visit) -> Response:
    query = visit.asked("q")[:200]
    people = accounts.search(visit.hub, query, _MOST_PEOPLE) if query else []
    return _list(visit, "list.html", "/search", people=people)


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
        addresses.owner(owner.name),
        owner_name=owner.name,
        owner=owner,
        members=accounts.members(visit.hub, owner) if is_organisation else [],
        memberships=[] if is_organisation else accounts.memberships(visit.hub, owner),
        runs_it=is_organisation and organisations.may_administer(visit.actor, owner),
        is_me=visit.actor.account is not None and visit.actor.account.id == owner.id,
    )


def _list(
    visit: Visit,
    template: str,
    place: str,
    fixed_kind: RepoKind | None = None,
    *,
    owner_name: str | None = None,
    **values: Any,
) -> Response:
    asked = _question(visit, place, fixed_kind, owner_name)
    number = visit.asked_number("p", most=_MOST_PAGES)
    expanded = visit.asked("all")
    shown = [facet for facet in asked.facets() if not expanded or facet.value == expanded]
    if expanded and not shown:
        raise NotFound(f"This list has no facet called {expanded[:50]!r}.")
    found = repos.search_repos(
        visit.hub,
        visit.actor,
        **asked.filters(),
        sort=SORTS[asked.sort],
        limit=0 if expanded else PAGE,
        offset=number * PAGE,
        count=shown,
        shown=_EVERY_VALUE if expanded else facet_links.SHOWN + 1,
        kinds=fixed_kind is None,
    )
    if found.total:
        visit.check_page(number, found.repos or shown[: bool(expanded)])
    return visit.page(
        template,
        kind=fixed_kind,
        place=place,
        query=asked.query,
        asked=asked,
        sorts=_sorts(visit),
        found=found.repos,
        total=found.total,
        is_capped=found.is_capped,
        first=number * PAGE + 1,
        number=number,
        facets=facet_links.facets(visit, asked, found.counts, everything=bool(expanded)),
        expanded=Facet(expanded) if expanded else None,
        chosen=facet_links.chosen(visit, asked),
        by_kind=_by_kind(asked, found),
        ways_out=facet_links.ways_out(visit, asked) if asked.is_filtered and not found.total else [],
        previous=asked.address(p=number - 1) if number else "",
        next=asked.address(p=number + 1) if found.next_offset and number < _MOST_PAGES else "",
        base_url=visit.base_url,
        **values,
    )


def _question(visit: Visit, place: str, fixed_kind: RepoKind | None, owner_name: str | None) -> Question:
    sort = visit.asked("sort") or "updated"
    if sort not in SORTS:
        raise NotFound(f"Lists are sorted by {', '.join(SORTS)}.")
    query = visit.request.query_params
    try:
        kind = fixed_kind or (RepoKind.of(visit.asked("kind")) if visit.asked("kind") else None)
    except InvalidName as error:
        raise NotFound(error.message) from None
    picked = {facet: _texts(query.getlist(facet.value)) for facet in Facet}
    return Question(
        place,
        fixed_kind,
        kind,
        owner_name,
        " ".join(visit.asked("q")[:200].split()),
        tuple(_texts(query.getlist("tag"))),
        {facet: tuple(texts) for facet, texts in picked.items() if texts},
        sort,
    )


def _texts(values: list[str]) -> list[str]:
    return list(dict.fromkeys(value.strip()[:200] for value in values if value.strip()))[:_MOST_CHOSEN]


def _by_kind(asked: Question, found: repos.Page) -> list[tuple[RepoKind, int, str, bool]]:
    """Each kind that has something, with how much, where that is alone, and whether it is shown now."""
    return [
        (kind, total, asked.address(kind="" if kind is asked.kind else kind.value), kind is asked.kind)
        for kind, total in found.by_kind.items()
        if total or kind is asked.kind
    ]


def _sorts(visit: Visit) -> list[tuple[str, str]]:
    _ = visit.gettext
    return [
        ("updated", _("Last change")),
        ("created", _("Newest")),
        ("downloads", _("Most downloads")),
        ("name", _("Name")),
        ("size", _("Largest")),
    ]


routes = [
    page("/{kind:kind}", show_kind),
    page("/search", show_search),
]
owner_routes = [page("/{owner:segment}", show_owner)]
