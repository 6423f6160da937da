"""Commits."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.names import RepoKind
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.errors import BlobNotFound, InvalidChange
from openshelf.interfaces.hf.addresses import repo_url
from openshelf.interfaces.hf.commit_body import CommitBody
from openshelf.interfaces.hf.routes import Kind, Name, Owner, Rev, hub_router
from openshelf.interfaces.http.bodies import receive_into
from openshelf.interfaces.http.requests import repo_of
from openshelf.services import push
from openshelf.services.hub import Hub

router = hub_router("Commits")

_FORMAT = "A header, then one change a line: file, lfsFile, deletedFile or deletedFolder."


@router.post(
    "/api/{kind:kind}/{owner:segment}/{name:segment}/commit/{rev:segment}",
    summary="Make a commit",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/x-ndjson": {"schema": {"type": "string", "description": _FORMAT}}},
        }
    },
)
async def commit(request: Request, kind: Kind, owner: Owner, name: Name, rev: Rev, create_pr: bool = False) -> Response:
    """With ``create_pr`` the commit opens a pull request against ``rev``. A former name of the repo does as well."""
    hub, actor, repo = await to_thread.run_sync(_check, request, kind, owner, name, rev, create_pr)
    body = CommitBody(push.inline_store(hub, repo), hub.settings.max_inline_bytes, push.MAX_CHANGES)
    await receive_into(request, body, hub.settings.max_commit_bytes)
    return await to_thread.run_sync(_commit, request, hub, actor, repo, rev, body, create_pr)


def _check(
    request: Request, kind: RepoKind, owner: str, name: str, rev: str, create_pr: bool
) -> tuple[Hub, Actor, Repo]:
    hub, actor, repo = repo_of(request, kind, owner, name)
    push.check_may_commit(hub, actor, repo, rev, propose=create_pr)
    return hub, actor, repo


def _commit(
    request: Request, hub: Hub, actor: Actor, repo: Repo, rev: str, body: CommitBody, create_pr: bool
) -> Response:
    body.finish()
    try:
        done = push.commit(
            hub, actor, repo, rev, body.changes, body.title, body.description, parent=body.parent, propose=create_pr
        )
    except BlobNotFound as error:
        # Not the address is missing, as a 404 would say, but an upload before this request.
        raise InvalidChange(error.message) from error
    url = repo_url(request, repo)
    answer = {
        "success": True,
        "commitOid": done.commit,
        "commitUrl": f"{url}/commit/{done.commit}",
        "hookOutput": "",
    }
    if done.pull:
        answer["pullRequestUrl"] = f"{url}/discussions/{done.pull.number}"
    return JSONResponse(answer)
