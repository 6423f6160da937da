"""Addresses with encoded slashes.

Clients write a revision such as ``refs/pr/1`` as one segment, ``refs%2Fpr%2F1``. Routes therefore match the address
as it was sent, and each parameter is decoded by itself: ``{rev:segment}`` takes one segment, ``{path:rest}`` all
that follows; ``{owner:owner}`` one segment that is not the word for a kind of repo.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

from openshelf.domain.names import RepoKind


class _Segment(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


class _Owner(_Segment):
    # Without this, a dataset called "edit" would be taken for a page of a model that "datasets" owns.
    regex = "(?!(?:models|datasets|spaces|kernels)/)[^/]+"


class _Rest(Convertor[str]):
    regex = ".*"

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        return quote(value, safe="/")


class _Kind(Convertor[RepoKind]):
    regex = "models|datasets|spaces|kernels"

    def convert(self, value: str) -> RepoKind:
        return RepoKind.of(value)

    def to_string(self, value: RepoKind) -> str:
        return value.plural


register_url_convertor("segment", _Segment())
register_url_convertor("owner", _Owner())
register_url_convertor("rest", _Rest())
register_url_convertor("kind", _Kind())


class RawPaths:
    """Makes routing see the path as it was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
            scope = {**scope, "path": raw.split(b"?")[0].decode("ascii", "replace")}
        await self.app(scope, receive, send)
