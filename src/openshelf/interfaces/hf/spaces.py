"""Spaces: kept as repositories, and not run."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from openshelf.domain.names import RepoKind
from openshelf.interfaces.hf.addresses import repo_of
from openshelf.interfaces.hf.payload import SPACE_RUNTIME
from openshelf.interfaces.hf.routes import Name, Owner, hub_router

router = hub_router("Spaces")


@router.get("/api/spaces/{owner:segment}/{name:segment}/runtime", summary="The state of a Space: stopped")
def runtime(request: Request, owner: Owner, name: Name) -> dict[str, Any]:
    repo_of(request, RepoKind.SPACE, owner, name)
    return SPACE_RUNTIME
