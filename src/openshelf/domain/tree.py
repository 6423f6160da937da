"""What a Revision holds: Entries and Blobs, and the Changes that make the next one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

POINTER_VERSION = "https://git-lfs.github.com/spec/v1"
MAX_POINTER_BYTES = 1024

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]+\n)*"
    rb"oid sha256:([0-9a-f]{64})\nsize (\d{1,19})\n?\Z"
)
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def is_sha256(text: str) -> bool:
    return bool(_SHA256.match(text))


@dataclass(frozen=True, slots=True)
class Blob:
    """Immutable bytes outside git: sha256 in hex, size in bytes."""

    sha256: str
    size: int

    def pointer(self) -> bytes:
        """The git-lfs pointer file (spec v1) that stands for this blob in a tree."""
        return f"version {POINTER_VERSION}\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    @staticmethod
    def from_pointer(content: bytes) -> Blob | None:
        """The blob that a pointer file names, or None where ``content`` is not a pointer."""
        if len(content) > MAX_POINTER_BYTES:
            return None
        match = _POINTER.match(content)
        return Blob(match[1].decode(), int(match[2])) if match else None


@dataclass(frozen=True, slots=True)
class Entry:
    """One path at a Revision. ``size`` is that of the file a reader gets; ``oid`` the git id in the tree."""

    path: str
    oid: str
    size: int
    is_folder: bool = False
    blob: Blob | None = None
    is_executable: bool = False
    is_symlink: bool = False
    is_submodule: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def etag(self) -> str:
        return self.blob.sha256 if self.blob else self.oid


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit as history shows it; ``author`` is the account name, where the hub knows it."""

    id: str
    title: str
    message: str
    author: str
    email: str
    date: datetime
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddInline:
    """A file whose bytes are kept in git itself."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class AddStored:
    """A file of ``size`` bytes that git has stored already, under the id ``oid``."""

    path: str
    oid: str
    size: int


@dataclass(frozen=True, slots=True)
class AddBlob:
    """A file kept outside git; size None means that of the stored blob."""

    path: str
    sha256: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class CopyFile:
    """A file taken from ``source_path`` at ``source_revision`` of the same repo."""

    path: str
    source_path: str
    source_revision: str


@dataclass(frozen=True, slots=True)
class DeleteFile:
    path: str


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    """``path`` without the closing slash; the empty path is the whole tree."""

    path: str


Change = AddInline | AddStored | AddBlob | CopyFile | DeleteFile | DeleteFolder
