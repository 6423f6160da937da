"""The page of one file: each viewer, what is said of damage and disguise, links, limits, safety."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Visibility
from openshelf.services import columnar
from openshelf.services.hub import Hub
from tests.interfaces.web.test_files import add_blob
from tests.interfaces.web.visitors import Visitor, elements, make_repo

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 32, 7) + b"\x08\x06\0\0\0" + b"\0" * 4
HEADER = json.dumps({"w<b>": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
SAFETENSORS = struct.pack("<Q", len(HEADER)) + HEADER + b"\0" * 24


def show(hub: Hub, visitor: Visitor, name: str, content: bytes, query: str = "") -> str:
    make_repo(hub, "alice", "model", {name: content})
    return visitor.text(f"/alice/model/blob/main/{name}{query}")


def test_lines_are_links_and_long_texts_begin(hub: Hub, stranger: Visitor) -> None:
    page = show(hub, stranger, "long.txt", b"word \n" * 100_000)
    ids = {element.attributes.get("id") for element in elements(page)}
    assert {"L1", "L10000"} <= ids
    assert "L10001" not in ids
    assert 'href="#L7"' in page
    assert "This is the start of the file" in page
    assert 'href="/alice/model/resolve/main/long.txt"' in page
    wide = show_again(hub, stranger, "wide.txt", b"start " + b"x" * 100_000)
    assert "the rest of this line is not shown" in wide
    assert "1 long line is shown in part" in wide
    assert len(wide) < 60_000


def show_again(hub: Hub, visitor: Visitor, name: str, content: bytes, query: str = "") -> str:
    make_repo(hub, "alice", f"r{abs(hash((name, content)))}", {name: content})
    return visitor.text(f"/alice/r{abs(hash((name, content)))}/blob/main/{name}{query}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("é".encode("latin-1") + b" words", ("Latin-1 (Windows-1252)", "guessed", "é words")),
        ("€ sign".encode("utf-16"), ("UTF-16 (little endian)", "€ sign")),
        (b"\xef\xbb\xbfmarked", ("UTF-8 with a byte order mark", ">marked")),
        ("naïve ".encode() * 20 + b"\xff", ("1 character is not valid UTF-8",)),
        ("a \u202e b".encode(), ("invisible characters",)),
    ],
)
def test_encodings_are_said(hub: Hub, stranger: Visitor, content: bytes, words: tuple[str, ...]) -> None:
    page = show(hub, stranger, "words.txt", content)
    for word in words:
        assert word in page


def test_markdown_lies_where_it_lies(hub: Hub, stranger: Visitor) -> None:
    text = b"---\nlicense: mit\n---\n# Notes\n\n![p](../plots/a.png) [c](run.py) <script>alert(1)</script>"
    page = show(hub, stranger, "docs/notes.md", text)
    assert 'src="/alice/model/resolve/main/plots/a.png"' in page
    assert 'href="/alice/model/blob/main/docs/run.py"' in page
    assert "alert(1)" not in page
    assert "license: mit" not in page
    source = stranger.text("/alice/model/blob/main/docs/notes.md?view=source")
    assert "license" in source
    assert 'id="L1"' in source
    assert 'href="/alice/model/blob/main/docs/notes.md?view=source" aria-current="page"' in source


def test_pictures(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"plots/loss curve.png": PNG, "cut.png": PNG[:18], "a.svg": b"<svg/>"})
    page = stranger.text("/alice/model/blob/main/plots/loss%20curve.png")
    assert f'src="/alice/model/resolve/{repo.head}/plots/loss%20curve.png"' in page
    assert "32 × 7 pixels" in page
    assert "see-through" in page
    cut = stranger.text("/alice/model/blob/main/cut.png")
    assert "The header ends at byte 18" in cut
    assert "/alice/model/resolve/main/cut.png?download=true" in cut
    assert "<img" in stranger.text("/alice/model/blob/main/a.svg")
    assert "&lt;" in stranger.text("/alice/model/blob/main/a.svg?view=source")


def test_drawings_are_sent_as_pictures_in_a_sandbox(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "model", {"a.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"})
    answer = stranger.get("/alice/model/resolve/main/a.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


def test_sound_and_film(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "model", {"a.wav": b"RIFF\0\0\0\0WAVEfmt ", "a.mp4": b"\0\0\0\x20ftypisom\0\0\0\0"})
    answer = stranger.get("/alice/model/blob/main/a.wav")
    assert "<audio controls" in answer.text
    assert "media-src 'self'" in answer.headers["content-security-policy"]
    assert "<video controls" in stranger.text("/alice/model/blob/main/a.mp4")
    part = stranger.get("/alice/model/resolve/main/a.wav", range="bytes=0-3")
    assert (part.status_code, part.content) == (206, b"RIFF")


def test_json_as_a_tree(hub: Hub, stranger: Visitor) -> None:
    page = show(hub, stranger, "config.json", b'{"n": 12345678901234567890123, "<b>": "<i>", "list": [1.50, {}]}')
    assert "12345678901234567890123" in page
    assert "1.50" in page
    assert "&lt;b&gt;" in page
    assert "<i>" not in page
    assert page.count("<details") > 2


def test_damaged_files_are_told_of_and_shown_as_text(hub: Hub, stranger: Visitor) -> None:
    page = show(hub, stranger, "broken.json", b'{\n "a": 1,\n}')
    assert "could not be read as: JSON" in page
    assert "Line 3, column 2: } does not belong here." in page
    assert 'id="L3"' in page


def test_the_index_of_shards(hub: Hub, stranger: Visitor) -> None:
    index = {"metadata": {"total_size": 5_000_000}, "weight_map": {"a": "m-1.safetensors", "b": "m-1.safetensors"}}
    page = show(hub, stranger, "x/m.safetensors.index.json", json.dumps(index).encode())
    assert 'href="/alice/model/blob/main/x/m-1.safetensors"' in page
    assert "5.00 MB" in page


def test_tables_in_text(hub: Hub, stranger: Visitor) -> None:
    rows = "".join(f"{number};<b>{number % 3};\n" for number in range(250))
    page = show(hub, stranger, "rows.csv", ("id;word;none\n" + rows).encode())
    assert "Rows 1 to 100 of 250" in page
    assert "semicolon" in page
    assert "&lt;b&gt;2" in page
    assert "<title" in page
    assert "<desc" in page
    assert 'rel="next" href="/alice/model/blob/main/rows.csv?p=1"' in page
    last = stranger.text("/alice/model/blob/main/rows.csv?p=2")
    assert "Rows 201 to 250 of 250" in last
    assert 'rel="prev"' in last
    assert "There are no rows here" in stranger.text("/alice/model/blob/main/rows.csv?p=999999999")


def test_json_lines_as_rows(hub: Hub, stranger: Visitor) -> None:
    page = show(hub, stranger, "rows.jsonl", b'{"a": 1}\n{"a": 2, "b": "x"}\n')
    assert "Rows 1 to 2 of 2" in page
    assert '<bdi class="column-name">b</bdi>' in page


def test_parquet_is_read_once(hub: Hub, stranger: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": range(250), "word": ["<i>calm"] * 250}), buffer)
    repo = make_repo(hub, "alice", "data", kind=RepoKind.DATASET)
    add_blob(hub, repo, "train.parquet", buffer.getvalue())
    add_blob(hub, repo, "damaged.parquet", buffer.getvalue()[:-20] + b"\0" * 16 + b"PAR1")
    page = stranger.text("/datasets/alice/data/blob/main/train.parquet")
    assert "Rows 1 to 100 of 250" in page
    assert "&lt;i&gt;calm" in page
    assert "int64" in page
    damaged = stranger.text("/datasets/alice/data/blob/main/damaged.parquet")
    assert "could not be read as: Parquet" in damaged
    assert "/datasets/alice/data/resolve/main/damaged.parquet?download=true" in damaged

    monkeypatch.setattr(columnar, "_PROGRAM", "openshelf.no_such_program")
    assert "Rows 1 to 100 of 250" in stranger.text("/datasets/alice/data/blob/main/train.parquet")
    assert "could not be read as: Parquet" in stranger.text("/datasets/alice/data/blob/main/damaged.parquet")
    assert "too much memory or time" in stranger.text("/datasets/alice/data/blob/main/train.parquet?p=1")
    monkeypatch.undo()
    assert "Rows 101 to 200 of 250" in stranger.text("/datasets/alice/data/blob/main/train.parquet?p=1")


def test_what_is_remembered_of_private_files_stays_private(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    rows = ("id,word\n" + "1,secret\n" * 5_000).encode()
    make_repo(hub, "alice", "hidden", {"rows.csv": rows}, visibility=Visibility.PRIVATE)
    assert "secret" in alice.text("/alice/hidden/blob/main/rows.csv")
    assert any(hub.storage.views.folder.glob("*/*"))
    assert stranger.get("/alice/hidden/blob/main/rows.csv").status_code == 404


def test_notebooks(hub: Hub, stranger: Visitor) -> None:
    outputs = [
        {"output_type": "display_data", "data": {"image/png": base64.b64encode(PNG).decode()}},
        {"output_type": "execute_result", "data": {"text/html": "<table><tr><td>1<script>alert(1)</script></table>"}},
        {"output_type": "error", "traceback": ["\x1b[31mZeroDivisionError\x1b[0m"]},
    ]
    cells = [
        {"cell_type": "markdown", "source": "# A *title* <img src=x onerror=alert(2)>"},
        {"cell_type": "code", "execution_count": 7, "source": "print('<b>')", "outputs": outputs},
    ]
    page = show(hub, stranger, "a.ipynb", json.dumps({"cells": cells}).encode())
    assert "<em>title</em>" in page
    assert "[7]" in page
    assert "data:image/png;base64," in page
    assert "<td>1" in page
    assert "alert(" not in page
    assert "ZeroDivisionError" in page
    assert "\x1b" not in page
    broken = show_again(hub, stranger, "b.ipynb", b'{"no": "cells"}')
    assert "has no list of cells" in broken
    assert 'id="L1"' in broken


def test_headers_of_weights(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "model", {"a.safetensors": SAFETENSORS, "cut.safetensors": SAFETENSORS[:-5]})
    page = stranger.text("/alice/model/blob/main/a.safetensors")
    assert "6 parameters in 1 tensor" in page
    assert "w&lt;b&gt;" in page
    assert "2 × 3" in page
    cut = stranger.text("/alice/model/blob/main/cut.safetensors")
    assert "not as the format asks for" in cut
    assert "it is cut off" in cut


def test_arrays_and_archives(hub: Hub, stranger: Visitor) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../<b>.txt", "x")
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }"
    array = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header
    make_repo(hub, "alice", "model", {"a.zip": buffer.getvalue(), "a.npy": array})
    page = stranger.text("/alice/model/blob/main/a.zip")
    assert "../&lt;b&gt;.txt" in page
    assert "leads out of the folder" in page
    assert "This array holds Python objects" in stranger.text("/alice/model/blob/main/a.npy")


def test_disguises_are_named(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "model", {"a.png": b"<script>alert(1)</script>", "data.dat": b"\0\1", "a.json": b"\0\1"})
    page = stranger.text("/alice/model/blob/main/a.png")
    assert "The name does not fit the content." in page
    assert "By its name: PNG image. By its bytes: text." in page
    assert "<script>alert" not in page
    plain = stranger.text("/alice/model/blob/main/data.dat")
    assert "does not fit" not in plain
    assert "not shown here: binary data" in plain
    assert "hf download alice/model data.dat" in plain
    assert "By its name: JSON" in stranger.text("/alice/model/blob/main/a.json")


def test_links_of_a_file(hub: Hub, stranger: Visitor, alice: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"run.py": b"x = 1\n"})
    page, own = stranger.text("/alice/model/blob/main/run.py"), alice.text("/alice/model/blob/main/run.py")
    for address in (
        "/alice/model/resolve/main/run.py",
        "/alice/model/commits/main/run.py",
        f"/alice/model/blob/{repo.head}/run.py",
    ):
        assert f'href="{address}"' in page
    assert "/alice/model/edit/main/run.py" not in page
    assert 'href="/alice/model/edit/main/run.py"' in own
    assert 'href="/alice/model/delete/main/run.py"' in own
    at_commit = alice.text(f"/alice/model/blob/{repo.head}/run.py")
    assert "/edit/" not in at_commit
    assert "data-permalink" not in at_commit


def test_pages_are_light(hub: Hub, stranger: Visitor) -> None:
    page = show(hub, stranger, "a.txt", b"x")
    assert len(page) < 12_000
    assert not re.search(r" (?:style|on\w+)=", page)
