"""What the confined process says that reads HDF5: were it taken over, its answers could be anything."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO
from unittest.mock import patch

import numpy as np

from openshelf.analysis.checkpoints.hdf5 import messages, reading, walk
from openshelf.analysis.files.ranges import UnreadableFile, in_memory
from tests.fuzz.target import Target
from tests.fuzz.watch import watched
from tests.unit.checkpoints.makers import every

_SIZE = 1000


def run(data: bytes) -> None:
    @contextmanager
    def process(program: str, environment: Mapping[str, str], seconds: float) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        yield io.BytesIO(data), io.BytesIO()

    ranges = in_memory(bytes(_SIZE))
    with patch.object(reading, "reading_process", process), watched():
        try:
            for found in reading.read_hdf5(ranges).datasets:
                assert isinstance(found.nbytes, int)
                assert found.offset is None or 0 <= found.offset <= found.offset + found.nbytes <= _SIZE
                assert all(side >= 0 for side in found.shape)
        except UnreadableFile as error:
            assert str(error)
        try:
            assert reading.read_values(ranges, "a", (2, 3), np.dtype("<f4")).shape == (2, 3)
        except UnreadableFile as error:
            assert str(error)


def _seeds() -> list[bytes]:
    made = [every()[label]() for label in ("keras-model", "keras-odd")]
    listings = [
        b"".join(messages.line(message) for message in walk.listing(io.BytesIO(content)))
        for files in made
        for content in files.values()
    ]
    done = messages.line({"done": True})
    asked = messages.line({"read": [0, 100]})
    piece = messages.line({"piece": 24}) + bytes(24)
    return [asked + listings[0] + done, listings[1] + done, piece + done, messages.line({"failure": "x"})]


TARGET = Target(run, _seeds, memory=8 * 1024 * 1024, per_byte=400)
