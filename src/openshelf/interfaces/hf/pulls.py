"""Pull requests, as far as clients need them to propose a change."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.pulls import Pull
from openshelf.domain.repos import Repo
from openshelf.domain.tree import CommitInfo
from openshelf.errors import Unsupported
from openshelf.interfaces.hf.addresses import repo_of, repo_url
from openshelf.interfaces.hf.payload import Json, moment
from openshelf.interfaces.hf.routes import Kind, Name, Owner, hub_router
from openshelf.services import pulls, push

router = hub_router("Pull requests")

PAGE = 25
_ALL = "/api/{kind:kind}/{owner:segment}/{name:segment}/discussions"
_ONE = _ALL + "/{num:segment}"
_LATER = "This hub has pull requests, and as yet no discussions, comments or merges of them through the API."

Number = Annotated[int, Path(ge=1, le=999_999_999, description="The number of the pull request.")]
PageIndex = Annotated[int, Query(ge=0, le=1_000_000)]


class NewDiscussion(BaseModel):
    title: str
    description: str = ""
    pullRequest: bool = False


@router.get(_ALL, summary="List pull requests")
def list_discussions(
    request: Request,
    kind: Kind,
    owner: Owner,
    name: Name,
    type: Literal["all", "discussion", "pull_request"] = "all",
    status: Literal["all", "open", "closed"] = "all",
    author: str = "",
    p: PageIndex = 0,
) -> dict[str, Any]:
    hub, _, repo = repo_of(request, kind, owner, name)
    if type == "discussion":
        return {"count": 0, "start": 0, "discussions": []}
    open_only = None if status == "all" else status == "open"
    found, count = pulls.page(hub, repo, open_only=open_only, author=author, limit=PAGE, offset=p * PAGE)
    return {"count": count, "start": p * PAGE, "discussions": [_pull_json(repo, pull) for pull in found]}


@router.post(_ALL, summary="Open a pull request")
def create_discussion(request: Request, kind: Kind, owner: Owner, name: Name, body: NewDiscussion) -> Response:
    """A draft without a commit of its own yet; commit to its reference ``refs/pr/N``."""
    hub, actor, repo = repo_of(request, kind, owner, name)
    if not body.pullRequest:
        raise Unsupported(_LATER)
    pull = push.open_pull(hub, actor, repo, body.title, body.description)
    url = f"{repo_url(request, repo)}/discussions/{pull.number}"
    return JSONResponse({**_pull_json(repo, pull), "pullRequest": True, "url": url})


@router.get(_ONE, summary="A pull request and what it would change")
def get_discussion(request: Request, kind: Kind, owner: Owner, name: Name, num: Number) -> Response:
    hub, _, repo = repo_of(request, kind, owner, name)
    pull = pulls.find(hub, repo, num)
    found = pulls.details(hub, repo, pull)
    answer = _pull_json(repo, pull) | {
        "changes": {"base": pull.base},
        "filesWithConflicts": found.conflicts,
        "diff": found.diff,
        "events": [_opening(repo, pull), *(_commit_event(commit) for commit in found.commits)],
    }
    return JSONResponse(answer)


@router.post(_ONE + "/{path:rest}", summary="Comment, rename, close or merge: not offered yet")
def change_discussion(request: Request, kind: Kind, owner: Owner, name: Name, num: Number) -> Response:
    hub, _, repo = repo_of(request, kind, owner, name)
    pulls.find(hub, repo, num)
    raise Unsupported(_LATER)


def _pull_json(repo: Repo, pull: Pull) -> Json:
    return {
        "num": pull.number,
        "title": pull.title,
        "status": pull.status.value,
        "author": {"name": pull.author},
        "createdAt": moment(pull.created_at),
        "isPullRequest": True,
        "repo": {"name": repo.full_name, "type": repo.kind.value},
    }


def _opening(repo: Repo, pull: Pull) -> Json:
    at, author = moment(pull.created_at), {"name": pull.author}
    text = {"raw": pull.description, "html": f"<p>{escape(pull.description)}</p>", "updatedAt": at, "author": author}
    return {
        "id": f"{repo.id}{pull.number:08x}",
        "type": "comment",
        "createdAt": at,
        "author": author,
        "data": {"edited": False, "hidden": False, "latest": text, "history": [text]},
    }


def _commit_event(commit: CommitInfo) -> Json:
    return {
        "id": commit.id,
        "type": "commit",
        "createdAt": moment(commit.date),
        "author": {"name": commit.author},
        "data": {"subject": commit.title, "oid": commit.id},
    }
