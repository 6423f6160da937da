"""Where the hub gives out tokens for its Xet store.

Python clients read the headers of the answer, the Xet library reads its body.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from openshelf.interfaces.hf.routes import Kind, Name, Owner, Rev, hub_router
from openshelf.interfaces.http.requests import base_url, repo_of
from openshelf.services import xet_access
from openshelf.services.xet_access import XetToken

router = hub_router("Xet")

_REPO = "/api/{kind:kind}/{owner:segment}/{name:segment}"
# What clients send for the revision when their commit shall open a pull request.
_NO_REVISION = "None"

CreatePr = Annotated[bool, Query(description="Whether the upload is for a new pull request.")]


class TokenAnswer(BaseModel):
    """Where the store is, a token for it, and when that ends in seconds since 1970."""

    model_config = ConfigDict(populate_by_name=True)

    cas_url: str = Field(serialization_alias="casUrl")
    access_token: str = Field(serialization_alias="accessToken")
    exp: int


@router.get(f"{_REPO}/xet-read-token/{{rev:segment}}", response_model=TokenAnswer, summary="A token to download with")
def read_token_for(request: Request, response: Response, kind: Kind, owner: Owner, name: Name, rev: Rev) -> TokenAnswer:
    """The token is for the repository; the revision makes no difference."""
    return read_token(request, response, kind, owner, name)


@router.get(f"{_REPO}/xet-read-token", response_model=TokenAnswer, summary="A token to download with")
def read_token(request: Request, response: Response, kind: Kind, owner: Owner, name: Name) -> TokenAnswer:
    hub, actor, repo = repo_of(request, kind, owner, name)
    return _answer(request, response, xet_access.issue_read(hub, actor, repo))


@router.get(f"{_REPO}/xet-write-token/{{rev:segment}}", response_model=TokenAnswer, summary="A token to upload with")
def write_token_for(
    request: Request, response: Response, kind: Kind, owner: Owner, name: Name, rev: Rev, create_pr: CreatePr = False
) -> TokenAnswer:
    """For a commit to the revision, or with ``create_pr`` for a new pull request."""
    hub, actor, repo = repo_of(request, kind, owner, name)
    return _answer(request, response, xet_access.issue_write(hub, actor, repo, rev, propose=create_pr))


@router.get(f"{_REPO}/xet-write-token", response_model=TokenAnswer, summary="A token to upload with")
def write_token(
    request: Request, response: Response, kind: Kind, owner: Owner, name: Name, create_pr: CreatePr = False
) -> TokenAnswer:
    return write_token_for(request, response, kind, owner, name, _NO_REVISION, create_pr)


def _answer(request: Request, response: Response, token: XetToken) -> TokenAnswer:
    address = f"{base_url(request)}/xet/g{token.generation}"
    response.headers["X-Xet-Cas-Url"] = address
    response.headers["X-Xet-Access-Token"] = token.text
    response.headers["X-Xet-Token-Expiration"] = str(token.expires_at)
    response.headers["Cache-Control"] = "no-store"
    return TokenAnswer(cas_url=address, access_token=token.text, exp=token.expires_at)
