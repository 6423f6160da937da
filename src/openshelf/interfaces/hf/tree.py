"""Files and folders of a revision."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import parse_qsl

from anyio import to_thread
from fastapi import Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.names import RepoKind
from openshelf.domain.tree import Entry
from openshelf.errors import Invalid, TooLarge
from openshelf.interfaces.hf.addresses import next_link, read_cursor, repo_of, write_cursor
from openshelf.interfaces.hf.payload import Json, entry_json
from openshelf.interfaces.hf.routes import MAX_BODY_BYTES, Cursor, Kind, Limit, Name, Owner, Rev, hub_router
from openshelf.interfaces.http.bodies import read_body
from openshelf.services import fetch, trees
from openshelf.services.hub import Hub
from openshelf.storage.repositories import GitRepository
from openshelf.xet.hashes import to_hex

router = hub_router("Files")

PAGE, EXPANDED_PAGE = 1000, 100
MAX_PATHS = 10_000
_TREE = "/api/{kind:kind}/{owner:segment}/{name:segment}/tree/{rev:segment}"

Recursive = Annotated[bool, Query(description="Also list what is in the folders.")]
Expand = Annotated[bool, Query(description="Also tell which commit changed each entry last.")]


@router.get(_TREE, summary="List the files of a revision")
def tree(
    request: Request,
    kind: Kind,
    owner: Owner,
    name: Name,
    rev: Rev,
    recursive: Recursive = False,
    expand: Expand = False,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response:
    return _tree(request, kind, owner, name, rev, "", recursive, expand, limit, cursor)


@router.get(_TREE + "/{path:rest}", summary="List the files of a folder")
def tree_of_folder(
    request: Request,
    kind: Kind,
    owner: Owner,
    name: Name,
    rev: Rev,
    path: str,
    recursive: Recursive = False,
    expand: Expand = False,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response:
    return _tree(request, kind, owner, name, rev, path, recursive, expand, limit, cursor)


@router.post(
    "/api/{kind:kind}/{owner:segment}/{name:segment}/paths-info/{rev:segment}",
    summary="Look up some paths of a revision",
    openapi_extra={
        "requestBody": {
            "content": {
                "application/x-www-form-urlencoded": {"schema": {"type": "object"}},
                "application/json": {"schema": {"type": "object"}},
            }
        }
    },
)
async def paths_info(request: Request, kind: Kind, owner: Owner, name: Name, rev: Rev) -> Response:
    """``paths`` (repeatable) and ``expand``, as a form or as JSON. Paths that are not there are left out."""
    body = await read_body(request, MAX_BODY_BYTES)
    return await to_thread.run_sync(_paths_info, request, kind, owner, name, rev, body)


def _tree(
    request: Request,
    kind: RepoKind,
    owner: str,
    name: str,
    rev: str,
    path: str,
    recursive: bool,
    expand: bool,
    limit: int | None,
    cursor: str | None,
) -> Response:
    hub, _, repo = repo_of(request, kind, owner, name)
    after = None
    if cursor:
        # The whole listing is of one commit, whatever is pushed between two pages.
        place = read_cursor(cursor, {"commit": str, "after": str})
        rev, after = place["commit"], place["after"]
    git, revision = fetch.revision(hub, repo, rev)
    most = min(limit or PAGE, EXPANDED_PAGE if expand else PAGE)
    entries, more = trees.page(git, revision.commit, path.strip("/"), recursive=recursive, after=after, limit=most)
    headers = {"X-Repo-Commit": revision.commit}
    if more:
        place = {"commit": revision.commit, "after": entries[-1].path}
        headers |= next_link(request, cursor=write_cursor(place))
    return JSONResponse(_entries(hub, git, revision.commit, entries, expand=expand), headers=headers)


def _paths_info(request: Request, kind: RepoKind, owner: str, name: str, rev: str, body: bytes) -> Response:
    hub, _, repo = repo_of(request, kind, owner, name)
    paths, expand = _read_paths(request.headers.get("content-type", ""), body)
    git, revision = fetch.revision(hub, repo, rev)
    entries = trees.some(git, revision.commit, paths)
    return JSONResponse(_entries(hub, git, revision.commit, entries, expand=expand))


def _entries(hub: Hub, git: GitRepository, commit: str, entries: Sequence[Entry], *, expand: bool) -> list[Json]:
    hashes = fetch.xet_hashes(hub, entries)
    changed = trees.last_commits(git, commit, entries) if expand else {}
    answer = []
    for entry in entries:
        raw = hashes.get(entry.blob.sha256) if entry.blob else None
        answer.append(entry_json(entry, to_hex(raw) if raw else None, changed.get(entry.path)))
    return answer


def _read_paths(content_type: str, body: bytes) -> tuple[list[str], bool]:
    paths: Any
    expand: Any
    try:
        if content_type.startswith("application/json"):
            values = json.loads(body)
            paths, expand = values["paths"], values.get("expand", False)
            paths = [paths] if isinstance(paths, str) else paths
        else:
            pairs = parse_qsl(body.decode(), max_num_fields=MAX_PATHS + 10, keep_blank_values=True)
            paths = [value for key, value in pairs if key in ("paths", "paths[]")]
            expand = next((value for key, value in pairs if key == "expand"), False)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Invalid("Send `paths` and `expand` as a form or as JSON.") from None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise Invalid("`paths` must be a list of texts.")
    if len(paths) > MAX_PATHS:
        raise TooLarge(f"At most {MAX_PATHS} paths can be looked up at once; send fewer.")
    return paths, str(expand).lower() in ("true", "1")
