"""The JSON API, described by the server itself for people: no script, no other origin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from fastapi import FastAPI
from starlette.responses import Response

from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit

_METHODS = ("get", "head", "post", "put", "patch", "delete")
_NOT_IN_ANCHORS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str
    type: str
    required: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One method of one path. ``answers`` are statuses with what they mean."""

    anchor: str
    method: str
    path: str
    summary: str
    description: list[str]
    parameters: list[Parameter]
    answers: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Group:
    """Routes under one tag."""

    anchor: str
    name: str
    routes: list[ApiRoute] = field(default_factory=list)


def show(visit: Visit) -> Response:
    description = cast(FastAPI, visit.request.app).openapi()
    return visit.page("api.html", groups=groups(description), base_url=visit.base_url)


def groups(description: Mapping[str, Any]) -> list[Group]:
    """The routes of an OpenAPI description by their first tag, in the order in which they stand there."""
    found: dict[str, Group] = {}
    for path, methods in description.get("paths", {}).items():
        for method in _METHODS:
            if method not in methods:
                continue
            operation = methods[method]
            name = next(iter(operation.get("tags", ())), "other")
            group = found.setdefault(name, Group(_anchor(name), name))
            group.routes.append(_route(path, method, operation))
    return list(found.values())


def _route(path: str, method: str, operation: Mapping[str, Any]) -> ApiRoute:
    description = str(operation.get("description", ""))
    return ApiRoute(
        anchor=_anchor(f"{method} {path}"),
        method=method.upper(),
        path=path,
        summary=str(operation.get("summary", "")),
        description=[" ".join(part.split()) for part in description.split("\n\n") if part.strip()],
        parameters=list(_parameters(operation.get("parameters", ()))),
        answers=[
            (status, str(answer.get("description", ""))) for status, answer in operation.get("responses", {}).items()
        ],
    )


def _parameters(described: Iterable[Mapping[str, Any]]) -> Iterable[Parameter]:
    for parameter in described:
        schema = parameter.get("schema", {})
        meaning = str(parameter.get("description") or schema.get("description") or "")
        yield Parameter(parameter["name"], parameter["in"], _type(schema), bool(parameter.get("required")), meaning)


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_type(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _anchor(text: str) -> str:
    return "api-" + _NOT_IN_ANCHORS.sub("-", text.lower()).strip("-")


routes = [page("/docs/api", show)]
