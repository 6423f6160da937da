"""Generated files of several kinds, and a store filled with them by the stock client (its local:// endpoint)."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from openshelf.xet.chunking import iter_chunks
from openshelf.xet.hashes import file_hash
from openshelf.xet.segments import FileSegment
from openshelf.xet.shard_building import build_upload_shard
from openshelf.xet.shards import ShardFile, ShardXorb
from openshelf.xet.xorb_builder import XorbBuilder

from .material import LocalStore, Stored, bf16, upload_locally

settings.register_profile(
    "xet", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("xet")


def _splitmix64(count: int) -> bytes:
    """The generator of the upstream chunking vectors, seed 0."""
    with np.errstate(over="ignore"):
        state = np.arange(1, count // 8 + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (state ^ (state >> np.uint64(31))).astype("<u8").tobytes()


@pytest.fixture(scope="session")
def splitmix() -> bytes:
    """One million reproducible bytes."""
    return _splitmix64(1_000_000)


@pytest.fixture(scope="session")
def samples() -> dict[str, bytes]:
    """Files of every kind by name."""
    rng = np.random.default_rng(20240607)
    noise = rng.bytes(5_000_003)
    words = rng.choice([b"weights ", b"tensor ", b"open\n", b"shelf "], 300_000)
    return {
        "random": noise,
        "bf16": bf16(1_200_000, 5),
        "float32": rng.standard_normal(500_001, dtype=np.float32).tobytes(),
        "text": b"".join(words.tolist()),
        "repeated": b"abc" * 600_000,
        "zeros": bytes(400_000),
        "edited": noise[:2_000_000] + b"an insertion" + noise[2_000_000:4_000_000],
        "one": b"x",
        "empty": b"",
    }


@pytest.fixture(scope="session")
def local_store(samples: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    root = tmp_path_factory.mktemp("local")
    return upload_locally(samples, root, root / "cache")


@pytest.fixture(scope="session")
def stored() -> Stored:
    rng = np.random.default_rng(11)
    chunks = list(iter_chunks([rng.bytes(700_000) + bf16(200_000, 6) + b"text " * 30_000 + rng.bytes(300_000)]))
    builders = (XorbBuilder(), XorbBuilder())
    third = len(chunks) // 3
    for number, chunk in enumerate(chunks):
        builders[third <= number < 2 * third].append(chunk)
    first, second = (builder.finish() for builder in builders)
    segments = tuple(
        FileSegment(built.xorb_hash, start, end, built.index.raw_length_of(start, end))
        for built, start, end in (
            (first, 0, third),
            (second, 0, third),
            (first, third, len(first.index)),
        )
    )
    xorbs = {built.xorb_hash: built for built in (first, second)}
    nodes = [node for s in segments for node in xorbs[s.xorb_hash].index.nodes(s.start_chunk, s.end_chunk)]
    proofs = tuple(xorbs[s.xorb_hash].index.range_hash(s.start_chunk, s.end_chunk) for s in segments)
    file = ShardFile(file_hash(nodes), segments, proofs, bytes(range(32)))
    described = [ShardXorb.from_index(built.xorb_hash, built.index) for built in (first, second)]
    return Stored(b"".join(chunks), xorbs, file, build_upload_shard([file], described))
