"""Bodies of requests: commits, git-lfs, packets, gzip."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from attacks import Attack

_HEADER = b'{"key":"header","value":{"summary":"s"}}\n'


def attacks() -> Iterator[Attack]:
    yield Attack("a line of brackets", "commit", b"[" * 500_000 + b"\n", "too long")
    yield Attack("brackets within the limit", "commit", _HEADER + b'{"key":' + b"[" * 10_000 + b"\n", "JSON")
    yield Attack("a number of a million digits", "commit", _HEADER + b'{"key":' + b"9" * 15_000 + b"}\n", "JSON")
    yield Attack("two headers", "commit", _HEADER * 2, "second header")
    yield Attack("no header", "commit", b"\n" * 10_000, "header")
    lone = b'{"key":"file","value":{"path":"a","content":"\\ud800"}}\n'
    yield Attack("half a character", "commit", _HEADER + lone, "utf-8")
    yield Attack("a key of a list", "commit", _HEADER + b'{"key":["file"],"value":{"path":"a"}}\n', "unknown key")
    yield Attack(
        "a true size", "lfs", b'{"operation":"upload","objects":[{"oid":"%s","size":true}]}' % (b"ab" * 32), "size"
    )
    yield Attack("many objects", "lfs", b'{"operation":"upload","objects":[' + b"0," * 200_000 + b"0]}", "at most")
    yield Attack("a packet of three bytes", "packets", b"0003", "4 to")
    yield Attack("a length that is no number", "packets", b"00\xb2\xb3", "length")
    yield Attack("gzip of zeros", "gzip", gzip.compress(bytes(50 * 1024 * 1024)), "more than")
    yield Attack("gzip cut short", "gzip", gzip.compress(b"x" * 1000)[:-9], "ends too early")
    yield Attack("something after gzip", "gzip", gzip.compress(b"x") + b"y", "after the end")
