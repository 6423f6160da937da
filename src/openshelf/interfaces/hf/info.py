"""What a repo is: its card, its files, its counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.names import RepoKind
from openshelf.domain.people import Actor
from openshelf.domain.repos import DEFAULT_BRANCH, Repo
from openshelf.errors import RepoNotFound
from openshelf.interfaces.hf.addresses import many, repo_of
from openshelf.interfaces.hf.payload import EXPANDABLE, Shown, check_expand, repo_json, sibling_json
from openshelf.interfaces.hf.routes import Kind, Name, Owner, Rev, hub_router
from openshelf.interfaces.http.requests import actor_of
from openshelf.services import downloads, fetch, lineage, trees
from openshelf.services.describe import describe_commit
from openshelf.services.hub import Hub
from openshelf.storage.repositories import GitRepository

router = hub_router("Repositories")
last_router = hub_router()

# Told only when asked for by name: most cost more than the rest together.
_ON_REQUEST = frozenset(("childrenModelCount", "downloadsAllTime", "mainSize", "xetEnabled"))


@router.get("/api/{kind:kind}/{owner:segment}/{name:segment}", summary="What a repository is")
def info(request: Request, kind: Kind, owner: Owner, name: Name, blobs: bool = False) -> Response:
    """``expand`` (repeatable) restricts the answer to some fields; ``blobs`` adds sizes and hashes of the files."""
    return _info(request, kind, owner, name, DEFAULT_BRANCH, blobs)


@router.get(
    "/api/{kind:kind}/{owner:segment}/{name:segment}/revision/{rev:segment}",
    summary="What a repository was at a revision",
)
def info_at(request: Request, kind: Kind, owner: Owner, name: Name, rev: Rev, blobs: bool = False) -> Response:
    return _info(request, kind, owner, name, rev, blobs)


@last_router.get("/api/{kind:kind}/{name:segment}", include_in_schema=False)
@last_router.get("/api/{kind:kind}/{name:segment}/revision/{rev:segment}", include_in_schema=False)
def info_without_owner(request: Request, name: str) -> Response:
    """Ids without an owner belong to huggingface.co alone."""
    actor_of(request)
    raise RepoNotFound(name)


def _info(request: Request, kind: RepoKind, owner: str, name: str, rev: str, blobs: bool) -> Response:
    hub, actor, repo = repo_of(request, kind, owner, name)
    expand = check_expand(kind, many(request, "expand"))
    git, revision = fetch.revision(hub, repo, rev)
    shown = shown_at(repo, git, revision.commit)
    names = expand or [field for field in EXPANDABLE[kind] if field not in _ON_REQUEST]
    found = look_up(hub, actor, repo, git, revision.commit, names, detailed=blobs)
    return JSONResponse(repo_json(shown, names, found))


def shown_at(repo: Repo, git: GitRepository, commit: str) -> Shown:
    """The repo with what is known of it at ``commit``."""
    if commit == repo.head:
        return Shown.head(repo)
    described = describe_commit(repo.kind, git, commit)
    return Shown(repo, commit, described.facts, described.tags)


def look_up(
    hub: Hub,
    actor: Actor,
    repo: Repo,
    git: GitRepository,
    commit: str,
    names: Iterable[str],
    *,
    detailed: bool = False,
) -> dict[str, Any]:
    """Those of the fields called ``names`` that are not part of the repo itself."""
    ways: dict[str, Callable[[], Any]] = {
        "siblings": lambda: [sibling_json(entry, detailed=detailed) for entry in trees.files(git, commit)],
        "downloadsAllTime": lambda: downloads.all_time(hub, repo),
        "mainSize": lambda: sum(entry.size for entry in trees.files(git, commit)),
        "childrenModelCount": lambda: lineage.children(hub, actor, repo),
    }
    return {name: ways[name]() for name in names if name in ways}
