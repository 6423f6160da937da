"""The parser of commit bodies: whatever the pieces it arrives in, and whatever is wrong with it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.domain.tree import AddBlob, AddInline, Change, DeleteFile, DeleteFolder
from openshelf.errors import Invalid, InvalidChange, TooLarge
from openshelf.interfaces.hf.commit_body import CommitBody
from tests.interfaces.hf.conftest import ndjson

SHA256 = "ab" * 32
FILE = ("file", {"path": "a.txt", "content": base64.b64encode(b"hello").decode(), "encoding": "base64"})


def read(body: bytes, *, pieces: list[int] | None = None, max_inline: int = 1000, most: int = 100) -> CommitBody:
    parser = CommitBody(AddInline, max_inline, most)
    start = 0
    for length in pieces or []:
        parser.write(body[start : start + length])
        start += length
    parser.write(body[start:])
    parser.finish()
    return parser


@given(st.lists(st.integers(min_value=1, max_value=60), max_size=40))
def test_the_pieces_it_arrives_in_make_no_difference(pieces: list[int]) -> None:
    body = ndjson(
        FILE,
        ("lfsFile", {"path": "b.bin", "algo": "sha256", "oid": SHA256, "size": 5}),
        ("deletedFile", {"path": "c"}),
        ("deletedFolder", {"path": "d/"}),
        title="grüße",
        parentCommit="1" * 40,
    )
    found = read(body, pieces=pieces)
    assert (found.title, found.parent) == ("grüße", "1" * 40)
    assert found.changes == [
        AddInline("a.txt", b"hello"),
        AddBlob("b.bin", SHA256, 5),
        DeleteFile("c"),
        DeleteFolder("d"),
    ]


@pytest.mark.parametrize(
    ("item", "change"),
    [
        (("file", {"path": "./a", "content": "hé", "encoding": "utf-8"}), AddInline("a", "hé".encode())),
        (("file", {"path": "a", "content": "", "encoding": "base64"}), AddInline("a", b"")),
        (("lfsFile", {"path": "a", "oid": SHA256}), AddBlob("a", SHA256, None)),
        (("deletedFolder", {"path": "./"}), DeleteFolder("")),
        (("deletedFolder", {"path": "/"}), DeleteFolder("")),
        (("deletedFolder", {"path": "a/b/"}), DeleteFolder("a/b")),
    ],
)
def test_what_clients_send(item: tuple[str, dict[str, Any]], change: Change) -> None:
    assert read(ndjson(item)).changes == [change]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"not json",
        b"[]",
        b'{"key":"header"}',
        b'{"key":"header","value":[]}',
        b"[" * 100_000,
        json.dumps({"key": "file", "value": FILE[1]}).encode(),
        ndjson(("header", {"summary": "again"})),
        ndjson(("unknown", {"path": "a"})),
        ndjson(("file", {"content": "eA=="})),
        ndjson(("file", {"path": "a", "content": "%%", "encoding": "base64"})),
        ndjson(("file", {"path": "a", "content": "eA==", "encoding": "rot13"})),
        ndjson(("file", {"path": 5, "content": ""})),
        ndjson(("lfsFile", {"path": "a", "oid": "short"})),
        ndjson(("lfsFile", {"path": "a", "oid": SHA256, "algo": "md5"})),
        ndjson(("lfsFile", {"path": "a", "oid": SHA256, "size": "5"})),
        ndjson(("lfsFile", {"path": "a", "oid": SHA256, "size": True})),
        ndjson(("lfsFile", {"path": "a", "oid": SHA256, "size": -1})),
    ],
)
def test_what_is_not_a_commit_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        read(body)


def test_a_line_longer_than_any_file_is_refused_before_it_is_complete() -> None:
    parser = CommitBody(AddInline, 1000, 10)
    for _ in range(66):
        parser.write(b"x" * 1000)
    with pytest.raises(InvalidChange, match="LFS or Xet"):
        parser.write(b"x" * 1000)


def test_the_number_of_changes_is_bounded() -> None:
    with pytest.raises(TooLarge):
        read(ndjson(FILE, FILE, FILE), most=2)
