"""Finding the route of a request without trying every route of the hub in turn.

A route whose path holds words of its own, such as ``resolve``, can only match an address that has them as segments.
So only the routes of the words in an address are tried, in their order, beside those without words. Where none of them
matches, the router itself says what that means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastapi.routing import APIRouter
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send


class Dispatch:
    """Stands before a router that has all its routes, and hands it what it finds no route for."""

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._plain = router.middleware_stack
        self._routes = RouteIndex(router.routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("router", self._router)
            for route in self._routes.candidates(scope["path"]):
                match, more = route.matches(scope)
                if match is Match.FULL:
                    scope.update(more)
                    await route.handle(scope, receive, send)
                    return
        await self._plain(scope, receive, send)


class RouteIndex:
    """Routes by one word that an address must have as a segment, and those that need none."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = tuple(routes)
        self._by_word: dict[str, list[int]] = {}
        self._without: list[int] = []
        for number, route in enumerate(self._routes):
            word = _word(getattr(route, "path", ""))
            (self._by_word.setdefault(word, []) if word else self._without).append(number)

    def candidates(self, path: str) -> Iterable[BaseRoute]:
        """Every route that can match ``path``, and some that cannot, in their order."""
        found = {number for word in path.split("/") if word in self._by_word for number in self._by_word[word]}
        return (self._routes[number] for number in sorted(found.union(self._without)))


def _word(path: str) -> str:
    """The last segment that is written out; the first ones (``api``) tell less."""
    return next((part for part in reversed(path.split("/")) if part and "{" not in part), "")
