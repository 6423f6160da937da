"""Files to move: random bytes that nobody has stored and nothing compresses."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_BLOCK = 16 * 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """A file on disk with its size in bytes and its sha256."""

    path: Path
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.path.name


def fill(path: Path, size: int) -> Sample:
    """Write ``size`` new random bytes."""
    source, digest, left = np.random.default_rng(), hashlib.sha256(), size
    with path.open("wb") as stream:
        while left:
            block = source.bytes(min(_BLOCK, left))
            stream.write(block)
            digest.update(block)
            left -= len(block)
    return Sample(path, size, digest.hexdigest())


def change(sample: Sample) -> Sample:
    """Change the beginning of a file, so that its sha256 is unknown again; cheaper than new bytes."""
    with sample.path.open("r+b") as stream:
        stream.write(os.urandom(32))
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Sample(sample.path, sample.size, digest)
