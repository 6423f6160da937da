"""The routes of the Xet store in the OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterator

from openshelf.interfaces.http.description import (
    NUMBER,
    OCTETS,
    SHA256,
    TEXT,
    Operation,
    Schema,
    as_json,
    listed,
    mapping,
    record,
)

_TAG = "Xet store"
_ROOT = "/xet/g{generation}"
_AUTH = "With a token of `xet-read-token` or `xet-write-token`."
_SPAN: Schema = record({"start": NUMBER, "end": NUMBER})
_TERM = record({"hash": SHA256, "unpacked_length": NUMBER, "range": _SPAN})
_FETCH = record({"range": _SPAN, "url": TEXT, "url_range": _SPAN})
_V1 = record({"offset_into_first_range": NUMBER, "terms": listed(_TERM), "fetch_info": mapping(listed(_FETCH))})
_ADDRESS = record({"url": TEXT, "ranges": listed(record({"chunks": _SPAN, "bytes": _SPAN}))})
_V2 = record({"offset_into_first_range": NUMBER, "terms": listed(_TERM), "xorbs": mapping(listed(_ADDRESS))})
_MANY = record({"files": mapping(listed(_TERM)), "fetch_info": mapping(listed(_FETCH))})
_INSERTED = as_json(record({"was_inserted": {"type": "boolean"}}))
_FRAMES = {"application/x-ndjson": {"type": "string", "description": "Frames of progress; the last has the result."}}


def operations() -> Iterator[Operation]:
    """What ``routes`` answers."""
    yield from _upload()
    yield from _download()
    for path in (f"{_ROOT}/v1/telemetry", "/v1/telemetry"):
        yield Operation(
            "POST",
            path,
            _TAG,
            "What clients tell of themselves; not kept",
            {200: as_json(record({}))},
            body=as_json({}),
        )


def _upload() -> Iterator[Operation]:
    yield Operation(
        "GET",
        f"{_ROOT}/v1/chunks/{{prefix}}/{{hash}}",
        _TAG,
        "A shard of the xorbs around a chunk that is stored",
        {200: OCTETS},
        _AUTH,
    )
    yield Operation(
        "POST",
        f"{_ROOT}/v1/xorb-grants/{{prefix}}/{{xorb_hash}}",
        _TAG,
        "May a xorb be left out? 404 says: send it",
        {200: _INSERTED},
        _AUTH,
    )
    yield Operation(
        "POST",
        f"{_ROOT}/v1/xorbs/{{prefix}}/{{xorb_hash}}",
        _TAG,
        "Send a xorb",
        {200: _INSERTED},
        _AUTH,
        body=OCTETS,
    )
    yield Operation(
        "POST",
        f"{_ROOT}/v1/shards",
        _TAG,
        "Register the files of a shard",
        {200: as_json(record({"result": {"enum": [0, 1]}}))},
        _AUTH,
        body=OCTETS,
    )
    yield Operation(
        "POST",
        f"{_ROOT}/v2/shards",
        _TAG,
        "Register the files of a shard, and see how far it is",
        {200: _FRAMES},
        f"{_AUTH} An error after the answer has begun is its last frame.",
        body=OCTETS,
    )


def _download() -> Iterator[Operation]:
    span = {"Range": "The bytes of the file that are wanted."}
    for version, schema, said in (("v1", _V1, "each range"), ("v2", _V2, "each xorb")):
        yield Operation(
            "GET",
            f"{_ROOT}/{version}/reconstructions/{{file_hash}}",
            _TAG,
            f"How a file is put together, with an address for {said}",
            {200: as_json(schema)},
            _AUTH,
            headers=span,
        )
    for path in (f"{_ROOT}/v1/reconstructions", f"{_ROOT}/reconstructions"):
        yield Operation(
            "GET",
            path,
            _TAG,
            "How several files are put together",
            {200: as_json(_MANY)},
            f"{_AUTH} Files that cannot be read are left out.",
            query={"file_id": listed(SHA256, maxItems=1000)},
        )
    yield Operation(
        "GET",
        f"{_ROOT}/data/{{xorb_hash}}",
        _TAG,
        "The bytes of a xorb that an address was signed for",
        {206: {**OCTETS, "multipart/byteranges": OCTETS["application/octet-stream"]}},
        "At an address of a reconstruction; `s` is in it.",
        query={"s": TEXT},
        headers={"Range": "One or more of the ranges that the reconstruction lists for this address."},
    )
