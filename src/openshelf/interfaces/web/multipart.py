"""Forms with files (RFC 7578), taken in as they arrive: fields are held, the bytes of files handed on at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from openshelf.errors import Invalid, TooLarge

MAX_FIELDS = 100
MAX_FIELD_BYTES = 256 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_FILES = 1000


class FileSink(Protocol):
    def write(self, data: bytes, /) -> object: ...


OpenFile = Callable[[str], FileSink]


@dataclass(slots=True)
class MultipartForm:
    """Write the body to it, then ``finish``. ``open_file`` is called with the name of each file before its bytes come.

    Fields that stand before a file in the form are in ``fields`` by then. Raises Invalid for what is no such form,
    TooLarge past the limits above; ``open_file`` may raise what it likes.
    """

    boundary: bytes
    open_file: OpenFile
    fields: dict[str, str] = field(default_factory=dict)
    files: int = 0
    _parser: MultipartParser = field(init=False)
    _header: list[bytearray] = field(init=False)
    _headers: dict[str, bytes] = field(default_factory=dict)
    _name: str = ""
    _held: bytearray = field(default_factory=bytearray)
    _file: FileSink | None = None
    _is_ended: bool = False

    def __post_init__(self) -> None:
        self._header = [bytearray(), bytearray()]
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._take_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._take_header(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": lambda data, start, end: self._take(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._finish,
        }
        self._parser = MultipartParser(self.boundary, callbacks)  # type: ignore[arg-type]

    def write(self, data: bytes, /) -> None:
        try:
            self._parser.write(data)
        except FormParserError:
            raise _unreadable() from None

    def finish(self) -> None:
        """The body is complete. Raises Invalid where the form is not."""
        if not self._is_ended:
            raise _unreadable()

    def _begin(self) -> None:
        self._headers, self._held, self._file = {}, bytearray(), None

    def _take_header(self, which: int, data: bytes) -> None:
        self._header[which] += data
        if len(self._header[which]) > MAX_HEADER_BYTES or len(self._headers) > 20:
            raise _unreadable()

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = bytes(value)
        self._header = [bytearray(), bytearray()]

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        name = options.get(b"filename")
        if name is None:
            if len(self.fields) >= MAX_FIELDS:
                raise TooLarge(f"A form may have at most {MAX_FIELDS} fields.")
            return
        self._file = _Nothing()
        if name:
            self.files += 1
            if self.files > MAX_FILES:
                raise TooLarge(f"A form may have at most {MAX_FILES} files; send more of them with the client.")
            self._file = self.open_file(name.decode("utf-8", "replace"))

    def _take(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
            return
        self._held += data
        if len(self._held) > MAX_FIELD_BYTES:
            raise TooLarge(f"The field {self._name[:80]!r} of this form is too long.")

    def _end(self) -> None:
        if self._file is None and self._name not in self.fields:
            text = self._held.decode("utf-8", "replace")
            self.fields[self._name] = text.replace("\r\n", "\n").replace("\0", "")
        self._file = None

    def _finish(self) -> None:
        self._is_ended = True


class _Nothing:
    """Where nobody chose a file, browsers send one without name and bytes."""

    def write(self, data: bytes, /) -> None:
        if data:
            raise _unreadable()


def boundary_of(request: Request) -> bytes:
    """The boundary that the request announces. Raises Invalid where it carries no such form."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 200:
        raise Invalid("This address takes forms of this hub's pages; programs use the JSON API.")
    return boundary


def _unreadable() -> Invalid:
    return Invalid("The form could not be read; reload the page and send it again.")
