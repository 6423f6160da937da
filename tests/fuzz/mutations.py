"""Bytes made by damaging right ones: cut, flipped, doubled, put together otherwise, with counts beyond all sense, with
one place copied over another, with names that stand twice or lead outside.

``damage`` draws from any ``Random``: one of hypothesis, which can make a failing case smaller, or a plain one, which is
many times as fast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

from hypothesis import strategies as st

_COUNTS = [0, 1, 2**7, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]
_NUMBERS = [b"-1", b"0", b"2147483648", b"9223372036854775807", b"18446744073709551616", b"1e400", b"NaN", b"9" * 400]
_ESCAPES = [
    b"../../../etc/passwd",
    b"/etc/passwd",
    b"..\\..\\secret",
    b"a\0b",
    b"a/../../b",
    b".",
    b"",
    b"C:\\x",
    b"~/x",
]
_WORD = re.compile(rb"[!#-~]{2,60}")
_DIGITS = re.compile(rb"-?\d{1,20}")
_LONGEST = 200


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of ``seeds``, damaged up to six times."""
    return st.randoms(use_true_random=False).map(lambda random: damage(random, random.choice(seeds), seeds))


def damage(random: Random, right: bytes, seeds: Sequence[bytes]) -> bytes:
    """``right``, damaged up to six times; pieces of ``seeds`` may be put into it."""
    data = bytearray(right)
    for _ in range(random.randint(1, 6)):
        if not data:
            break
        place = random.randint(0, len(data) - 1)
        end = random.randint(place, min(len(data), place + _LONGEST))
        random.choice(_DAMAGES)(random, data, place, end, seeds)
    return bytes(data)


def _flip(random: Random, data: bytearray, place: int, end: int, seeds: Sequence[bytes]) -> None:
    data[place] ^= 1 << random.randint(0, 7)


def _cut(random: Random, data: bytearray, place: int, end: int, seeds: Sequence[bytes]) -> None:
    del data[place:]


def _drop(random: Random, data: bytearray, place: int, end: int, seeds: Sequence[bytes]) -> None:
    del data[place:end]


def _double(random: Random, data: bytearray, place: int, end: int, seeds: Sequence[bytes]) -> None:
    data[place:place] = data[place:end] * random.randint(1, 20)


def _count(random: Random, data: bytearray, place: int, end: int, seeds: Sequence[bytes]) -> None:
    width = random.choice((1, 2, 4, 8))
    count = random.choice(_COUNTS) % 256**width
    data[place : place + width] = count.to_bytes(width, "little" if random.randint(0, 1) else "big")


def _splice(random: Random, data: bytearray, place: int, end: int, seeds: Sequence[bytes]) -> None:
    other = random.choice(seeds)
    data[place:] = other[random.randint(0, len(other)) :]


def _bytes(random: Random, data: bytearray, place: int, end: int, seeds: Sequence[bytes]) -> None:
    data[place:end] = random.randbytes(random.randint(0, 40))


def _copy(random: Random, data: bytearray, place: int, end: int, seeds: Sequence[bytes]) -> None:
    """One place over another of the same size, as where two ranges or two names become one."""
    width = random.choice((1, 2, 4, 8, 16))
    start = random.randint(0, len(data) - 1)
    data[place : place + width] = data[start : start + width]


def _word(random: Random, data: bytearray, place: int, end: int, seeds: Sequence[bytes]) -> None:
    """A name becomes one that stands elsewhere, or one that leads outside; its length is kept at times."""
    words = list(_WORD.finditer(data))
    if words:
        old = random.choice(words)
        new = random.choice(_ESCAPES) if random.randint(0, 1) else random.choice(words)[0]
        if random.randint(0, 1):
            new = new[: len(old[0])].ljust(len(old[0]), b"x")
        data[old.start() : old.end()] = new


def _number(random: Random, data: bytearray, place: int, end: int, seeds: Sequence[bytes]) -> None:
    """A number in a text becomes one beyond all sense, or one that stands elsewhere."""
    numbers = list(_DIGITS.finditer(data))
    if numbers:
        old = random.choice(numbers)
        new = random.choice(_NUMBERS) if random.randint(0, 1) else random.choice(numbers)[0]
        data[old.start() : old.end()] = new


_Damage = Callable[[Random, bytearray, int, int, Sequence[bytes]], None]
_DAMAGES: tuple[_Damage, ...] = (
    _flip, _cut, _drop, _double, _count, _splice, _bytes, _copy, _word, _number,
)  # fmt: skip
