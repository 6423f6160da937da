"""NumPy arrays: one in a file (npy), or several in a ZIP archive (npz).

Source: numpy.lib.format (NEP 1) for the header; ``np.savez`` for the names of members, ``NAME.npy``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import BIG_ENDIAN, RAW, Array, Listing, Role, Tensor
from openshelf.analysis.checkpoints.containers.byte_cursor import Malformed, check_shape
from openshelf.analysis.checkpoints.containers.zip_directory import (
    ZipMember,
    is_zip,
    member_bytes,
    read_member,
    read_zip,
)
from openshelf.analysis.checkpoints.dtypes import bits
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.headers.npy import NpyHeader, read_npy_header
from openshelf.analysis.files.ranges import UnreadableFile

MAGIC = b"\x93NUMPY"
DEFLATED, TEXTS = "deflated", "numpy-texts"
MAX_ARRAYS = 50_000
_ENDING = ".npy"
_DTYPE = re.compile(r"([<>|=]?)([biufcSUMm])(\d{0,9})(\[\d{0,9}\w{1,9}\])?\Z")
# Names of members that archives of other formats have beside arrays.
_OTHERS = ("schema.json", "data.pkl", "config.json", "metadata.json")
_MOST_UNPACKED = 1 << 32


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of an archive as a file of its own."""

    file: OpenFile
    archive: str
    member: ZipMember

    @property
    def size(self) -> int:
        return self.member.size

    def read(self, start: int, end: int, /) -> bytes:
        if end > self.size:
            raise UnreadableFile(f"it ends at byte {self.size:,}, but byte {end:,} should be there")
        return member_bytes(self.file, self.archive, self.member, start, end)


@dataclass(frozen=True, slots=True)
class _Element:
    """The type of an array's elements: the name here, NumPy's, and whether the bytes stand the other way round."""

    name: str
    numpy: np.dtype
    is_swapped: bool


def matches_npy(file: OpenFile) -> bool:
    return file.size >= len(MAGIC) and file.read(0, len(MAGIC)) == MAGIC


def read_npy(files: Files, name: str) -> Listing:
    """The one array of the file, under the name ``''``."""
    file = files.open(name)
    try:
        header = read_npy_header(file)
        element = _element(header)
        tensor = _tensor("", header, element, name, 0, file.size)
    except Malformed as error:
        raise UnreadableCheckpoint(name, error.reason, error.place) from None
    left = file.size - header.data_start - tensor.nbytes
    problems = (f"{left:,} bytes follow the array; a second array in the same file is not read",) if left else ()
    decoders = {TEXTS: lambda files, one: _plain(files, one, element)}
    return Listing(NPY.name, (tensor,), {}, decoders=decoders, problems=problems)


def matches_npz(file: OpenFile) -> bool:
    """Whether it is an archive that begins with an array, and is not one of a format that has arrays among others."""
    if not is_zip(file) or not _first_name(file).endswith(_ENDING.encode()):
        return False
    try:
        members = read_zip(file, "").members
    except UnreadableCheckpoint:
        return True
    return not any(name.rpartition("/")[2] in _OTHERS for name in members)


def _first_name(file: OpenFile) -> bytes:
    length = int.from_bytes(file.read(26, 28), "little") if file.size >= 30 else 0
    return file.read(30, min(30 + length, file.size))


def read_npz(files: Files, name: str) -> Listing:
    """The arrays of an archive: exact places of those that are stored as they are, none of those that are packed."""
    file = files.open(name)
    directory = read_zip(file, name)
    tensors: dict[str, Tensor] = {}
    elements: dict[str, _Element] = {}
    starts: dict[str, int] = {}
    arrays = [called for called in directory.members if called.endswith(_ENDING)]
    if len(arrays) > MAX_ARRAYS:
        raise UnreadableCheckpoint(name, f"it has {len(arrays):,} arrays; at most {MAX_ARRAYS:,} are read")
    for called in arrays:
        member = directory.members[called]
        key = called.removesuffix(_ENDING)
        try:
            header = read_npy_header(_Member(file, name, member))
            elements[key], starts[key] = _element(header), header.data_start
            at = member.offset if member.is_stored else 0
            tensor = _tensor(key, header, elements[key], name, at, at + member.size, is_stored=member.is_stored)
        except Malformed as error:
            raise UnreadableCheckpoint(name, f"in the member {called[:200]!r}, {error.reason}", member.offset) from None
        except UnreadableCheckpoint:
            raise
        except UnreadableFile as error:
            raise UnreadableCheckpoint(name, f"in the member {called[:200]!r}, {error}", member.offset) from None
        tensors[key] = tensor

    def unpacked(files: Files, tensor: Tensor) -> Array:
        content = read_member(files.open(name), directory, tensor.name + _ENDING, _MOST_UNPACKED)
        element, is_fortran = elements[tensor.name], tensor.strides is not None
        found = np.frombuffer(content, element.numpy, tensor.elements, starts[tensor.name])
        return _usual(found.reshape(tensor.shape, order="F" if is_fortran else "C"), element)

    others = [called for called in directory.members if not called.endswith(_ENDING)]
    decoders = {DEFLATED: unpacked, TEXTS: lambda files, one: _plain(files, one, elements[one.name])}
    problems = (f"{len(others):,} members are no arrays, such as {others[0][:200]!r}",) if others else ()
    return Listing(NPZ.name, tuple(tensors.values()), {}, decoders=decoders, problems=problems)


def _element(header: NpyHeader) -> _Element:
    """Raises Malformed for objects, which only unpickling could read, and for types that are not those of numbers."""
    if header.has_objects:
        raise Malformed(0, "its elements are Python objects, which only unpickling could read; that is not done here")
    found = _DTYPE.match(header.dtype)
    if found is None:
        what = "has several fields" if header.dtype.startswith(("[", "{", "(")) else "is none of numbers or texts"
        raise Malformed(0, f"its element type {header.dtype[:100]!r} {what}, which is not read here")
    try:
        numpy = np.dtype(header.dtype)
    except (TypeError, ValueError, OverflowError, MemoryError):
        raise Malformed(0, f"its element type {header.dtype[:100]!r} is not known to NumPy") from None
    if not numpy.itemsize:
        raise Malformed(0, f"its element type {header.dtype[:100]!r} has no width")
    kind = found[2]
    name = {"b": "bool", "S": "string", "U": "string"}.get(kind) or numpy.newbyteorder("=").name
    return _Element(name, numpy, found[1] == ">" and numpy.itemsize > 1 and kind != "S")


def _tensor(
    name: str, header: NpyHeader, element: _Element, file: str, begin: int, end: int, *, is_stored: bool = True
) -> Tensor:
    """The array whose header begins at the byte ``begin`` of a file, or of a member where that is not stored."""
    check_shape(header.shape, 0)
    nbytes = header.values * element.numpy.itemsize
    if begin + header.data_start + nbytes > end:
        raise Malformed(
            begin + header.data_start,
            f"its array needs {nbytes:,} bytes and is cut off: {max(0, end - begin - header.data_start):,} follow",
        )
    steps = tuple(accumulate((1, *header.shape[:-1]), mul)) if header.is_fortran and header.shape else None
    if header.values <= 1 or sum(side > 1 for side in header.shape) == 1:
        steps = None
    is_number = bits(element.name) is not None
    encoding = RAW if not element.is_swapped else BIG_ENDIAN
    if not is_stored:
        encoding = DEFLATED
    elif element.name == "string":
        encoding = TEXTS
    place = begin + header.data_start if is_stored else None
    role = Role.WEIGHT if is_number else Role.STATE
    return Tensor(name, element.name, header.shape, file, place, nbytes, steps, encoding, role)


def _plain(files: Files, tensor: Tensor, element: _Element) -> Array:
    """Texts as they stand in a file."""
    start = tensor.offset or 0
    stored = files.open(tensor.file).view(start, start + tensor.nbytes)
    found = np.frombuffer(stored, element.numpy)
    return _usual(found.reshape(tensor.shape, order="F" if tensor.strides else "C"), element)


def _usual(found: Array, element: _Element) -> Array:
    """In C order and the usual byte order."""
    return np.ascontiguousarray(found, element.numpy.newbyteorder("=")).reshape(found.shape)


NPY = Format("npy", "a NumPy array", matches_npy, read_npy)
NPZ = Format("npz", "an archive of NumPy arrays", matches_npz, read_npz)
FORMATS = (NPY, NPZ)
