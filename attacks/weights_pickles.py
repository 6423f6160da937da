"""Pickles that would run, grow, or lie about what is stored behind them. Nothing of them is ever executed."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.unit.checkpoints.makers.pytorch import MAGIC, NO_HOOKS, archive
from tests.unit.checkpoints.pickles import Call, Kept, Name, pickled

from attacks import Attack
from attacks.weights_headers import TAKEN, WEIGHTS


def attacks() -> Iterator[Attack]:
    yield from _plain()
    yield from _torch()
    yield from _legacy()


def _plain() -> Iterator[Attack]:
    yield Attack("a call of os.system", TAKEN, b"\x80\x02cposix\nsystem\n(X\x05\0\0\0falsetR.", "")
    yield Attack("a call of what is computed", TAKEN, b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x05false\x85R.", "")
    yield Attack("a text of 2^63 bytes", WEIGHTS, b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"a.", "it is cut off")
    yield Attack(
        "a number of 2^31 - 1 bytes",
        WEIGHTS,
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"a.",
        "no format that is read here",
    )
    yield Attack("a frame longer than the file", TAKEN, b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"}.", "")
    yield Attack("lists in lists in lists", TAKEN, b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".", "")
    laughs = b"\x80\x02]q\0" + b"".join(b"h%c\x86q%c" % (n, n + 1) for n in range(60)) + b"."
    yield Attack("a pair of one pair twice, 60 times over", TAKEN, laughs, "")
    yield Attack("a memo that was never kept", WEIGHTS, b"\x80\x02}h\x07.", "which it has not remembered")
    yield Attack("an end with nothing on the stack", WEIGHTS, b"\x80\x02}0.", "other than one value")


def _tensor(shape: tuple[int, ...], steps: tuple[int, ...], *, offset: int = 0, count: int = 4) -> bytes:
    kept = Kept(("storage", Name("torch", "FloatStorage"), "0", "cpu", count))
    made = Call(Name("torch._utils", "_rebuild_tensor_v2"), (kept, offset, shape, steps, False, NO_HOOKS))
    return archive({"data.pkl": pickled({"w": made}), "data/0": bytes(16), "version": b"3\n"})


def _torch() -> Iterator[Attack]:
    yield Attack(
        "a tensor larger than its storage", WEIGHTS, _tensor((5,), (1,)), "a tensor needs 20 bytes of its storage"
    )
    yield Attack(
        "a tensor that begins behind its storage",
        WEIGHTS,
        _tensor((1,), (1,), offset=2**40),
        "of its storage, which has 16",
    )
    yield Attack("a step backwards", WEIGHTS, _tensor((2,), (-1,), offset=1), "make no sense")
    yield Attack("steps that lead outside", WEIGHTS, _tensor((2, 2), (2**60, 1)), "of its storage, which has 16")
    yield Attack("2^60 elements over one", WEIGHTS, _tensor((2**30, 2**30), (0, 0)), "of its storage, which has 16")
    yield Attack("a storage with more than is written", WEIGHTS, _tensor((4,), (1,), count=2**50), "has 16 bytes")
    outside = Kept(("storage", Name("torch", "FloatStorage"), "../../etc/passwd", "cpu", 4))
    made = Call(Name("torch._utils", "_rebuild_tensor_v2"), (outside, 0, (4,), (1,), False, NO_HOOKS))
    yield Attack(
        "a storage outside", WEIGHTS, archive({"data.pkl": pickled({"w": made}), "version": b"3"}), "which is not there"
    )


def _legacy() -> Iterator[Attack]:
    system = {"little_endian": True, "protocol_version": 1001, "type_sizes": {}}
    kept = Kept(("storage", Name("torch", "FloatStorage"), "0", "cpu", 4, None))
    made = Call(Name("torch._utils", "_rebuild_tensor_v2"), (kept, 0, (4,), (1,), False, NO_HOOKS))
    head = pickled(MAGIC) + pickled(1001) + pickled(system) + pickled({"w": made})
    yield Attack(
        "a storage of 2^62 elements",
        WEIGHTS,
        head + pickled(["0"]) + struct.pack("<q", 2**62) + bytes(16),
        "it is cut off",
    )
    yield Attack(
        "a storage of -1 elements", WEIGHTS, head + pickled(["0"]) + struct.pack("<q", -1) + bytes(16), "it is cut off"
    )
    yield Attack("a storage that is not written", WEIGHTS, head + pickled([]), "is missing")
