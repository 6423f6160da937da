"""What the Hub protocol answers, as far as FastAPI cannot tell it from the code, for the OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from openshelf.interfaces.http.description import (
    BYTES,
    NUMBER,
    SHA256,
    SIZE,
    TEXT,
    Content,
    Operation,
    Schema,
    as_json,
    listed,
    mapping,
    record,
)

_TAG = "Files"
_REPO = "/api/{kind}/{owner}/{name}"
_FLAG: Schema = {"type": "boolean"}
_ANYTHING: Schema = {}
_NOTHING = as_json(record({}))
_MAY_BE_NULL: Schema = {"type": ["string", "null"]}

_LFS = record({"size": SIZE, "pointerSize": SIZE}, {"oid": SHA256, "sha256": SHA256})
_REPOSITORY = record(
    {"_id": TEXT, "id": TEXT},
    {
        "author": TEXT,
        "cardData": mapping(_ANYTHING),
        "createdAt": TEXT,
        "disabled": _FLAG,
        "downloads": NUMBER,
        "gated": _FLAG,
        "lastModified": TEXT,
        "likes": NUMBER,
        "modelId": TEXT,
        "private": _FLAG,
        "sha": TEXT,
        "siblings": listed(record({"rfilename": TEXT}, {"size": SIZE, "blobId": TEXT, "lfs": _LFS})),
        "tags": listed(TEXT),
        "usedStorage": SIZE,
    },
)
_ENTRY = record(
    {"type": {"enum": ["file", "directory"]}, "oid": TEXT, "size": SIZE, "path": TEXT},
    {"lfs": _LFS, "xetHash": SHA256, "lastCommit": record({"id": TEXT, "title": TEXT, "date": TEXT})},
)
_COMMIT = record(
    {"id": TEXT, "title": TEXT, "message": TEXT, "authors": listed(record({"user": TEXT})), "date": TEXT},
    {"formatted": record({"title": TEXT, "message": TEXT})},
)
_REF = record({"name": TEXT, "ref": TEXT, "targetCommit": TEXT})
_REFS = record(
    {"branches": listed(_REF), "converts": listed(_REF), "tags": listed(_REF)}, {"pullRequests": listed(_REF)}
)
_PULL_FIELDS: Mapping[str, Schema] = {
    "num": NUMBER,
    "title": TEXT,
    "status": TEXT,
    "author": record({"name": TEXT}),
    "createdAt": TEXT,
    "isPullRequest": _FLAG,
    "repo": record({"name": TEXT, "type": TEXT}),
}
_PULL = record(_PULL_FIELDS)
_WHOLE_PULL = record(
    {
        **_PULL_FIELDS,
        "changes": record({"base": TEXT}),
        "diff": TEXT,
        "events": listed(record({"id": TEXT, "type": TEXT})),
    }
)
_USER = record({"_id": TEXT, "user": TEXT, "fullname": _MAY_BE_NULL, "type": TEXT, "createdAt": TEXT})
_COUNTS = {"numModels": NUMBER, "numDatasets": NUMBER, "numSpaces": NUMBER}
_ORGANISATION = record({"_id": TEXT, "name": TEXT, "fullname": _MAY_BE_NULL, "type": TEXT})
_STORED = record(
    {
        "id": TEXT,
        "type": TEXT,
        "updatedAt": TEXT,
        "visibility": TEXT,
        "storage": SIZE,
        "storagePercent": {"type": "number"},
    }
)
_TAGS = mapping(listed(record({"id": TEXT, "label": TEXT, "type": TEXT})))
_CHECKED = as_json(record({"warnings": listed(record({"message": TEXT})), "errors": listed(record({"message": TEXT}))}))
_PLANNED = record(
    {"path": TEXT, "uploadMode": {"enum": ["lfs", "regular"]}, "shouldIgnore": _FLAG, "oid": _MAY_BE_NULL}
)

ANSWERS: Mapping[tuple[str, str], Mapping[int, Content]] = {
    ("GET", _REPO): {200: as_json(_REPOSITORY)},
    ("GET", f"{_REPO}/revision/{{rev}}"): {200: as_json(_REPOSITORY)},
    ("GET", f"{_REPO}/tree/{{rev}}"): {200: as_json(listed(_ENTRY))},
    ("GET", f"{_REPO}/tree/{{rev}}/{{path}}"): {200: as_json(listed(_ENTRY))},
    ("POST", f"{_REPO}/paths-info/{{rev}}"): {200: as_json(listed(_ENTRY))},
    ("POST", f"{_REPO}/preupload/{{rev}}"): {200: as_json(record({"files": listed(_PLANNED)}))},
    ("POST", f"{_REPO}/commit/{{rev}}"): {
        200: as_json(record({"success": _FLAG, "commitOid": TEXT, "commitUrl": TEXT}, {"pullRequestUrl": TEXT}))
    },
    ("POST", "/api/validate-yaml"): {200: _CHECKED, 400: {"application/json": _ANYTHING}},
    ("GET", f"{_REPO}/refs"): {200: as_json(_REFS)},
    ("POST", f"{_REPO}/branch/{{branch}}"): {200: _NOTHING},
    ("DELETE", f"{_REPO}/branch/{{branch}}"): {200: _NOTHING},
    ("POST", f"{_REPO}/tag/{{rev}}"): {200: _NOTHING},
    ("DELETE", f"{_REPO}/tag/{{tag}}"): {200: _NOTHING},
    ("POST", f"{_REPO}/super-squash/{{branch}}"): {200: as_json(record({"commitId": TEXT}))},
    ("GET", f"{_REPO}/commits/{{rev}}"): {200: as_json(listed(_COMMIT))},
    ("POST", "/api/repos/create"): {200: as_json(record({"url": TEXT, "name": TEXT, "id": TEXT}))},
    ("DELETE", "/api/repos/delete"): {200: _NOTHING},
    ("POST", "/api/repos/move"): {200: as_json(record({"url": TEXT}))},
    ("PUT", f"{_REPO}/settings"): {
        200: as_json(record({"private": _FLAG, "visibility": TEXT, "gated": _FLAG})),
        501: as_json(record({"error": TEXT})),
    },
    ("GET", f"{_REPO}/discussions"): {
        200: as_json(record({"count": NUMBER, "start": NUMBER, "discussions": listed(_PULL)}))
    },
    ("POST", f"{_REPO}/discussions"): {200: as_json(_PULL), 501: as_json(record({"error": TEXT}))},
    ("GET", f"{_REPO}/discussions/{{num}}"): {200: as_json(_WHOLE_PULL)},
    ("POST", f"{_REPO}/discussions/{{num}}/{{path}}"): {501: as_json(record({"error": TEXT}))},
    ("GET", "/api/{kind}"): {200: as_json(listed(_REPOSITORY))},
    ("GET", "/api/models-tags-by-type"): {200: as_json(_TAGS)},
    ("GET", "/api/datasets-tags-by-type"): {200: as_json(_TAGS)},
    ("GET", "/api/users/{user}/overview"): {200: as_json({"allOf": [_USER, record(_COUNTS)]})},
    ("GET", "/api/organizations/{organisation}/overview"): {
        200: as_json({"allOf": [_ORGANISATION, record({**_COUNTS, "numUsers": NUMBER})]})
    },
    ("GET", "/api/organizations/{organisation}/members"): {200: as_json(listed(_USER))},
    ("GET", "/api/settings/repositories"): {200: as_json(listed(_STORED))},
    ("GET", "/api/organizations/{organisation}/settings/repositories"): {200: as_json(listed(_STORED))},
    ("GET", "/api/whoami-v2"): {
        200: as_json(record({"type": TEXT, "id": TEXT, "name": TEXT, "auth": mapping(_ANYTHING)}))
    },
    ("GET", f"{_REPO}/auth-check"): {200: _NOTHING},
    ("GET", f"{_REPO}/auth-check/write"): {200: _NOTHING},
}
_BY_TYPE = {"*/*": BYTES}


def operations() -> Iterator[Operation]:
    """Those routes that are not made by FastAPI."""
    for prefix in ("", "/{kind}"):
        root = f"{prefix}/{{owner}}/{{name}}"
        for word, summary in (
            ("resolve", "The bytes of a file, whole or in part"),
            ("raw", "A file as git has it; of one kept outside git, the pointer"),
        ):
            yield Operation(
                "GET",
                f"{root}/{word}/{{rev}}/{{path}}",
                _TAG,
                summary,
                {200: _BY_TYPE, 206: _BY_TYPE, 304: {}, 307: {}},
                "HEAD answers all headers: `X-Repo-Commit`, `ETag`, `X-Linked-Size`, `X-Linked-Etag`, `X-Xet-Hash`.",
                query={"download": {**TEXT, "description": "If there, browsers save the file."}},
                headers={"Range": "A range of bytes."},
            )
    telemetry = "What clients tell of themselves; not kept"
    yield Operation("GET", "/api/telemetry/{path}", "Users and organisations", telemetry, {204: {}}, is_public=True)
