"""Repos: made, set up, renamed, deleted."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.access import Access
from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.repos import Repo, Visibility
from openshelf.errors import AlreadyExists, Invalid, Unsupported
from openshelf.interfaces.hf.addresses import repo_of, repo_url
from openshelf.interfaces.hf.routes import Kind, Name, Owner, hub_router
from openshelf.interfaces.http.errors import header_text
from openshelf.interfaces.http.requests import actor_of, base_url, hub_of
from openshelf.services import repos

router = hub_router("Repositories")

# What a Space needs to run somewhere; this hub keeps Spaces and does not run them.
_RUNNING = ("hardware", "storage", "sleepTimeSeconds", "secrets", "variables", "volumes", "template")
_ELSEWHERE = ("resourceGroupId", "region")


class NewRepo(BaseModel):
    """A repository to be made. Clients before 1.0 send ``private`` instead of ``visibility``."""

    name: str
    organization: str | None = None
    type: str | None = None
    visibility: str | None = None
    private: bool | None = None
    sdk: str | None = None
    hardware: Any = None
    storage: Any = None
    sleepTimeSeconds: Any = None
    secrets: Any = None
    variables: Any = None
    volumes: Any = None
    template: Any = None
    resourceGroupId: Any = None
    region: Any = None


class NamedRepo(BaseModel):
    name: str
    organization: str | None = None
    type: str | None = None


class Move(BaseModel):
    fromRepo: str
    toRepo: str
    type: str | None = None


class Changes(BaseModel):
    visibility: str | None = None
    private: bool | None = None
    gated: Literal["auto", "manual"] | bool | None = None


@router.post("/api/repos/create", summary="Make a repository")
def create(request: Request, body: NewRepo) -> Response:
    hub, actor = hub_of(request), actor_of(request)
    kind, (owner, name) = RepoKind.of(body.type), _names(body.name, body.organization)
    visibility = _visibility(body.visibility, body.private)
    try:
        repo = repos.create(hub, actor, kind, name, owner=owner, visibility=visibility, sdk=body.sdk)
    except AlreadyExists as error:
        url = f"{base_url(request)}/{kind.url_prefix}{error.name}"
        headers = {"X-Error-Message": header_text(error.message)}
        return JSONResponse({"error": error.message, "url": url}, 409, headers)
    answer = JSONResponse({"url": repo_url(request, repo), "name": repo.full_name, "id": repo.id})
    unused = [name for name in (*_RUNNING, *_ELSEWHERE) if getattr(body, name)]
    if unused:
        said = f"create; This hub runs no Spaces and has one place for all; not kept: {', '.join(unused)}."
        answer.headers["X-HF-Warning"] = said
    return answer


@router.delete("/api/repos/delete", summary="Delete a repository")
def delete(request: Request, body: NamedRepo) -> Response:
    hub, actor = hub_of(request), actor_of(request)
    owner, name = _names(body.name, body.organization)
    repos.delete(hub, actor, RepoKind.of(body.type), RepoId(owner or actor.name, name))
    return JSONResponse({})


@router.post("/api/repos/move", summary="Rename a repository, or hand it to another owner")
def move(request: Request, body: Move) -> Response:
    hub, actor = hub_of(request), actor_of(request)
    source, target = RepoId.parse(body.fromRepo), RepoId.parse(body.toRepo)
    repo = repos.move(hub, actor, RepoKind.of(body.type), source, target)
    return JSONResponse({"url": repo_url(request, repo)})


@router.put("/api/{kind:kind}/{owner:segment}/{name:segment}/settings", summary="Change the settings of a repository")
def change_settings(request: Request, kind: Kind, owner: Owner, name: Name, body: Changes) -> dict[str, Any]:
    hub, actor, repo = repo_of(request, kind, owner, name, Access.ADMIN)
    if body.gated:
        raise Unsupported("This hub has no gated repositories; make the repository private instead.")
    visibility = _visibility(body.visibility, body.private)
    if visibility is not None:
        repo = repos.set_visibility(hub, actor, repo, visibility)
    return _settings(repo)


def _settings(repo: Repo) -> dict[str, Any]:
    return {"private": repo.is_private, "visibility": repo.visibility.value, "gated": False}


def _names(name: str, organization: str | None) -> tuple[str | None, str]:
    """Owner, where one is given, and name; old clients write both into ``name``."""
    if "/" in name and not organization:
        repo_id = RepoId.parse(name)
        return repo_id.owner, repo_id.name
    return organization, name


def _visibility(word: str | None, private: bool | None) -> Visibility | None:
    if word is None:
        return None if private is None else Visibility.PRIVATE if private else Visibility.PUBLIC
    try:
        return Visibility(word)
    except ValueError:
        kinds = " or ".join(visibility.value for visibility in Visibility)
        raise Invalid(f"{word!r} is not a visibility that this hub offers; use {kinds}.") from None
