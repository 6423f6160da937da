"""What to send how, before a commit."""

from __future__ import annotations

import base64
import binascii

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.errors import Invalid
from openshelf.interfaces.hf.addresses import repo_of
from openshelf.interfaces.hf.routes import Kind, Name, Owner, Rev, hub_router
from openshelf.services import push

router = hub_router("Commits")

# Clients send 256 files at once; the bound is for those that do not.
MAX_FILES = 10_000
_MAX_SAMPLE = 4096


class Planned(BaseModel):
    """A file to be sent: its size in bytes and, in base64, its first bytes."""

    path: str
    size: int = Field(ge=0)
    sample: str = ""


class Plan(BaseModel):
    files: list[Planned] = Field(max_length=MAX_FILES)
    gitIgnore: str | None = None


@router.post(
    "/api/{kind:kind}/{owner:segment}/{name:segment}/preupload/{rev:segment}",
    summary="Ask how to send files before a commit",
)
def preupload(
    request: Request, kind: Kind, owner: Owner, name: Name, rev: Rev, body: Plan, create_pr: bool = False
) -> Response:
    hub, actor, repo = repo_of(request, kind, owner, name)
    push.check_may_commit(hub, actor, repo, rev, propose=create_pr)
    files = [push.PlannedFile(file.path, file.size, _sample(file)) for file in body.files]
    modes = push.plan_upload(hub, repo, rev, files, body.gitIgnore)
    answer = [
        {"path": mode.path, "uploadMode": mode.mode, "shouldIgnore": mode.ignore, "oid": mode.etag} for mode in modes
    ]
    return JSONResponse({"files": answer})


def _sample(file: Planned) -> bytes:
    try:
        return base64.b64decode(file.sample, validate=True)[:_MAX_SAMPLE]
    except (binascii.Error, ValueError):
        raise Invalid(f"The sample of {file.path} is not base64.") from None
