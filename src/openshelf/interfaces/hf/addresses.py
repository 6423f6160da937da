"""Addresses of repos and of the next page; repos that were renamed answer with their new one."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from openshelf.domain.access import Access
from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.errors import Invalid
from openshelf.interfaces.http import requests
from openshelf.interfaces.http.requests import base_url, hub_of
from openshelf.services.hub import Hub

_REDIRECTED = ("GET", "HEAD", "POST")
_MAX_CURSOR = 16_384


class Moved(Exception):
    """The repo that a request names is called otherwise now; ``location`` is the same address with its new name."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


def moved_response(_request: Request, moved: Exception) -> Response:
    """A temporary redirect (307), which keeps method and body."""
    assert isinstance(moved, Moved)
    return Response(status_code=307, headers={"Location": moved.location})


def repo_of(
    request: Request, kind: RepoKind, owner: str, name: str, need: Access = Access.READ
) -> tuple[Hub, Actor, Repo]:
    """Like ``http.requests.repo_of``, but raises Moved where the repo has another name by now."""
    hub, actor, repo = requests.repo_of(request, kind, owner, name, need)
    check_name(request, RepoId(owner, name), repo)
    return hub, actor, repo


def check_name(request: Request, asked: RepoId, repo: Repo) -> None:
    """Raises Moved where ``repo``, which the actor may read, was asked for by a former name."""
    if asked.key == repo.repo_id.key or request.method not in _REDIRECTED:
        return
    parts = str(request.scope["path"]).split("/")
    for index in range(len(parts) - 1):
        if unquote(parts[index]) == asked.owner and unquote(parts[index + 1]) == asked.name:
            parts[index : index + 2] = [quote(repo.owner, safe=""), quote(repo.name, safe="")]
            break
    query = request.url.query
    prefix = urlsplit(hub_of(request).settings.public_url).path.rstrip("/")
    raise Moved(prefix + "/".join(parts) + (f"?{query}" if query else ""))


def repo_url(request: Request, repo: Repo) -> str:
    """The page of a repo, on the host that the client used."""
    return f"{base_url(request)}/{repo.url_path}"


def next_link(request: Request, **changes: str) -> dict[str, str]:
    """The header that leads to the next page: this address with ``changes`` in its query (RFC 8288)."""
    kept = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] not in changes]
    query = urlencode([*kept, *changes.items()])
    return {"Link": f'<{base_url(request)}{request.scope["path"]}?{query}>; rel="next"'}


def write_cursor(values: Mapping[str, Any]) -> str:
    """A place in a list as one opaque word."""
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).rstrip(b"=").decode()


def read_cursor(cursor: str, types: Mapping[str, type]) -> dict[str, Any]:
    """What ``write_cursor`` was given. Raises Invalid for anything else."""
    try:
        if len(cursor) > _MAX_CURSOR:
            raise ValueError
        values = json.loads(base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_"))
        if not isinstance(values, dict) or any(type(values.get(name)) is not kind for name, kind in types.items()):
            raise ValueError
    except (ValueError, binascii.Error, RecursionError):
        raise Invalid("This cursor is not one of this hub's; begin again without one.") from None
    return values


def many(request: Request, name: str) -> list[str]:
    """All values of a query parameter that may be repeated, in both spellings: ``name`` and ``name[]``."""
    query = request.query_params
    return [value for value in (*query.getlist(name), *query.getlist(f"{name}[]")) if value]


def split_commas(values: Iterable[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
