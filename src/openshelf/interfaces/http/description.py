"""Routes that are not made by FastAPI, as the OpenAPI description tells of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openshelf.domain.names import RepoKind

Schema = Mapping[str, Any]
Content = Mapping[str, Schema]
"""From a media type to the schema of what is sent in it."""

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
SIZE: Schema = {"type": "integer", "minimum": 0, "description": "A number of bytes."}
BYTES: Schema = {"type": "string", "format": "binary"}
OCTETS: Content = {"application/octet-stream": BYTES}
_HASH: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")

_PATH_PARAMETERS: Mapping[str, tuple[Schema, str]] = {
    "kind": ({"type": "string", "enum": [kind.plural for kind in RepoKind]}, "The kind of repository."),
    "owner": (TEXT, "The user or organisation that owns the repository."),
    "name": (TEXT, "The name of the repository, without its owner."),
    "rev": (TEXT, "A branch, tag, pull reference or commit id, percent-encoded as one segment."),
    "path": (TEXT, "A path, its slashes as they are."),
    "generation": ({"type": "integer", "minimum": 0}, "The generation of the store, from the token's answer."),
    "prefix": (TEXT, "`default`."),
    "hash": (_HASH, "The hash of a chunk, as Xet writes it."),
    "xorb_hash": (_HASH, "The hash of a xorb, as Xet writes it."),
    "file_hash": (_HASH, "The hash of a file, as Xet writes it."),
    "sha256": (_HASH, "The sha256 of the object."),
    "number": ({"type": "integer", "minimum": 1}, "The number of the part or the lock."),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path (as routes write it), what it takes and what it answers.

    ``query`` maps names to schemas, ``required`` names those that must be there. ``answers`` maps a status to the
    content of the answer; errors are added to it as ``error`` describes them.
    """

    method: str
    path: str
    tag: str
    summary: str
    answers: Mapping[int, Content]
    description: str = ""
    query: Mapping[str, Schema] = field(default_factory=dict)
    required: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Content | None = None
    error: Content = field(default_factory=lambda: ERROR)
    is_public: bool = False

    def document(self) -> dict[str, Any]:
        """The operation object (OpenAPI 3.1, section 4.8.10)."""
        found: dict[str, Any] = {
            "tags": [self.tag],
            "summary": self.summary,
            "operationId": f"{self.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', self.plain_path)}",
            "parameters": [*path_parameters(self.path), *self._query(), *self._headers()],
            "responses": {
                **{str(status): answer(content) for status, content in self.answers.items()},
                # Addresses that no route takes, such as those of an unknown kind of repo, are answered as JSON.
                **({} if self.is_public else {"4XX": answer({**ERROR, **self.error}, "What is wrong with it.")}),
            },
        }
        if self.description:
            found["description"] = self.description
        if self.body is not None:
            content = {media_type: {"schema": schema} for media_type, schema in self.body.items()}
            found["requestBody"] = {"required": True, "content": content}
        return found

    @property
    def plain_path(self) -> str:
        """The path as OpenAPI writes it, without the convertors."""
        return plain(self.path)

    def _query(self) -> Iterator[dict[str, Any]]:
        for name, schema in self.query.items():
            yield {"name": name, "in": "query", "required": name in self.required, "schema": schema}

    def _headers(self) -> Iterator[dict[str, Any]]:
        for name, text in self.headers.items():
            yield {"name": name, "in": "header", "required": False, "schema": TEXT, "description": text}


def plain(path: str) -> str:
    """A path of a route as OpenAPI writes it."""
    return _PARAMETER.sub(r"{\1}", path)


def path_parameters(path: str, known: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """The parameter objects of what is variable in ``path``, but for those that are ``known``."""
    for name in _PARAMETER.findall(path):
        if name in known:
            continue
        schema, text = _PATH_PARAMETERS[name]
        yield {"name": name, "in": "path", "required": True, "schema": schema, "description": text}


def answer(content: Content, description: str = "As asked.") -> dict[str, Any]:
    """A response object."""
    found: dict[str, Any] = {"description": description}
    if content:
        found["content"] = {media_type: {"schema": schema} for media_type, schema in content.items()}
    return found


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """The schema of a JSON object."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required)}


def listed(items: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": items, **limits}


def mapping(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def as_json(schema: Schema) -> Content:
    return {"application/json": schema}


ERROR: Content = as_json(record({"error": TEXT}))
SHA256 = _HASH
