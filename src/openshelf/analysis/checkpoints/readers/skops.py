"""skops archives of scikit-learn: ``schema.json`` describes objects, ``ID.npy`` are their arrays; nothing is loaded.

Source: the files that ``skops.io.dump`` of skops 0.16 writes, protocol 2 and before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from openshelf.analysis.checkpoints.checkpoint import Listing, Role
from openshelf.analysis.checkpoints.containers.zip_directory import (
    ZipDirectory,
    ZipMember,
    is_zip,
    member_bytes,
    peek_directory,
    read_member,
    read_zip,
)
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.headers.npy import read_npy_header
from openshelf.analysis.checkpoints.pickles.arrays import named_type
from openshelf.analysis.checkpoints.pickles.listing import listing_of
from openshelf.analysis.checkpoints.pickles.stored_arrays import Storage, StoredArray, contiguous, fortran
from openshelf.analysis.files.ranges import BoundedReader, UnreadableFile

SCHEMA = "schema.json"
MAX_SCHEMA = 64 * 1024 * 1024
MAX_NODES = 1_000_000
MAX_DEPTH = 300
MAX_NAMES = 32 * 1024 * 1024
_MAX_TOLD = 1000
# What stands in a node besides the node or nodes that make its value.
_ABOUT = frozenset(("__class__", "__module__", "__loader__", "__id__", "key_types", "protocol", "_skops_version"))


@dataclass(slots=True)
class _Schema:
    """What is found on the way through the description of ``file``."""

    file: OpenFile
    name: str
    directory: ZipDirectory
    found: list[tuple[str, Role, StoredArray]] = field(default_factory=list)
    classes: dict[str, None] = field(default_factory=dict)
    estimators: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    arrays: dict[str, StoredArray | None] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    nodes: int = 0
    letters: int = 0

    def go(self, value: Any, path: str, depth: int = 0) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise UnreadableCheckpoint(self.name, f"its {SCHEMA} has more than {MAX_NODES:,} nodes, or too deep ones")
        if isinstance(value, dict) and isinstance(value.get("__loader__"), str):
            self._node(value, path, depth)
        elif isinstance(value, dict):
            for key, child in value.items():
                self.go(child, _joined(path, key), depth + 1)
        elif isinstance(value, list):
            for number, child in enumerate(value):
                self.go(child, _joined(path, str(number)), depth + 1)

    def _node(self, node: dict[str, Any], path: str, depth: int) -> None:
        called = f"{_text(node.get('__module__'))}.{_text(node.get('__class__'))}"
        self.classes.setdefault(called)
        file = node.get("file")
        if isinstance(file, str) and file.endswith(".npy"):
            self._array(file, path)
        elif isinstance(file, str):
            self._problem(f"{path}: its values are in {file[:100]!r}, which is not read")
        elif node["__loader__"] == "ObjectNode":
            self._estimator(node, called, path)
        for key, child in node.items():
            if key not in _ABOUT and isinstance(child, (dict, list)):
                self.go(child, path if key == "content" else _joined(path, key), depth + 1)

    def _estimator(self, node: dict[str, Any], called: str, path: str) -> None:
        state: Any = node.get("content")
        state = state.get("content") if isinstance(state, dict) else None
        version = state.get("_sklearn_version") if isinstance(state, dict) else None
        written = version.get("content") if isinstance(version, dict) else None
        if isinstance(written, str) and len(self.estimators) < _MAX_TOLD:
            self.estimators.append({"name": path, "class": called, "version": written.strip('"')[:50]})

    def _array(self, file: str, path: str) -> None:
        if file not in self.arrays:
            self.arrays[file] = self._read(file)
        array = self.arrays[file]
        if array is None:
            return
        name = path or "array"
        self.letters += len(name)
        if name in self.names or self.letters > MAX_NAMES:
            raise UnreadableCheckpoint(self.name, f"two arrays are called {name[:200]!r}, or names are too long")
        self.names.add(name)
        self.found.append((name, Role.WEIGHT, array))

    def _read(self, file: str) -> StoredArray | None:
        member = self.directory.members.get(file)
        if member is None:
            raise UnreadableCheckpoint(self.name, f"its {SCHEMA} names {file[:200]!r}, which is not there")
        try:
            return self._described(file, member)
        except UnreadableCheckpoint:
            raise
        except (UnreadableFile, ValueError, KeyError) as error:
            reason = f"in the member {file[:200]!r}: {error}"
            raise UnreadableCheckpoint(self.name, reason, member.offset) from None

    def _described(self, file: str, member: ZipMember) -> StoredArray | None:
        def piece(start: int, end: int) -> bytes:
            return member_bytes(self.file, self.name, member, start, end)

        header = read_npy_header(BoundedReader(member.size, piece))
        if header.has_objects or not header.dtype[:1].isascii() or header.dtype[:1] in "[{(":
            self._problem(f"{file[:100]!r} holds Python objects or records, which are not read")
            return None
        dtype, is_big = named_type(header.dtype)
        storage = Storage(
            member.size, member.offset if member.is_stored else None, None if member.is_stored else member
        )
        order = fortran if header.is_fortran else contiguous
        found = StoredArray(dtype, header.shape, order(header.shape), storage, header.data_start, is_big_endian=is_big)
        if found.end > member.size:
            raise UnreadableFile(f"its array needs {found.end:,} bytes, and {member.size:,} are there")
        return found

    def _problem(self, reason: str) -> None:
        if len(self.problems) < 100:
            self.problems.append(reason[:500])


def matches(file: OpenFile) -> bool:
    return is_zip(file) and SCHEMA.encode() in peek_directory(file)


def read(files: Files, name: str) -> Listing:
    file = files.open(name)
    directory = read_zip(file, name)
    try:
        described = json.loads(read_member(file, directory, SCHEMA, MAX_SCHEMA))
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnreadableCheckpoint):
            raise
        raise UnreadableCheckpoint(name, f"its {SCHEMA} is not JSON that can be read") from None
    if not isinstance(described, dict) or "__loader__" not in described:
        raise UnreadableCheckpoint(name, f"its {SCHEMA} does not describe an object of skops")
    schema = _Schema(file, name, directory)
    schema.go(described, "")
    metadata = {
        "globals": list(schema.classes)[:_MAX_TOLD],
        "estimators": schema.estimators,
        "protocol": described["protocol"] if type(described.get("protocol")) is int else None,
    }
    listing = listing_of("skops", name, schema.found, read, metadata, schema.problems)
    fitted = schema.estimators[0]["version"] if schema.estimators else ""
    told = {"skops": _text(described.get("_skops_version")), "scikit-learn": fitted}
    versions = {program: version for program, version in told.items() if version}
    return replace(listing, versions=versions, architecture=_text(described.get("__class__")) or None)


def _text(value: Any) -> str:
    return value[:250] if isinstance(value, str) else ""


def _joined(path: str, part: str) -> str:
    return f"{path}.{part[:4096]}" if path else part[:4096]


FORMAT = Format("skops", "a skops archive", matches, read)
