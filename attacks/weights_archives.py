"""Archives with weights inside that say one thing in one place and another thing in another, and bombs."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Iterator

import h5py
import numpy as np
from tests.unit.checkpoints.makers.keras import archive, hdf5
from tests.unit.checkpoints.makers.pytorch import tar, zipped

from attacks import Attack
from attacks.weights_headers import TAKEN, WEIGHTS

_NO_FORMAT = "no format that is read here"


_PICKLE = 16 << 20


def attacks() -> Iterator[Attack]:
    yield from _lies()
    yield from _members()
    yield from _tar()
    yield from _hdf5()


def _put(data: bytes, at: int, value: int, width: int) -> bytes:
    return data[:at] + value.to_bytes(width, "little") + data[at + width :]


def _lies() -> Iterator[Attack]:
    right = zipped()
    first = right.index(b"PK\x01\x02")
    second = right.index(b"PK\x01\x02", first + 4)
    end = right.rindex(b"PK\x05\x06")
    yield Attack("a local header with another size", WEIGHTS, _put(right, 22, 7, 4), "described differently here")
    yield Attack(
        "a local header with another name",
        WEIGHTS,
        right.replace(b"archive/data.pkl", b"archive/DATA.pkl", 1),
        "described differently here",
    )
    yield Attack(
        "two members over the same bytes", WEIGHTS, _put(right, second + 42, 0, 4), "overlaps the one before it"
    )
    yield Attack("a member that is said to be encrypted", WEIGHTS, _put(right, first + 8, 1, 2), "is encrypted")
    yield Attack(
        "a directory of 2^32 - 2 bytes", WEIGHTS, _put(right, end + 12, 2**32 - 2, 4), "its directory should end here"
    )
    yield Attack(
        "more members than are written",
        WEIGHTS,
        _put(_put(right, end + 8, 9, 2), end + 10, 9, 2),
        "holds 5 members and says 9",
    )
    yield Attack("bytes before the archive", WEIGHTS, b"\x80\x02" + right, "no format that is read here")
    yield Attack("one archive behind another", WEIGHTS, right + right, "its directory should end here")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**40, 2**40, 2**50, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    yield Attack(
        "2^40 members by ZIP64", WEIGHTS, right[:end] + record + locator + right[end:], "its directory should end here"
    )
    yield Attack(
        "a ZIP64 locator that leads outside",
        WEIGHTS,
        right[:end] + struct.pack("<4sLQL", b"PK\x06\x07", 0, 2**62, 1) + right[end:],
        "leads nowhere",
    )


def _written(*members: tuple[str, bytes]) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as writer:
        warnings.simplefilter("ignore")
        for name, content in members:
            writer.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _members() -> Iterator[Attack]:
    pickle = b"\x80\x02}."
    twice = _written(("archive/data.pkl", pickle), ("archive/data.pkl", b"\x80\x02]."))
    yield Attack("a member twice", WEIGHTS, twice, "stands in it twice")
    for name in ("../data.pkl", "/data.pkl", "archive\\data.pkl"):
        outside = _written(("archive/data.pkl", pickle), (name, pickle), ("archive/version", b"3"))
        yield Attack(f"a member {name!r}", WEIGHTS, outside, "leads outside")
    bomb = _written(("archive/data.pkl", bytes(_PICKLE)), ("archive/version", b"3"))
    yield Attack("16 MiB of zeros for a pickle", WEIGHTS, bomb, "is no opcode of a pickle")
    size = struct.pack("<I", _PICKLE)
    lying = bomb.replace(size, struct.pack("<I", 2**31 - 1))
    yield Attack("a pickle said to unpack to 2 GiB", WEIGHTS, lying, "more than deflate can")
    yield Attack("a configuration as deep as it is long", TAKEN, archive(config="[" * 100_000), "")


def _tar() -> Iterator[Attack]:
    right = tar()
    start = right.index(b"tensors\0")
    yield Attack("a member twice", WEIGHTS, _headed(right, start, 0, b"pickle\0"), _NO_FORMAT)
    yield Attack("a member of 2^88 bytes", WEIGHTS, _headed(right, start, 124, b"\x80" + b"\xff" * 11), _NO_FORMAT)
    yield Attack("a member of less than nothing", WEIGHTS, _headed(right, start, 124, b"-0000000001\0"), _NO_FORMAT)


def _headed(data: bytes, start: int, field: int, content: bytes) -> bytes:
    """A tar archive with one field of the header at ``start`` changed, and a right sum."""
    head = bytearray(data[start : start + 512])
    head[field : field + len(content)] = content
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return data[:start] + bytes(head) + data[start + 512 :]


def _hdf5() -> Iterator[Attack]:
    def external(file: h5py.File) -> None:
        file["w"] = h5py.ExternalLink("/etc/passwd", "/x")

    def stored_elsewhere(file: h5py.File) -> None:
        file.create_dataset("w", (4,), "u1", external=[("/etc/passwd", 0, 4)])

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((4,), "u1")
        layout[:] = h5py.VirtualSource("/etc/passwd", "w", (4,))
        file.create_virtual_dataset("w", layout)

    def weights(file: h5py.File) -> None:
        file["weight_a"], file["weight_b"] = np.zeros(2), np.ones(2)

    yield Attack("a link to another file", WEIGHTS, hdf5(external), "is not followed")
    yield Attack("values in another file", WEIGHTS, hdf5(stored_elsewhere), "lie in another file")
    yield Attack("a dataset made of other files", WEIGHTS, hdf5(virtual), "virtual dataset")
    # Found by the fuzzers: two tensors of one name.
    two = hdf5(weights)
    yield Attack("a name twice in a group", WEIGHTS, two.replace(b"weight_b", b"weight_a"), "twice")
