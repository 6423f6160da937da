"""The JSON of a safetensors header: decoded by type where it is in order, and gone through with care where it is not.

Listing a model is mostly the reading of this text, so a header as writers write it is decoded straight into entries,
every type and bound checked on the way. Whatever that refuses is read again by plain means: these say what is wrong
and where, and take what is allowed but rare. They alone judge; the quick way may only ever give what they would give.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from openshelf.analysis.files.ranges import UnreadableFile

MAX_DIMENSIONS = 32
METADATA = "__metadata__"
_BEGINS_WITH_METADATA = re.compile(r'[ \t\n\r]*\{[ \t\n\r]*"__metadata__"[ \t\n\r]*:[ \t\n\r]*')
_GOES_ON = re.compile(r"[ \t\n\r]*,")
_QUOTES = 10
"""Quotation marks of an entry: five texts, its name, its type, and the names of its three values."""

Size = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Entry(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What the header says of one tensor; ``data_offsets`` count from the byte after the header."""

    dtype: str
    shape: Annotated[tuple[Size, ...], msgspec.Meta(max_length=MAX_DIMENSIONS)]
    data_offsets: tuple[Size, Size]


_QUICK = msgspec.json.Decoder(dict[str, Entry])


class DuplicateName(UnreadableFile):
    """A name that stands twice in the header: readers would disagree on which tensor it means."""


def read_entries(header: bytes) -> tuple[Mapping[str, Entry], Mapping[str, str]]:
    """The tensors by name, and the metadata. Raises UnreadableFile where it is malformed, DuplicateName."""
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"the header is not UTF-8 at byte {8 + error.start:,}") from None
    return _quick(text) or _careful(text)


def _quick(text: str) -> tuple[Mapping[str, Entry], Mapping[str, str]] | None:
    """None where the header is not written as is usual, or is wrong."""
    metadata: dict[str, str] = {}
    try:
        if found := _BEGINS_WITH_METADATA.match(text):
            read, end = _JSON.raw_decode(text, found.end())
            metadata = _metadata(read)
            rest = _GOES_ON.match(text, end)
            if rest is None:
                return None
            text = "{" + text[rest.end() :]
        entries = _QUICK.decode(text)
    except (ValueError, RecursionError):
        return None
    # A name that stands twice leaves one entry, but all its quotation marks; an escaped one only adds to them.
    if not entries or METADATA in entries or text.count('"') != _QUOTES * len(entries):
        return None
    return entries, metadata


def _careful(text: str) -> tuple[Mapping[str, Entry], Mapping[str, str]]:
    try:
        found = _JSON.decode(text)
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"the header is not JSON at byte {8 + error.pos:,}: {error.msg}") from None
    except RecursionError:
        raise UnreadableFile("the header is nested too deep") from None
    except ValueError as error:
        raise (
            error if isinstance(error, UnreadableFile) else UnreadableFile(f"the header is malformed: {error}")
        ) from None
    if not isinstance(found, dict):
        raise UnreadableFile("the header is not a JSON object")
    metadata = _metadata(found.pop(METADATA, {}))
    return {name: _entry(name, entry) for name, entry in found.items()}, metadata


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise DuplicateName(f"the header has the name {name[:200]!r} twice")
            seen.add(name)
    return found


def _no_number(word: str) -> Any:
    raise UnreadableFile(f"the header has {word}, which is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)


def _metadata(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UnreadableFile(f"{METADATA} in the header must be names with texts")
    return found


def _entry(name: str, entry: Any) -> Entry:
    try:
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError):
        raise _wrong(name, _missing(entry)) from None
    if type(dtype) is not str:
        raise _wrong(name, "has no dtype")
    if type(shape) is not list or len(shape) > MAX_DIMENSIONS or not _are_sizes(shape):
        raise _wrong(name, "has no proper shape")
    if type(offsets) is not list or len(offsets) != 2 or not _are_sizes(offsets):
        raise _wrong(name, "has no proper data_offsets")
    return Entry(dtype, tuple(shape), (offsets[0], offsets[1]))


def _wrong(name: str, why: str) -> UnreadableFile:
    return UnreadableFile(f"the tensor {name[:200]!r} in the header {why}")


def _missing(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "is not an object"
    missing = next(key for key in ("dtype", "shape", "data_offsets") if key not in entry)
    return "has no dtype" if missing == "dtype" else f"has no proper {missing}"


def _are_sizes(values: list[Any]) -> bool:
    return all(type(value) is int and 0 <= value < 1 << 63 for value in values)
