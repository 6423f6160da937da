"""CRC-32C (Castagnoli), by NumPy: many lanes at once, joined afterwards.

Source: RFC 3720 appendix B.4 for the polynomial; LevelDB, "log format" for the mask that stored sums carry. A CRC is
linear: the sum of ``a + b`` follows from that of ``a``, moved on by as many zero bytes as ``b`` has, and that of ``b``.
"""

from __future__ import annotations

from functools import cache

import numpy as np

_POLYNOMIAL = 0x82F63B78
_LANE = 256
_FEW = 8192
"""Below this, one byte after another is faster."""
_AT_ONCE = 1 << 14
"""Lanes that are worked on together, so that they stay in a cache."""
_MASK = 0xA282EAD8
Table = np.ndarray[tuple[int], np.dtype[np.uint32]]


def crc32c(content: bytes | memoryview) -> int:
    """The sum of all bytes."""
    raw = np.frombuffer(content, np.uint8)
    count = raw.size // _LANE if raw.size >= _FEW else 0
    found = _of_lanes(raw[: count * _LANE].reshape(count, _LANE)) if count else 0xFFFFFFFF
    steps = _steps()
    for byte in raw[count * _LANE :].tolist():
        found = steps[(found ^ byte) & 0xFF] ^ (found >> 8)
    return found ^ 0xFFFFFFFF


def _of_lanes(rows: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> int:
    """The state after all bytes of some rows."""
    words = rows.view("<u4")
    lanes = np.concatenate([_lanes(words[start : start + _AT_ONCE]) for start in range(0, len(words), _AT_ONCE)])
    # The lanes began at zero; a sum begins at all ones, which move through all their bytes.
    return int(_joined(lanes) ^ _moved(np.array([0xFFFFFFFF], np.uint32), rows.size)[0])


def _lanes(words: np.ndarray[tuple[int, int], np.dtype[np.uint32]]) -> Table:
    """The sum of each row, begun at zero, four bytes at a time."""
    low, high = _four_bytes()
    lanes = np.zeros(len(words), np.uint32)
    for column in np.ascontiguousarray(words.T):
        lanes ^= column
        lanes = low[lanes & np.uint32(0xFFFF)] ^ high[lanes >> np.uint32(16)]
    return lanes


def masked(crc: int) -> int:
    """How TensorFlow and LevelDB write a sum down, so that the sum of bytes that hold sums is no special one."""
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def _joined(lanes: Table) -> np.uint32:
    """The sum of lanes of ``_LANE`` bytes that lie behind each other: neighbours are joined until one is left."""
    width = _LANE
    while lanes.size > 1:
        if lanes.size % 2:
            lanes = np.concatenate((np.zeros(1, np.uint32), lanes))
        lanes = _moved(lanes[::2], width) ^ lanes[1::2]
        width *= 2
    return lanes[0] if lanes.size else np.uint32(0)


def _moved(states: Table, count: int) -> Table:
    """What ``states`` become when ``count`` zero bytes follow."""
    power = 0
    while count:
        if count & 1:
            found = np.zeros_like(states)
            for bit, column in enumerate(_zeros(power)):
                found ^= np.where(states >> np.uint32(bit) & np.uint32(1), column, np.uint32(0))
            states = found
        count, power = count >> 1, power + 1
    return states


@cache
def _zeros(power: int) -> tuple[np.uint32, ...]:
    """What each bit of a state becomes when ``2 ** power`` zero bytes follow."""
    if power:
        half = np.array(_zeros(power - 1), np.uint32)
        return tuple(_moved(half, 1 << (power - 1)))
    states = np.uint32(1) << np.arange(32, dtype=np.uint32)
    return tuple(_table()[states & 0xFF] ^ (states >> np.uint32(8)))


@cache
def _steps() -> list[int]:
    return _table().tolist()


@cache
def _four_bytes() -> tuple[Table, Table]:
    """What the lower and the upper half of a state become when four bytes follow."""
    halves = np.arange(1 << 16, dtype=np.uint32)
    return _moved(halves, 4), _moved(halves << np.uint32(16), 4)


@cache
def _table() -> Table:
    found = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        found = np.where(found & 1, (found >> np.uint32(1)) ^ np.uint32(_POLYNOMIAL), found >> np.uint32(1))
    return found.astype(np.uint32)
