"""The routes of git-lfs in the OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterator

from openshelf.interfaces.http.description import (
    BYTES,
    NUMBER,
    OCTETS,
    SHA256,
    SIZE,
    TEXT,
    Content,
    Operation,
    Schema,
    listed,
    mapping,
    record,
)
from openshelf.interfaces.lfs.errors import MEDIA_TYPE
from openshelf.services.lfs import MAX_OBJECTS

_TAG = "git-lfs"
_BLOB: Schema = record({"oid": SHA256, "size": SIZE})
_TICKET = {"ticket": TEXT}
_TICKETED = "At an address that a batch gave out; `ticket` is in it."


def _lfs(schema: Schema) -> Content:
    return {MEDIA_TYPE: schema}


_ERROR = _lfs(record({"message": TEXT, "request_id": TEXT}))
_ACTION = record({"href": TEXT, "expires_in": NUMBER}, {"header": mapping(TEXT)})
_ASKED = record(
    {"operation": {"enum": ["upload", "download"]}, "objects": listed(_BLOB, maxItems=MAX_OBJECTS)},
    {
        "transfers": listed({"enum": ["basic", "multipart"]}),
        "hash_algo": {"const": "sha256"},
        "ref": record({}, {"name": TEXT}),
        "chunk_size": {**SIZE, "description": "The size of parts that the client would like, in bytes."},
    },
)
_PLANNED = record(
    {"oid": SHA256, "size": SIZE},
    {
        "authenticated": {"type": "boolean"},
        "actions": mapping(_ACTION),
        "error": record({"code": NUMBER, "message": TEXT}),
    },
)
_ANSWERED = record({"transfer": {"enum": ["basic", "multipart"]}, "objects": listed(_PLANNED), "hash_algo": TEXT})


def operations() -> Iterator[Operation]:
    """What ``routes`` answers."""
    for prefix in ("", "/{kind}"):
        yield from _of_repo(f"{prefix}/{{owner}}/{{name}}/info/lfs")
    yield from _of_objects("/api/lfs/objects/{sha256}")


def _of_repo(root: str) -> Iterator[Operation]:
    yield Operation(
        "POST",
        f"{root}/objects/batch",
        _TAG,
        "Ask for each object how to send or fetch it",
        {200: _lfs(_ANSWERED)},
        "The batch API of git-lfs, with the transfers `basic` and `multipart`.",
        body=_lfs(_ASKED),
        error=_ERROR,
    )
    yield Operation(
        "POST",
        f"{root}/locks/verify",
        _TAG,
        "The locks that matter to a push: none",
        {200: _lfs(record({"ours": listed({}), "theirs": listed({})}))},
        body=_lfs(record({})),
        error=_ERROR,
    )
    yield Operation(
        "GET", f"{root}/locks", _TAG, "List locks: none", {200: _lfs(record({"locks": listed({})}))}, error=_ERROR
    )
    for end, summary in (
        ("/locks", "Lock a file: not offered"),
        ("/locks/{number}/unlock", "Unlock a file: not offered"),
    ):
        yield Operation("POST", root + end, _TAG, summary, {501: _ERROR}, body=_lfs(record({})), error=_ERROR)


def _of_objects(root: str) -> Iterator[Operation]:
    yield Operation(
        "GET",
        root,
        _TAG,
        "Fetch an object, whole or in part",
        {200: OCTETS, 206: OCTETS, 304: {}},
        _TICKETED,
        query=_TICKET,
        headers={"Range": "A range of bytes."},
        error=_ERROR,
    )
    yield Operation(
        "PUT", root, _TAG, "Send an object in one piece", {200: {}}, _TICKETED, query=_TICKET, body=OCTETS, error=_ERROR
    )
    yield Operation(
        "PUT",
        f"{root}/parts/{{number}}",
        _TAG,
        "Send one part of an object",
        {200: {}},
        _TICKETED,
        query=_TICKET,
        body={"application/octet-stream": BYTES},
        error=_ERROR,
    )
    yield Operation(
        "GET",
        f"{root}/parts",
        _TAG,
        "The parts of an object that have arrived",
        {200: _lfs(record({"parts": listed({})}))},
        _TICKETED,
        query=_TICKET,
        error=_ERROR,
    )
    yield Operation(
        "POST",
        f"{root}/complete",
        _TAG,
        "Make an object of the parts that were sent",
        {200: _lfs(_BLOB)},
        _TICKETED,
        query=_TICKET,
        body=_lfs(record({"parts": listed(record({"partNumber": NUMBER}, {"etag": TEXT}))}, {"oid": SHA256})),
        error=_ERROR,
    )
    yield Operation(
        "POST",
        f"{root}/verify",
        _TAG,
        "Ask whether an object has arrived",
        {200: _lfs(record({}))},
        _TICKETED,
        query=_TICKET,
        body=_lfs(_BLOB),
        error=_ERROR,
    )
