"""The JSON of git-lfs, and pointers."""

from __future__ import annotations

import json

from openshelf.domain.tree import Blob
from openshelf.errors import OpenshelfError
from openshelf.interfaces.http.errors import status_of
from openshelf.interfaces.lfs.batch import read_object, read_part_bytes, read_request
from tests.fuzz.target import Target


def run(data: bytes) -> None:
    blob = Blob.from_pointer(data)
    assert blob is None or Blob.from_pointer(blob.pointer()) == blob
    try:
        request = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        operation, transfers, blobs = read_request(request)
        read_part_bytes(request)
        for item in request["objects"]:
            read_object(item)
    except OpenshelfError as error:
        assert status_of(error) < 500, error
        return
    assert operation in ("upload", "download")
    assert all(isinstance(name, str) for name in transfers)
    assert all(blob.size >= 0 for blob in blobs)


def _seeds() -> list[bytes]:
    asked = {"operation": "upload", "transfers": ["basic"], "chunk_size": 5, "objects": [{"oid": "ab" * 32, "size": 3}]}
    return [json.dumps(asked).encode(), Blob("ab" * 32, 3).pointer()]


TARGET = Target(run, _seeds)
