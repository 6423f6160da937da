"""What is wrong with a card, before it is committed."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.names import RepoKind
from openshelf.interfaces.hf.routes import hub_router
from openshelf.interfaces.http.errors import header_text
from openshelf.interfaces.http.requests import actor_of
from openshelf.services.describe import check_card

router = hub_router("Commits")


class Card(BaseModel):
    """The text of README.md, and the kind of repository that it is for."""

    content: str
    repoType: str | None = None


@router.post("/api/validate-yaml", summary="Check the metadata of a card")
def validate_yaml(request: Request, body: Card) -> Response:
    """Clients ask this before each commit that holds README.md. Errors are answered with status 400."""
    actor_of(request)
    found = check_card(body.content, RepoKind.of(body.repoType))
    answer = {
        "warnings": [{"message": message} for message in found.warnings],
        "errors": [{"message": message} for message in found.errors],
    }
    if not found.errors:
        return JSONResponse(answer)
    return JSONResponse(answer, 400, {"X-Error-Message": header_text("; ".join(found.errors))})
