"""Headers of pictures, directories of archives, notebooks: read right, and never surprised."""

from __future__ import annotations

import base64
import io
import json
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.analysis.files import sniffing
from openshelf.analysis.files.archives import MAX_MEMBERS, list_tar, list_zip
from openshelf.analysis.files.images import Picture, read_picture
from openshelf.analysis.files.notebooks import MAX_IMAGE, read_notebook, without_controls
from openshelf.analysis.files.ranges import BoundedReader, UnreadableFile, in_memory
from openshelf.analysis.files.sniffing import Kind

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 32, 7) + b"\x08\x06\0\0\0" + b"\0" * 4
PICTURES: list[tuple[Kind, bytes, Picture]] = [
    (sniffing.PNG, PNG, Picture(32, 7, True)),
    (sniffing.PNG, PNG + struct.pack(">I4s", 8, b"acTL") + b"\0" * 12, Picture(32, 7, True, True)),
    (sniffing.GIF, b"GIF89a" + struct.pack("<HH", 5, 6) + b"\0\0\0", Picture(5, 6)),
    (sniffing.JPEG, b"\xff\xd8\xff\xe0\0\x04ab\xff\xc2\0\x0b\x08\0\x07\0\x20\x03", Picture(32, 7)),
    (sniffing.WEBP, b"RIFF....WEBPVP8X\x0a\0\0\0\x12\0\0\0\x1f\0\0\x06\0\0", Picture(32, 7, True, True)),
    (sniffing.BMP, b"BM" + b"\0" * 12 + struct.pack("<Iii", 40, 32, -7) + b"\1\0\x18\0", Picture(32, 7)),
    (sniffing.SVG, b'<?xml?><svg viewBox="0 0 32 7">', Picture(32, 7, True)),
    (sniffing.SVG, b'<svg width="32px" height="7">', Picture(32, 7, True)),
    (sniffing.AVIF, b"....ftypavif....ispe\0\0\0\0" + struct.pack(">II", 32, 7), Picture(32, 7)),
]


@pytest.mark.parametrize(("kind", "content", "expected"), PICTURES)
def test_pictures_say_their_size(kind: Kind, content: bytes, expected: Picture) -> None:
    assert read_picture(in_memory(content), kind) == expected


@given(st.sampled_from(PICTURES), st.data())
def test_damaged_pictures_are_refused_or_read(picture: tuple[Kind, bytes, Picture], data: st.DataObject) -> None:
    kind, content, _ = picture
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        if place < len(damaged):
            damaged[place] = data.draw(st.integers(0, 255))
    try:
        assert read_picture(in_memory(bytes(damaged)), kind).width >= 0
    except UnreadableFile as error:
        assert str(error)


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"x" * 1000)
    return buffer.getvalue()


def tarred(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 700
            archive.addfile(member, io.BytesIO(b"x" * 700))
    return buffer.getvalue()


def test_a_zip_is_listed_by_its_directory_alone() -> None:
    content = zipped("a/b.txt", "../out.txt", "ü.txt")
    ranges = BoundedReader(len(content), lambda start, end: content[start:end], budget=2 * len(content))
    found = list_zip(ranges)
    assert [(member.name, member.size, member.method) for member in found.members] == [
        ("a/b.txt", 1000, "deflate"), ("../out.txt", 1000, "deflate"), ("ü.txt", 1000, "deflate"),
    ]  # fmt: skip
    assert "leads out" in found.members[1].note
    assert found.total == 3
    assert list_zip(in_memory(b"front" + content)).problems


def test_many_members_are_cut() -> None:
    found = list_zip(in_memory(zipped(*(f"{number}.txt" for number in range(MAX_MEMBERS + 5)))))
    assert (len(found.members), found.total, found.is_cut) == (MAX_MEMBERS, MAX_MEMBERS + 5, True)


def test_a_tar_is_listed_header_by_header() -> None:
    long = "n" * 300
    found = list_tar(in_memory(tarred("a.txt", long)))
    assert [(member.name, member.size) for member in found.members] == [("a.txt", 700), (long, 700)]
    assert found.total == 2
    assert list_tar(in_memory(tarred("a.txt", "b.txt")[:1600])).problems


def test_a_tar_that_asks_for_much_memory_is_refused() -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 8 * 10**9
    block = header.tobuf(tarfile.USTAR_FORMAT)
    ranges = BoundedReader(10**11, lambda start, end: (block + b"\0" * 10**6)[start:end], budget=10**12)
    with pytest.raises(UnreadableFile, match="asks to read"):
        list_tar(ranges)


@settings(max_examples=150)
@given(st.sampled_from([zipped("a.txt", "b/c.txt"), tarred("a.txt", "b.txt")]), st.data())
def test_damaged_archives_are_refused_or_read(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content[: data.draw(st.integers(1, len(content)))])
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    for read in (list_zip, list_tar):
        try:
            assert read(in_memory(bytes(damaged))).members is not None
        except UnreadableFile as error:
            assert str(error)


def notebook(*outputs: object) -> bytes:
    cell = {"cell_type": "code", "execution_count": 3, "source": ["a = 1\n", "a"], "outputs": list(outputs)}
    return json.dumps({"cells": [cell], "metadata": {"kernelspec": {"display_name": "Python 3"}}}).encode()


def test_outputs_of_a_notebook() -> None:
    picture = base64.b64encode(PNG).decode()
    found = read_notebook(
        notebook(
            {"output_type": "stream", "text": ["10%\r100%\n", "\x1b[31mred\x1b[0m\n"]},
            {"output_type": "display_data", "data": {"image/png": picture[:8] + "\n" + picture[8:]}},
            {"output_type": "display_data", "data": {"image/png": base64.b64encode(b"<svg>").decode()}},
            {"output_type": "display_data", "data": {"image/png": "A" * (MAX_IMAGE + 4)}},
            {"output_type": "execute_result", "data": {"text/html": "<b>x</b>", "text/plain": "x"}},
            {"output_type": "error", "ename": "E", "traceback": ["\x1b[0;31mE\x1b[0m", "last"]},
            {"output_type": "display_data", "data": {"application/javascript": "alert(1)"}},
        )
    )
    outputs = found.cells[0].outputs
    kinds = [one.kind for one in outputs]
    assert kinds == ["text", "image", "left_out", "left_out", "html", "error", "left_out"]
    assert outputs[0].text == "100%\nred\n"
    assert outputs[1].text == picture
    assert outputs[5].text == "E\nlast"
    assert (found.kernel, found.cells[0].source, found.cells[0].number) == ("Python 3", "a = 1\na", 3)


def test_old_notebooks_are_read() -> None:
    cells = [{"cell_type": "heading", "level": 2, "source": "T"}, {"cell_type": "code", "input": "1", "outputs": []}]
    found = read_notebook(json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}).encode())
    assert [(cell.kind, cell.source) for cell in found.cells] == [("markdown", "## T"), ("code", "1")]


JUNK = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                "cells cell_type source outputs output_type data text metadata kernelspec image/png text/html "
                "worksheets traceback level language_info name".split()
            ),
            inner | st.sampled_from(["code", "markdown", "stream", "error", "display_data"]),
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JUNK)
def test_anything_may_stand_where_a_notebook_should(value: object) -> None:
    try:
        assert read_notebook(json.dumps(value).encode()).total >= 0
    except UnreadableFile as error:
        assert str(error)


@given(st.text(alphabet="\x1b[]m0;31\r\nab\x07", max_size=200))
def test_no_control_of_a_terminal_is_left(text: str) -> None:
    assert not set(without_controls(text)) & {"\x1b", "\r"}
