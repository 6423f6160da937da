"""What the tests of this folder share: generated weights, and files stored by hf_xet or by our own code."""

from dataclasses import dataclass
from pathlib import Path

import hf_xet
import numpy as np
import pytest

from openshelf.xet.shards import Shard, ShardFile, parse_shard
from openshelf.xet.xorb_builder import BuiltXorb


def bf16(values: int, seed: int) -> bytes:
    """Weights as bfloat16: the case for which BG4 exists."""
    noise = np.random.default_rng(seed).standard_normal(values, dtype=np.float32)
    return (noise.view(np.uint32) >> 16).astype(np.uint16).tobytes()


def nothing_stored(_: bytes) -> None:
    """A look-up of xorbs in an empty store."""


@dataclass(frozen=True)
class LocalStore:
    """What the stock client left behind: xorb bodies by hash, and the parsed shards."""

    xorbs: dict[str, bytes]
    shards: list[bytes]

    def parsed(self) -> list[Shard]:
        return [parse_shard(data) for data in self.shards]


def upload_locally(files: dict[str, bytes], root: Path, cache: Path) -> LocalStore:
    """Upload files with hf_xet into a local:// store and read it back."""
    (root / "in").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_XET_CACHE", str(cache))
        with hf_xet.XetSession().new_upload_commit(endpoint=f"local://{root}/store") as commit:
            for name, data in files.items():
                (root / "in" / name).write_bytes(data)
                commit.start_upload_file(str(root / "in" / name))
    stored = root / "store/xet/xorbs"
    return LocalStore(
        {
            path.name.removeprefix("default."): path.read_bytes()
            for path in (stored / "xorbs").iterdir()
            if path.suffix != ".tagset"
        },
        [path.read_bytes() for path in (stored / "shards").glob("*.mdb")],
    )


@dataclass(frozen=True)
class Stored:
    """A file cut into two xorbs by our own code, so that it has three segments: A, B, A."""

    data: bytes
    xorbs: dict[bytes, BuiltXorb]
    file: ShardFile
    shard: bytes
