"""What a file is by its bytes and its name, and texts in the encodings that people use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.analysis.files import sniffing
from openshelf.analysis.files.sniffing import sniff
from openshelf.analysis.files.texts import decode

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.mark.parametrize(
    ("head", "name", "kind", "claimed"),
    [
        (PNG, "a.png", sniffing.PNG, None),
        (PNG, "a.jpg", sniffing.PNG, sniffing.JPEG),
        (PNG, "a.txt", sniffing.PNG, sniffing.TEXT),
        (b"<script>", "a.png", sniffing.TEXT, sniffing.PNG),
        (b"PK\x03\x04....", "model.pt", sniffing.ZIP, None),
        (b"\x89HDF\r\n\x1a\n", "model.keras", sniffing.HDF5, sniffing.ZIP),
        (b'{"a": 1}', "config.json", sniffing.JSON, None),
        (b'{"a": 1}', "Pipfile.lock", sniffing.JSON, None),
        (b"{% raw %}", "template", sniffing.TEXT, None),
        (b"\0\1\2", "config.json", sniffing.UNKNOWN, sniffing.JSON),
        (b'<svg xmlns="x"/>', "a.svg", sniffing.SVG, None),
        (b'<svg xmlns="x"/>', "a.html", sniffing.TEXT, None),
        (b"plain", "a.svg", sniffing.TEXT, sniffing.SVG),
        (b"a,b\n1,2\n", "a.csv", sniffing.CSV, None),
        (b"\x10\0\0\0\0\0\0\0{" + b" " * 20, "model.safetensors", sniffing.SAFETENSORS, None),
        (b"RIFF\0\0\0\0WAVEfmt ", "a.wav", sniffing.WAV, None),
        (b"\0\0\0\x20ftypisom", "a.mov", sniffing.MP4, None),
        (b"", "a.png", sniffing.EMPTY, None),
        (b"no notebook", "a.ipynb", sniffing.TEXT, sniffing.NOTEBOOK),
    ],
)
def test_bytes_come_before_the_name(head: bytes, name: str, kind: sniffing.Kind, claimed: sniffing.Kind | None) -> None:
    found = sniff(head, len(head), name)
    assert (found.kind, found.claimed) == (kind, claimed)


@given(st.binary(max_size=600), st.sampled_from(["a.png", "a.json", "a", "a.csv", "a.safetensors", "a.ipynb", "a.svg"]))
def test_any_bytes_are_something(head: bytes, name: str) -> None:
    assert sniff(head, len(head), name).kind.view
    assert sniff(head, len(head) + 10**12, name).kind.view


@given(st.text(max_size=300).filter(lambda text: "\0" not in text))
def test_what_was_encoded_is_decoded(text: str) -> None:
    found = decode(b"\xef\xbb\xbf" + text.encode())
    assert found
    assert found.text == text
    assert "mark" in found.encoding
    if text:
        sixteen = decode(text.encode("utf-16"))
        assert sixteen
        assert sixteen.text == text


@given(st.binary(max_size=300), st.booleans())
def test_decoding_never_fails(content: bytes, whole: bool) -> None:
    found = decode(content, is_whole=whole)
    assert found is None or isinstance(found.text, str)


def test_encodings_are_named() -> None:
    latin = decode("naïve café, déjà vu".encode("latin-1"))
    assert latin
    assert latin.text == "naïve café, déjà vu"
    assert latin.encoding.startswith("Latin-1")
    assert not latin.is_certain
    damaged = decode("naïve café ".encode() * 20 + b"\xff")
    assert damaged
    assert (damaged.encoding, damaged.damaged) == ("UTF-8", 1)
    bare = decode("plain words".encode("utf-16-le"))
    assert bare
    assert bare.encoding == "UTF-16 (little endian)"
    assert decode(bytes(range(256))) is None
    cut = decode("é".encode()[:1] * 0 + "abcé".encode()[:-1], is_whole=False)
    assert cut
    assert cut.text == "abc"


def test_hidden_order_is_noticed() -> None:
    found = decode("a \u202e b".encode())
    assert found
    assert found.reorders
    plain = decode("عربي".encode())
    assert plain
    assert not plain.reorders
