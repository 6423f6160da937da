"""The OpenAPI description of every route that is not a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from openshelf.interfaces import operations as operators
from openshelf.interfaces.git import description as git
from openshelf.interfaces.hf import description as hf
from openshelf.interfaces.http.description import ERROR, Operation, answer, path_parameters
from openshelf.interfaces.lfs import description as lfs
from openshelf.interfaces.xet import description as xet

_ABOUT = (
    "Errors are JSON with a text called `error` (git-lfs: `message`; git: plain text); `X-Error-Code` has a code where "
    "clients know one. A repository that the caller may not read is answered as one that does not exist."
)


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole description, made once; what FastAPI knows, and the routes that are not its own."""
    if app.openapi_schema:
        return app.openapi_schema
    found = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=_ABOUT, routes=app.routes
    )
    for path, item in found["paths"].items():
        for method, operation in item.items():
            _mend(method, path, operation)
    for other in _others():
        found["paths"].setdefault(other.plain_path, {})[other.method.lower()] = other.document()
    schemas = found.get("components", {}).get("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    found.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{}, {"token": []}]
    app.openapi_schema = found
    return found


def _others() -> Iterator[Operation]:
    yield from operators.described()
    yield from hf.operations()
    yield from lfs.operations()
    yield from git.operations()
    yield from xet.operations()


def _mend(method: str, path: str, operation: dict[str, Any]) -> None:
    """Answers and errors as this hub gives them, where FastAPI would tell of its own."""
    responses = operation["responses"]
    responses.pop("422", None)
    stated = hf.ANSWERS.get((method.upper(), path))
    if stated:
        responses.clear()
        responses.update({str(status): answer(content) for status, content in stated.items()})
    if "{name}" in path:
        responses["307"] = answer({}, "The repository has another name by now.")
    responses["4XX"] = answer(ERROR, "What is wrong with the request.")
    known = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
    missing = list(path_parameters(path, known))
    if missing:
        operation.setdefault("parameters", []).extend(missing)
