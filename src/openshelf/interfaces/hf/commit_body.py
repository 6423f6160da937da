"""The body of a commit: JSON values, one a line, taken in as they arrive."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openshelf.domain.tree import AddBlob, Change, DeleteFile, DeleteFolder, is_sha256
from openshelf.errors import Invalid, InvalidChange, TooLarge

Store = Callable[[str, bytes], Change]
_SLACK_BYTES = 64 * 1024
_MAX_TEXT = 100_000


@dataclass(slots=True)
class CommitBody:
    """Write bytes to it, then ``finish``. ``store`` makes the change that adds a file with given bytes.

    Files are handed to ``store`` at once, so that one line at most is held. Raises Invalid for what is not in the
    format, InvalidChange for a line longer than a file of ``max_inline_bytes`` makes it, TooLarge past
    ``max_changes``.
    """

    store: Store
    max_inline_bytes: int
    max_changes: int
    title: str = ""
    description: str = ""
    parent: str | None = None
    changes: list[Change] = field(default_factory=list)
    _pieces: list[bytes] = field(default_factory=list)
    _held: int = 0
    _line: int = 0

    def write(self, data: bytes, /) -> None:
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._hold(data[start:end])
            self._end_line()
            start = end + 1
        self._hold(data[start:])

    def finish(self) -> None:
        """The body is complete. Raises Invalid where it had no header."""
        self._end_line()
        if self._line == 0:
            raise Invalid("A commit begins with a line that has the key 'header'; this one is empty.")

    def _hold(self, piece: bytes) -> None:
        self._held += len(piece)
        if self._held > self.max_inline_bytes * 4 // 3 + _SLACK_BYTES:
            raise InvalidChange(
                f"Line {self._line + 1} of this commit is too long: files above {self.max_inline_bytes} bytes must be "
                "sent through LFS or Xet."
            )
        if piece:
            self._pieces.append(piece)

    def _end_line(self) -> None:
        line = b"".join(self._pieces)
        self._pieces, self._held = [], 0
        if not line.strip():
            return
        self._line += 1
        try:
            item = json.loads(line)
            key, value = item["key"], item["value"]
        except (ValueError, RecursionError, KeyError, TypeError):
            raise self._wrong("is not a JSON object with `key` and `value`") from None
        if not isinstance(value, dict):
            raise self._wrong("has a `value` that is not an object")
        if (key == "header") != (self._line == 1):
            raise self._wrong("must be the header" if self._line == 1 else "is a second header")
        if key == "header":
            self._take_header(value)
        else:
            if len(self.changes) >= self.max_changes:
                raise TooLarge(f"One commit may have at most {self.max_changes} changes. Split it.")
            self.changes.append(self._change(key, value))

    def _take_header(self, value: dict[str, Any]) -> None:
        self.title = self._text(value, "summary")
        self.description = self._text(value, "description", "")
        self.parent = self._text(value, "parentCommit", "") or None

    def _change(self, key: Any, value: dict[str, Any]) -> Change:
        path = self._text(value, "path")
        match key:
            case "file":
                return self.store(_clean(path), self._content(value))
            case "lfsFile":
                return self._add_blob(_clean(path), value)
            case "deletedFile":
                return DeleteFile(_clean(path))
            case "deletedFolder":
                return DeleteFolder(_clean(path).strip("/").removeprefix("."))
            case _:
                raise self._wrong(f"has the unknown key {str(key)[:80]!r}")

    def _add_blob(self, path: str, value: dict[str, Any]) -> Change:
        oid, size = self._text(value, "oid"), value.get("size")
        if value.get("algo", "sha256") != "sha256" or not is_sha256(oid):
            raise self._wrong("names a file by something else than a sha256")
        if size is not None and (type(size) is not int or size < 0):
            raise self._wrong("has a `size` that is not a number of bytes")
        return AddBlob(path, oid, size)

    def _content(self, value: dict[str, Any]) -> bytes:
        content, encoding = value.get("content", ""), value.get("encoding", "utf-8")
        if not isinstance(content, str) or encoding not in ("base64", "utf-8"):
            raise self._wrong("must have its `content` as text, with the `encoding` base64 or utf-8")
        try:
            return base64.b64decode(content, validate=True) if encoding == "base64" else content.encode()
        except (binascii.Error, ValueError):
            raise self._wrong(f"has `content` that is not {encoding}") from None

    def _text(self, value: dict[str, Any], name: str, default: str | None = None) -> str:
        text = value.get(name, default)
        if text is None:
            text = default
        if not isinstance(text, str) or len(text) > _MAX_TEXT:
            raise self._wrong(f"needs a text called `{name}`")
        return text

    def _wrong(self, what: str) -> Invalid:
        return Invalid(f"Line {max(self._line, 1)} of this commit {what}.")


def _clean(path: str) -> str:
    """``path`` without the ``./`` or ``/`` that some clients put before it."""
    return path.removeprefix("./").removeprefix("/")
