"""Who the caller is, and what they may do."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.access import Access
from openshelf.domain.people import Account, Actor, TokenRole
from openshelf.errors import NotSignedIn
from openshelf.interfaces.hf.addresses import repo_of
from openshelf.interfaces.hf.payload import moment
from openshelf.interfaces.hf.routes import Kind, Name, Owner, hub_router
from openshelf.interfaces.http.requests import actor_of, hub_of
from openshelf.services import profiles

router = hub_router("Identity")

_TOKEN_ROLES = {TokenRole.READ: "read", TokenRole.WRITE: "write", TokenRole.FINE_GRAINED: "fineGrained"}


@router.get("/api/whoami-v2", summary="Who the caller is")
def whoami(request: Request) -> dict[str, Any]:
    hub, actor = hub_of(request), actor_of(request)
    if actor.account is None:
        raise NotSignedIn("Nobody is signed in; send a token in the Authorization header.")
    return {
        "type": actor.account.kind.value,
        "id": actor.account.id,
        "name": actor.account.name,
        "fullname": actor.account.full_name,
        "email": actor.account.email,
        "emailVerified": actor.account.email is not None,
        "isPro": False,
        "canPay": False,
        "orgs": [
            {**account_json(organisation), "type": "org", "roleInOrg": role.value}
            for organisation, role in profiles.organisations(hub, actor.account)
        ],
        "auth": _auth(actor),
    }


@router.get("/api/{kind:kind}/{owner:segment}/{name:segment}/auth-check", summary="May the caller read it?")
def may_read(request: Request, kind: Kind, owner: Owner, name: Name) -> Response:
    repo_of(request, kind, owner, name)
    return JSONResponse({})


@router.get("/api/{kind:kind}/{owner:segment}/{name:segment}/auth-check/write", summary="May the caller write to it?")
def may_write(request: Request, kind: Kind, owner: Owner, name: Name) -> Response:
    repo_of(request, kind, owner, name, Access.WRITE)
    return JSONResponse({})


def account_json(account: Account) -> dict[str, Any]:
    return {"id": account.id, "name": account.name, "fullname": account.full_name}


def _auth(actor: Actor) -> dict[str, Any]:
    if actor.token is None:
        return {"type": "session"}
    token = actor.token
    shown = {"displayName": token.name, "role": _TOKEN_ROLES[token.role], "createdAt": moment(token.created_at)}
    return {"type": "access_token", "accessToken": shown}
