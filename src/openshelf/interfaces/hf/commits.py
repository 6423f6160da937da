"""The history of a revision."""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.tree import CommitInfo
from openshelf.interfaces.hf.addresses import many, next_link, repo_of
from openshelf.interfaces.hf.payload import Json, moment
from openshelf.interfaces.hf.routes import Kind, Limit, Name, Owner, Rev, hub_router
from openshelf.services import fetch, history

router = hub_router("Files")

PAGE, MAX_PAGE = 100, 500

PageIndex = Annotated[int, Query(ge=0, le=1_000_000, description="The number of the page; the first is 0.")]


@router.get("/api/{kind:kind}/{owner:segment}/{name:segment}/commits/{rev:segment}", summary="List commits")
def commits(
    request: Request, kind: Kind, owner: Owner, name: Name, rev: Rev, p: PageIndex = 0, limit: Limit = None
) -> Response:
    """Newest first. ``expand[]=formatted`` adds title and message as HTML."""
    hub, _, repo = repo_of(request, kind, owner, name)
    git, revision = fetch.revision(hub, repo, rev)
    most = min(limit or PAGE, MAX_PAGE)
    found = history.log(git, revision.commit, offset=p * most, limit=most + 1)
    formatted = "formatted" in many(request, "expand")
    headers = next_link(request, p=str(p + 1)) if len(found) > most else {}
    return JSONResponse([_commit_json(commit, formatted) for commit in found[:most]], headers=headers)


def _commit_json(commit: CommitInfo, formatted: bool) -> Json:
    body: Json = {
        "id": commit.id,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
        "date": moment(commit.date),
    }
    if formatted:
        body["formatted"] = {"title": escape(commit.title), "message": escape(commit.message)}
    return body
