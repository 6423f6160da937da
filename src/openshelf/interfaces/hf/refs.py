"""Branches, tags and pull references."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.access import Access
from openshelf.interfaces.hf.addresses import repo_of
from openshelf.interfaces.hf.payload import ref_json
from openshelf.interfaces.hf.routes import Kind, Name, Owner, Rev, hub_router
from openshelf.services import refs

router = hub_router("References")

_REPO = "/api/{kind:kind}/{owner:segment}/{name:segment}"

Branch = Annotated[str, Path(description="The name of the branch, percent-encoded as one segment.")]


class NewBranch(BaseModel):
    startingPoint: str | None = None


class Squash(BaseModel):
    message: str


class NewTag(BaseModel):
    tag: str
    message: str | None = None


@router.get(_REPO + "/refs", summary="List branches and tags")
def list_refs(request: Request, kind: Kind, owner: Owner, name: Name, include_prs: bool = False) -> dict[str, Any]:
    hub, _, repo = repo_of(request, kind, owner, name)
    found = refs.every(hub, repo)

    def under(prefix: str) -> list[dict[str, Any]]:
        return [ref_json(ref) for ref in found if ref.name.startswith(prefix)]

    answer = {"branches": under("refs/heads/"), "converts": under("refs/convert/"), "tags": under("refs/tags/")}
    return answer | ({"pullRequests": under("refs/pr/")} if include_prs else {})


@router.post(_REPO + "/branch/{branch:segment}", summary="Make a branch")
def create_branch(
    request: Request, kind: Kind, owner: Owner, name: Name, branch: Branch, body: NewBranch | None = None
) -> Response:
    hub, actor, repo = repo_of(request, kind, owner, name, Access.WRITE)
    refs.create_branch(hub, actor, repo, branch, body.startingPoint if body else None)
    return JSONResponse({})


@router.delete(_REPO + "/branch/{branch:segment}", summary="Delete a branch")
def delete_branch(request: Request, kind: Kind, owner: Owner, name: Name, branch: Branch) -> Response:
    hub, actor, repo = repo_of(request, kind, owner, name, Access.WRITE)
    refs.delete_branch(hub, actor, repo, branch)
    return JSONResponse({})


@router.post(_REPO + "/tag/{rev:segment}", summary="Tag a revision")
def create_tag(request: Request, kind: Kind, owner: Owner, name: Name, rev: Rev, body: NewTag) -> Response:
    hub, actor, repo = repo_of(request, kind, owner, name, Access.WRITE)
    refs.create_tag(hub, actor, repo, body.tag, rev, body.message or "")
    return JSONResponse({})


@router.delete(_REPO + "/tag/{tag:segment}", summary="Delete a tag")
def delete_tag(request: Request, kind: Kind, owner: Owner, name: Name, tag: str) -> Response:
    hub, actor, repo = repo_of(request, kind, owner, name, Access.WRITE)
    refs.delete_tag(hub, actor, repo, tag)
    return JSONResponse({})


@router.post(_REPO + "/super-squash/{branch:segment}", summary="Replace the history of a branch by one commit")
def super_squash(request: Request, kind: Kind, owner: Owner, name: Name, branch: Branch, body: Squash) -> Response:
    hub, actor, repo = repo_of(request, kind, owner, name)
    return JSONResponse({"commitId": refs.squash(hub, actor, repo, branch, body.message)})
