"""ZIP archives of PyTorch (since 1.6): ``ROOT/data.pkl`` describes objects, ``ROOT/data/KEY`` are storages.

``caffe2/serialize/inline_container.h`` of PyTorch says how they are written: not packed, each begun at a multiple of
64 bytes. Packed storages are read all the same.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from openshelf.analysis.checkpoints.containers.zip_directory import ZipDirectory, read_member, read_zip
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, HeldFile, OpenFile
from openshelf.analysis.checkpoints.pickles.arrays import array_of
from openshelf.analysis.checkpoints.pickles.machine import read_pickle
from openshelf.analysis.checkpoints.pickles.stored_arrays import Storage, StoredArray, bits
from openshelf.analysis.checkpoints.pickles.values import Opaque, Pickle
from openshelf.analysis.checkpoints.pickles.walk import Unknown
from openshelf.analysis.checkpoints.torch.tensors import TorchObjects

MAX_PICKLE = 256 * 1024 * 1024
_MAX_SMALL = 4096


@dataclass(slots=True)
class TorchArchive:
    """An open archive; ``problems`` are what is odd about it but hides no tensor."""

    file: OpenFile
    name: str
    directory: ZipDirectory
    root: str
    problems: list[str] = field(default_factory=list)

    def small(self, member: str) -> str | None:
        """The text of a small member of the root, None where there is none."""
        called = f"{self.root}/{member}"
        found = self.directory.members.get(called)
        if found is None or found.size > _MAX_SMALL:
            return None
        return (
            read_member(self.file, self.directory, called, _MAX_SMALL, check=False).decode("utf-8", "replace").strip()
        )

    def pickle(self, member: str) -> Pickle:
        """The pickle in a member of the root. Raises UnreadableCheckpoint."""
        called = f"{self.root}/{member}"
        found = self.directory.members.get(called)
        if found is None:
            raise UnreadableCheckpoint(self.name, f"it has no member {called!r}")
        if found.size > MAX_PICKLE:
            reason = f"its member {called!r} has {found.size:,} bytes; at most {MAX_PICKLE:,} are read"
            raise UnreadableCheckpoint(self.name, reason, found.offset)
        content = read_member(self.file, self.directory, called, MAX_PICKLE, check=False)
        if zlib.crc32(content) != found.crc:
            self.problems.append(f"the check sum of {called!r} does not match: it was damaged, or written without")
        if found.is_stored:
            return read_pickle(self.file, self.name, found.offset, found.offset + found.size)
        return read_pickle(HeldFile(called, content), f"{self.name} ({called})")

    def objects(self, folder: str, member: str) -> TorchObjects:
        """What recognises tensors of ``member``, whose storages are in ``folder``."""
        packed = not self.directory.members[f"{self.root}/{member}"].is_stored
        big = self.small("byteorder") == "big"

        def locate(key: str, dtype: str, numel: int) -> Storage:
            return self._storage(f"{self.root}/{folder}/{key}", dtype, numel)

        def other(node: Opaque) -> StoredArray | Unknown | None:
            # Offsets in a packed pickle are none of the file.
            return None if packed else array_of(node, self.name)

        return TorchObjects(self.name, locate, other, big)

    def _storage(self, called: str, dtype: str, numel: int) -> Storage:
        member = self.directory.members.get(called)
        if member is None:
            raise UnreadableCheckpoint(self.name, f"a tensor needs the member {called[:200]!r}, which is not there")
        needed = (numel * bits(dtype) + 7) // 8
        if member.size < needed:
            reason = f"{called[:200]!r} has {member.size:,} bytes, and {needed:,} are needed"
            raise UnreadableCheckpoint(self.name, reason, member.offset)
        return Storage(member.size, member.offset) if member.is_stored else Storage(member.size, None, member)


def open_archive(files: Files, name: str) -> TorchArchive:
    """Raises UnreadableCheckpoint where it is no proper archive, or has no ``data.pkl``."""
    file = files.open(name)
    directory = read_zip(file, name)
    root = next(iter(directory.members), "").partition("/")[0]
    if f"{root}/data.pkl" not in directory.members:
        raise UnreadableCheckpoint(name, f"it has no member '{root}/data.pkl', which says what is in it")
    return TorchArchive(file, name, directory, root)
