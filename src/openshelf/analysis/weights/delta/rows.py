"""Rows that moved: rows put into a matrix, or taken out of it, shift the others, which the base has all the same.

A vocabulary grows in the middle, an expert or a channel is dropped: changes of that kind move whole rows. So rows are
the chunks that are found again by their content, and each costs nothing wherever it is now.
"""

from __future__ import annotations

from collections.abc import Iterator

from blake3 import blake3

from openshelf.analysis.weights.delta.pieces import CutModel, Piece

Moves = tuple[tuple[int, int], ...]
"""From which row on the rows of the base follow, and from which of its rows; before the first its rows are in place."""

MAX_ROWS = 4_000_000
MAX_MOVES = 100_000
_LEAST_BYTES = 32
"""Shorter rows are not told apart by what they hold."""
_STEP = 1 << 20


def find(new: CutModel, piece: Piece, base: CutModel, before: Piece | None) -> Moves:
    """Where the rows of ``piece`` are in ``before``; empty where all that are there are in place, or none are."""
    if before is None or not _have_like_rows(piece, before):
        return ()
    held = list(_digests(base, before))
    places: dict[bytes, int] = {}
    for number, digest in enumerate(held):
        places[digest] = -1 if digest in places else number
    found: list[tuple[int, int]] = []
    ahead = 0
    for number, digest in enumerate(_digests(new, piece)):
        there = number + ahead
        if there < len(held) and held[there] == digest:
            continue
        other = places.get(digest, -1)
        if other >= 0:
            ahead = other - number
            found.append((number, other))
            if len(found) > MAX_MOVES:
                return ()
    return tuple(found)


def row_bytes(nbytes: int, shape: tuple[int, ...]) -> int:
    """Bytes of a row; 0 where a piece is no matrix of whole rows."""
    return nbytes // shape[0] if len(shape) > 1 and shape[0] and nbytes % shape[0] == 0 else 0


def _have_like_rows(piece: Piece, before: Piece) -> bool:
    row = row_bytes(piece.nbytes, piece.shape)
    return (
        row >= _LEAST_BYTES
        and (before.dtype, before.shape[1:]) == (piece.dtype, piece.shape[1:])
        and row_bytes(before.nbytes, before.shape) == row
        and max(before.shape[0], piece.shape[0]) <= MAX_ROWS
    )


def _digests(model: CutModel, piece: Piece) -> Iterator[bytes]:
    row = row_bytes(piece.nbytes, piece.shape)
    step = max(_STEP // row, 1) * row
    for start in range(0, piece.nbytes, step):
        content = model.read(piece, start, start + step).data
        for place in range(0, len(content), row):
            yield blake3(content[place : place + row]).digest(16)
