"""How the JSON routes of the Hub protocol are made, and what their parameters look like."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.routing import APIRoute
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from openshelf.domain.names import RepoKind
from openshelf.interfaces.http import routing as _convertors  # noqa: F401 - the paths of all routes name them
from openshelf.interfaces.http.bodies import read_body

MAX_BODY_BYTES = 32 * 1024 * 1024

Kind = Annotated[
    RepoKind,
    WithJsonSchema({"type": "string", "enum": [kind.plural for kind in RepoKind]}),
    Path(description="The kind of repository."),
]
Owner = Annotated[str, Path(description="The user or organisation that owns the repository.")]
Name = Annotated[str, Path(description="The name of the repository, without its owner.")]
Rev = Annotated[str, Path(description="A branch, tag, pull reference or commit id, percent-encoded as one segment.")]
Limit = Annotated[int | None, Query(ge=1, description="The most that one page shall hold.")]
Cursor = Annotated[str | None, Query(description="Where the page begins; taken from the Link header of the last.")]


class HubRoute(APIRoute):
    """A JSON route that answers HEAD wherever it answers GET, and that takes bodies of a bounded size only."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(_as_get(scope))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await super().handle(_as_get(scope), receive, headers_only if is_head else send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            if self.body_field is None:
                return await answer(request)
            body = await read_body(request, MAX_BODY_BYTES)

            async def replay() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            return await answer(Request(request.scope, replay))

        return bounded


def hub_router(*tags: str) -> APIRouter:
    """A router of such routes, under these headings of the API description."""
    return APIRouter(route_class=HubRoute, tags=list(tags))


def _as_get(scope: Scope) -> Scope:
    if scope["type"] == "http" and scope["method"] == "HEAD":
        return {**scope, "method": "GET"}
    return scope
