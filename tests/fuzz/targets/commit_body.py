"""The lines of a commit."""

from __future__ import annotations

from openshelf.domain.tree import AddInline, Change
from openshelf.errors import OpenshelfError
from openshelf.interfaces.hf.commit_body import CommitBody
from openshelf.interfaces.http.errors import status_of
from tests.fuzz.target import Target


def _store(path: str, content: bytes) -> Change:
    return AddInline(path, content)


def run(data: bytes) -> None:
    body = CommitBody(_store, 10_000, 100)
    try:
        for start in range(0, len(data), 997):
            body.write(data[start : start + 997])
        body.finish()
    except OpenshelfError as error:
        assert status_of(error) < 500, error
        return
    assert len(body.changes) <= 100
    for text in (body.title, body.description, *(change.path for change in body.changes)):
        assert isinstance(text, str)


def _seeds() -> list[bytes]:
    return [
        b'{"key":"header","value":{"summary":"s","description":"d","parentCommit":"' + b"0" * 40 + b'"}}\n'
        b'{"key":"file","value":{"path":"a/b","content":"aGk=","encoding":"base64"}}\n'
        b'{"key":"lfsFile","value":{"path":"w","algo":"sha256","oid":"' + b"ab" * 32 + b'","size":3}}\n'
        b'{"key":"deletedFile","value":{"path":"./c"}}\n{"key":"deletedFolder","value":{"path":"d/"}}\n',
        b'{"key":"header","value":{"summary":"s"}}\n{"key":"file","value":{"path":"a","content":"x"}}\n',
    ]


TARGET = Target(run, _seeds)
