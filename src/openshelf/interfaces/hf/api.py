"""All routes of the Hub protocol, in the order in which they are tried."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from openshelf.errors import NotFound
from openshelf.interfaces.hf import cards, commit, commits, identity, info, preupload, refs, repos, resolve, tree

_ROUTERS = (
    info.router,
    tree.router,
    preupload.router,
    commit.router,
    cards.router,
    refs.router,
    commits.router,
    repos.router,
    identity.router,
)

routes: list[BaseRoute] = [*resolve.routes, *(route for router in _ROUTERS for route in router.routes)]

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def nothing_here(_request: Request) -> Response:
    """What the Hub protocol has and this hub does not, or nobody has."""
    raise NotFound("There is nothing at this address of the API; its description is at /openapi.json.")


# Addresses without an owner; they match so much that every other route of an API comes before them.
last_routes: list[BaseRoute] = [
    *info.last_router.routes,
    *resolve.last_routes,
    Route("/api/{path:rest}", nothing_here, methods=_METHODS),
]
