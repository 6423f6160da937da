"""What a page shows of one file: found out from few of its bytes, within bounds, whatever the bytes are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openshelf.analysis.checkpoints.headers import gguf as gguf_header
from openshelf.analysis.checkpoints.headers import npy as npy_header
from openshelf.analysis.checkpoints.headers import safetensors as safetensors_header
from openshelf.analysis.checkpoints.headers import shard_index
from openshelf.analysis.files import archives, images, json_tree, notebooks, sniffing, texts
from openshelf.analysis.files.ranges import BoundedReader, RangeReader, UnreadableFile, in_memory
from openshelf.analysis.files.sniffing import Kind, Sniffed
from openshelf.analysis.files.texts import Text
from openshelf.analysis.tables import delimited, json_lines
from openshelf.analysis.tables.columnar_messages import ReaderFailed
from openshelf.analysis.tables.table import Table
from openshelf.analysis.tables.table_json import table_from, table_values
from openshelf.domain.tree import Entry
from openshelf.services import columnar
from openshelf.services.fetch import Content
from openshelf.services.hub import Hub

TEXT_BYTES = 500_000
JSON_BYTES = 1_000_000
MARKDOWN_BYTES = 1_000_000
IMAGE_BYTES = 40_000_000
ROWS = 100
READER_VERSION = 2
"""Raised whenever the readers of tables say something else than before about the same bytes."""
_CACHE_ABOVE = 20_000
_COLUMNAR_BYTES = 160 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileView:
    """``view`` names what ``value`` is: text, markdown, image, audio, video, json, shards, table, notebook,
    safetensors, gguf, npy, archive; facts and empty have none.

    ``text``: the start of the file as text, where it is text and that was asked for or is all there is.
    ``is_cut``: whether what is shown is only the start. ``problem``: why it is not shown as what it is.
    """

    sniffed: Sniffed
    view: str
    value: Any = None
    text: Text | None = None
    is_cut: bool = False
    problem: str = ""

    @property
    def kind(self) -> Kind:
        return self.sniffed.kind


@dataclass(frozen=True, slots=True)
class _File:
    hub: Hub
    entry: Entry
    ranges: RangeReader
    head: bytes
    sniffed: Sniffed
    first: int

    def start(self, most: int) -> bytes:
        return self.head if len(self.head) >= min(most, self.ranges.size) else self.ranges.read(0, self.until(most))

    def until(self, most: int) -> int:
        return min(most, self.ranges.size)

    def text(self, most: int) -> Text:
        found = texts.decode(self.start(most), is_whole=self.ranges.size <= most)
        if found is None:
            raise UnreadableFile("only its first part is text; what follows is not")
        return found


def view(hub: Hub, entry: Entry, content: Content, *, as_source: bool = False, first: int = 0) -> FileView:
    """How to show a file; ``as_source`` as the text that it is, ``first`` the first row of a table.

    Raises StorageFault where its bytes are missing or damaged.
    """
    ranges = _ranges(entry, content)
    head = ranges.read(0, min(sniffing.HEAD_BYTES, ranges.size))
    sniffed = sniffing.sniff(head, ranges.size, entry.name)
    file = _File(hub, entry, ranges, head, sniffed, first)
    if sniffed.kind is sniffing.EMPTY:
        return FileView(sniffed, "empty")
    if as_source and is_text(sniffed.kind):
        return _as_text(file, "")
    try:
        return _VIEWERS.get(sniffed.kind.view, _facts)(file)
    except UnreadableFile as error:
        return _as_text(file, str(error)) if is_text(sniffed.kind) else FileView(sniffed, "facts", problem=str(error))


def is_text(kind: Kind) -> bool:
    return kind is sniffing.SVG or kind.view in ("text", "markdown", "notebook", "json", "json_lines", "delimited")


def _ranges(entry: Entry, content: Content) -> BoundedReader:
    if entry.blob is None:
        return in_memory(b"".join(content.read(0, content.size)))
    # The columns of tables cost most; all other readers stop far earlier by themselves.
    return BoundedReader(content.size, lambda start, end: b"".join(content.read(start, end)), _COLUMNAR_BYTES)


def _as_text(file: _File, problem: str) -> FileView:
    try:
        text = file.text(TEXT_BYTES)
    except UnreadableFile as error:
        return FileView(file.sniffed, "facts", problem=problem or str(error))
    return FileView(file.sniffed, "text", None, text, file.ranges.size > TEXT_BYTES, problem)


def _text(file: _File) -> FileView:
    return _as_text(file, "")


def _facts(file: _File) -> FileView:
    return FileView(file.sniffed, "facts")


def _markdown(file: _File) -> FileView:
    text = file.text(MARKDOWN_BYTES)
    return FileView(file.sniffed, "markdown", text.text, None, file.ranges.size > MARKDOWN_BYTES)


def _image(file: _File) -> FileView:
    picture = images.read_picture(file.ranges, file.sniffed.kind)
    if file.ranges.size > IMAGE_BYTES or picture.is_too_large:
        return FileView(file.sniffed, "facts", picture, problem="the picture is too large to be shown on a page")
    return FileView(file.sniffed, "image", picture)


def _media(file: _File) -> FileView:
    return FileView(file.sniffed, file.sniffed.kind.view)


def _json(file: _File) -> FileView:
    is_whole = file.ranges.size <= JSON_BYTES
    if shard_index.is_shard_index(file.entry.name) and file.ranges.size <= shard_index.MAX_BYTES:
        found = shard_index.read_shard_index(file.ranges.read(0, file.ranges.size))
        if found is not None:
            return FileView(file.sniffed, "shards", found)
    tree = json_tree.read_json(file.text(JSON_BYTES).text, is_whole=is_whole)
    return FileView(file.sniffed, "json", tree, is_cut=not tree.is_whole)


def _notebook(file: _File) -> FileView:
    if file.ranges.size > notebooks.MAX_BYTES:
        raise UnreadableFile(f"notebooks of more than {notebooks.MAX_BYTES:,} bytes are shown as text")
    return FileView(file.sniffed, "notebook", notebooks.read_notebook(file.ranges.read(0, file.ranges.size)))


def _delimited(file: _File) -> FileView:
    def read() -> Table:
        text = file.text(delimited.READ_BYTES).text
        whole = file.ranges.size <= delimited.READ_BYTES
        tabs = file.sniffed.kind is sniffing.TSV
        return delimited.read_delimited(
            text, is_whole=whole, size=file.ranges.size, first=file.first, most=ROWS, tabs=tabs
        )

    return _table(file, read)


def _json_lines(file: _File) -> FileView:
    def read() -> Table:
        text = file.text(delimited.READ_BYTES).text
        whole = file.ranges.size <= delimited.READ_BYTES
        return json_lines.read_json_lines(text, is_whole=whole, size=file.ranges.size, first=file.first, most=ROWS)

    return _table(file, read)


def _columnar(file: _File) -> FileView:
    forms = {sniffing.PARQUET: "parquet", sniffing.ARROW: "arrow", sniffing.ARROW_STREAM: "stream"}
    form = forms[file.sniffed.kind]
    return _table(file, lambda: columnar.read(file.ranges, form, file.first, ROWS))


def _table(file: _File, read: Callable[[], Table]) -> FileView:
    """A page of a table, from the cache where it is there. What cannot be read is remembered as well."""
    if file.ranges.size < _CACHE_ABOVE and file.sniffed.kind.view != "columnar":
        return FileView(file.sniffed, "table", read())
    cache, key = (
        file.hub.storage.views,
        f"table {READER_VERSION} {file.entry.etag} {file.sniffed.kind.name} {file.first}",
    )
    known = cache.get(key)
    if known is not None:
        said = json.loads(known)
        if "failure" in said:
            raise UnreadableFile(said["failure"])
        return FileView(file.sniffed, "table", table_from(said))
    try:
        table = read()
    except ReaderFailed:
        raise
    except UnreadableFile as error:
        cache.keep(key, json.dumps({"failure": str(error)}).encode())
        raise
    cache.keep(key, json.dumps(table_values(table)).encode())
    return FileView(file.sniffed, "table", table)


def _safetensors(file: _File) -> FileView:
    return FileView(file.sniffed, "safetensors", safetensors_header.read_safetensors_header(file.ranges))


def _gguf(file: _File) -> FileView:
    return FileView(file.sniffed, "gguf", gguf_header.read_gguf_header(file.ranges))


def _npy(file: _File) -> FileView:
    return FileView(file.sniffed, "npy", npy_header.read_npy_header(file.ranges))


def _zip(file: _File) -> FileView:
    return FileView(file.sniffed, "archive", archives.list_zip(file.ranges))


def _tar(file: _File) -> FileView:
    return FileView(file.sniffed, "archive", archives.list_tar(file.ranges))


_VIEWERS: dict[str, Callable[[_File], FileView]] = {
    "text": _text,
    "markdown": _markdown,
    "image": _image,
    "audio": _media,
    "video": _media,
    "json": _json,
    "json_lines": _json_lines,
    "delimited": _delimited,
    "columnar": _columnar,
    "notebook": _notebook,
    "safetensors": _safetensors,
    "gguf": _gguf,
    "npy": _npy,
    "zip": _zip,
    "tar": _tar,
}
