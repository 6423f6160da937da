"""All routes of the Hub protocol, in the order in which they are tried."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from openshelf.errors import NotFound
from openshelf.interfaces.hf import (
    accounts,
    cards,
    commit,
    commits,
    identity,
    info,
    listing,
    preupload,
    pulls,
    refs,
    repos,
    resolve,
    spaces,
    tree,
)

_ROUTERS = (
    info.router,
    tree.router,
    preupload.router,
    commit.router,
    cards.router,
    refs.router,
    commits.router,
    repos.router,
    pulls.router,
    spaces.router,
    listing.router,
    accounts.router,
    identity.router,
)


def telemetry(_request: Request) -> Response:
    """What clients tell of themselves is not kept."""
    return Response(status_code=204)


def nothing_here(_request: Request) -> Response:
    """What the Hub protocol has and this hub does not, or nobody has."""
    raise NotFound("There is nothing at this address of the API; its description is at /openapi.json.")


routes: list[BaseRoute] = [
    *resolve.routes,
    *(route for router in _ROUTERS for route in router.routes),
    Route("/api/telemetry/{path:rest}", telemetry),
]

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

# Addresses without an owner; they match so much that every other route of an API comes before them.
last_routes: list[BaseRoute] = [
    *info.last_router.routes,
    *resolve.last_routes,
    Route("/api/{path:rest}", nothing_here, methods=_METHODS),
]
