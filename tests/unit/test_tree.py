"""Pointer files (git-lfs spec v1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.domain.tree import Blob

OID = "a1" * 32


@given(st.integers(0, 10**18), st.binary(min_size=32, max_size=32))
def test_a_pointer_names_its_blob(size: int, digest: bytes) -> None:
    blob = Blob(digest.hex(), size)
    assert Blob.from_pointer(blob.pointer()) == blob


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\n",
        Blob(OID, 5).pointer() + b"x",
        Blob(OID, 5).pointer().replace(b"sha256", b"sha512"),
        Blob(OID, 5).pointer().replace(b"a1a1", b"A1a1"),
        Blob(OID, 5).pointer() + b"\n" * 2000,
        Blob(OID, 5).pointer().replace(b"size 5", b"size -5"),
    ],
)
def test_what_is_not_quite_a_pointer_is_a_file(content: bytes) -> None:
    assert Blob.from_pointer(content) is None
