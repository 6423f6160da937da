"""What the protocol tells of users and organisations."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.people import Account
from openshelf.interfaces.hf.addresses import next_link, read_cursor, write_cursor
from openshelf.interfaces.hf.payload import Json, moment
from openshelf.interfaces.hf.routes import Cursor, Limit, hub_router
from openshelf.interfaces.http.requests import actor_of, hub_of
from openshelf.services import profiles

router = hub_router("Users and organisations")

PAGE = 500


@router.get("/api/users/{user:segment}/overview", summary="A user")
def user_overview(request: Request, user: str) -> Response:
    hub, actor = hub_of(request), actor_of(request)
    account = profiles.user(hub, user)
    counts = profiles.counts(hub, actor, account)
    organisations = [_organisation_json(found) for found, _ in profiles.organisations(hub, account)]
    return JSONResponse({**_user_json(account), **_counts_json(counts), "isPro": False, "orgs": organisations})


@router.get("/api/organizations/{organisation:segment}/overview", summary="An organisation")
def organisation_overview(request: Request, organisation: str) -> Response:
    hub, actor = hub_of(request), actor_of(request)
    account = profiles.organisation(hub, organisation)
    counts = _counts_json(profiles.counts(hub, actor, account))
    users = len(profiles.members(hub, account))
    return JSONResponse({**_organisation_json(account), **counts, "numUsers": users, "isVerified": False})


@router.get("/api/organizations/{organisation:segment}/members", summary="The members of an organisation")
def organisation_members(request: Request, organisation: str) -> Response:
    hub, _ = hub_of(request), actor_of(request)
    found = profiles.members(hub, profiles.organisation(hub, organisation))
    return JSONResponse([_user_json(account) for account in found])


@router.get("/api/settings/repositories", summary="The caller's repositories and the storage they use")
def my_repositories(request: Request, limit: Limit = None, cursor: Cursor = None) -> Response:
    return _repositories(request, None, limit, cursor)


@router.get("/api/organizations/{organisation:segment}/settings/repositories", summary="Those of an organisation")
def its_repositories(request: Request, organisation: str, limit: Limit = None, cursor: Cursor = None) -> Response:
    return _repositories(request, organisation, limit, cursor)


def _repositories(request: Request, owner: str | None, limit: int | None, cursor: str | None) -> Response:
    hub, actor = hub_of(request), actor_of(request)
    offset = read_cursor(cursor, {"offset": int})["offset"] if cursor else 0
    used, page = profiles.storage(hub, actor, owner, limit=min(limit or PAGE, PAGE), offset=max(offset, 0))
    headers = {} if page.next_offset is None else next_link(request, cursor=write_cursor({"offset": page.next_offset}))
    answer = [
        {
            "id": repo.full_name,
            "type": repo.kind.value,
            "updatedAt": moment(repo.updated_at),
            "visibility": repo.visibility.value,
            "storage": repo.stored_bytes,
            "storagePercent": round(100 * repo.stored_bytes / used, 2) if used else 0,
        }
        for repo in page.repos
    ]
    return JSONResponse(answer, headers=headers)


def _user_json(account: Account) -> Json:
    return {
        "_id": account.id,
        "user": account.name,
        "fullname": account.full_name,
        "type": "user",
        "avatarUrl": "",
        "createdAt": moment(account.created_at),
    }


def _organisation_json(account: Account) -> Json:
    return {"_id": account.id, "name": account.name, "fullname": account.full_name, "type": "org", "avatarUrl": ""}


def _counts_json(counts: profiles.Counts) -> dict[str, Any]:
    return {"numModels": counts.models, "numDatasets": counts.datasets, "numSpaces": counts.spaces}
