"""Lists of repos, and of their tags."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.facets import Facet
from openshelf.domain.names import RepoKind
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.interfaces.hf.addresses import many, next_link, read_cursor, split_commas, write_cursor
from openshelf.interfaces.hf.info import look_up
from openshelf.interfaces.hf.payload import EXPANDABLE, LISTED, Json, Shown, check_expand, repo_json
from openshelf.interfaces.hf.routes import Cursor, Kind, Limit, hub_router
from openshelf.interfaces.http.requests import actor_of, hub_of
from openshelf.services import listing
from openshelf.services.hub import Hub
from openshelf.services.listing import Filters

router = hub_router("Lists")

PAGE, DETAILED_PAGE = 1000, 100
# Fields that make the hub look into each repository of the page.
_COSTLY = frozenset(("siblings", "mainSize", "childrenModelCount"))
_UNSUPPORTED = ("linked",)
# Spaces are asked for by the models and datasets that they use.
_FACET_NAMES = {"models": Facet.BASE_MODEL, "datasets": Facet.DATASET}

Words = Annotated[list[str], Query(default_factory=list)]


@router.get("/api/{kind:kind}", summary="List repositories")
def list_repos(
    request: Request,
    kind: Kind,
    search: Words,
    filter: Words,
    apps: Words,
    inference_provider: Words,
    author: str | None = None,
    pipeline_tag: str | None = None,
    gated: bool | None = None,
    inference: str | None = None,
    num_parameters: str | None = None,
    sort: str = "lastModified",
    full: bool = False,
    cardData: bool = False,
    config: bool = False,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response:
    """Largest sort key first. ``filter`` takes tags, all of which must be there; ``expand`` chooses the fields.

    The facets of the pages narrow the list too: ``task``, ``library``, ``framework``, ``format``, ``license``,
    ``language``, ``size``, ``parameters``, ``base_model``, ``dataset``, ``owner``; several values of one are
    alternatives. ``num_parameters=min:6B,max:128B`` asks for models by size.
    """
    hub, actor = hub_of(request), actor_of(request)
    expand = check_expand(kind, many(request, "expand"))
    names = expand or _default_names(kind, full, cardData, config)
    filters = Filters(
        kind=kind,
        query=" ".join(search),
        owner=author or None,
        tags=(*split_commas(filter), *([pipeline_tag] if pipeline_tag else [])),
        apps=tuple(split_commas(apps)),
        gated=gated,
        inference=bool(inference or inference_provider),
        unsupported=tuple(name for name in _UNSUPPORTED if request.query_params.get(name)),
        facets=_facets(request, kind),
        parameters=listing.parameter_range(num_parameters) if num_parameters else None,
    )
    offset = read_cursor(cursor, {"offset": int})["offset"] if cursor else 0
    most = min(limit or PAGE, DETAILED_PAGE if _COSTLY & set(names) else PAGE)
    page = listing.find(hub, actor, filters, sort=sort, limit=most, offset=max(offset, 0))
    headers = {} if page.next_offset is None else next_link(request, cursor=write_cursor({"offset": page.next_offset}))
    return JSONResponse([_listed(hub, actor, repo, names) for repo in page.repos], headers=headers)


@router.get("/api/models-tags-by-type", summary="Tags of models")
def model_tags(request: Request) -> dict[str, Any]:
    return _tags_by_type(request, RepoKind.MODEL)


@router.get("/api/datasets-tags-by-type", summary="Tags of datasets")
def dataset_tags(request: Request) -> dict[str, Any]:
    return _tags_by_type(request, RepoKind.DATASET)


def _facets(request: Request, kind: RepoKind) -> dict[Facet, list[str]]:
    wanted = {facet: split_commas(many(request, facet.value)) for facet in Facet}
    if kind is RepoKind.SPACE:
        for name, facet in _FACET_NAMES.items():
            wanted[facet] += split_commas(many(request, name))
    return {facet: values for facet, values in wanted.items() if values}


def _default_names(kind: RepoKind, full: bool, card: bool, config: bool) -> tuple[str, ...]:
    more = ["siblings"] if full else []
    if card or (full and kind is not RepoKind.MODEL):
        more.append("cardData")
    if config:
        more.append("config")
    return (*LISTED[kind], *(name for name in more if name in EXPANDABLE[kind]))


def _listed(hub: Hub, actor: Actor, repo: Repo, names: tuple[str, ...]) -> Json:
    found = {}
    if repo.head and (_COSTLY | {"downloadsAllTime"}) & set(names):
        git = hub.storage.repositories.open(repo.id)
        found = look_up(hub, actor, repo, git, repo.head, names)
    return repo_json(Shown.head(repo), names, found)


def _tags_by_type(request: Request, kind: RepoKind) -> dict[str, Any]:
    by_type: dict[str, list[Json]] = defaultdict(list)
    for tag in listing.tags(hub_of(request), actor_of(request), kind):
        prefix, colon, rest = tag.partition(":")
        kind_of_tag, label = (prefix, rest) if colon else ("other", tag)
        by_type[kind_of_tag].append({"id": tag, "label": label, "type": kind_of_tag})
    return by_type
