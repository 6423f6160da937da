"""How two models differ: ``diff``.

Tensors are paired, then read in pieces of 8 MB by several threads, each piece first for equality and only then for
arithmetic. Memory is that of the pieces in work, whatever the size of the models; a tensor that its file holds
compressed or scattered is decoded whole, one at a time.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod

from openshelf.analysis.checkpoints.checkpoint import Role, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableValues
from openshelf.analysis.checkpoints.opening import Model, opened
from openshelf.analysis.weights import comparison as comparing
from openshelf.analysis.weights import low_rank as ranks
from openshelf.analysis.weights.comparison import Comparison, Job, Way
from openshelf.analysis.weights.difference import LowRank, ModelDifference
from openshelf.analysis.weights.findings import model_difference
from openshelf.analysis.weights.pairing import pair, structure
from openshelf.analysis.weights.sides import Side, same_bytes
from openshelf.analysis.weights.tiles import Sums

SAMPLED = 3
"""Matrices whose change is looked at for low rank, where nobody says how many."""
_LARGEST_SAMPLED = 1 << 26

KnownEqual = Callable[[Tensor, Tensor], bool]


def diff(
    before: Model,
    after: Model,
    *,
    threads: int | None = None,
    low_rank: str | int = "sample",
    known_equal: KnownEqual | None = None,
    optimizer: bool = False,
    endpoint: str | None = None,
    token: str | None = None,
) -> ModelDifference:
    """How ``after`` differs from ``before``; each is a checkpoint, or a path or reference to open (and close) one.

    ``threads`` is how many work at once, by default as many as there are cores. ``low_rank`` says of how many changed
    matrices the leading directions are sought: ``sample`` (3 of them), ``all``, ``none``, or a number.
    ``known_equal(a, b)`` may answer True for tensors whose content is known to be the same, say by stored hashes; their
    values are then not read. ``optimizer`` compares the optimiser's state too. ``endpoint`` is the hub of
    references, ``token`` what it knows you by.

    Raises UnreadableCheckpoint where a model cannot be read, ValueError where an option makes no sense.
    """
    wanted = _matrices(low_rank)
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    with (
        opened(before, endpoint=endpoint, token=token) as first,
        opened(after, endpoint=endpoint, token=token) as second,
    ):
        pairs = pair(first, second, lambda tensor: optimizer or tensor.role is not Role.OPTIMIZER)
        comparisons = [_prepared(Side(first, a), Side(second, b), known_equal) for a, b in pairs.same]
        _compare([one for one in comparisons if not one.is_same], threads or len(os.sched_getaffinity(0)))
        evidence = _examined(comparisons, wanted)
        left_out = 0 if optimizer else sum(tensor.role is Role.OPTIMIZER for tensor in second)
        return model_difference(first, second, pairs, structure(first, second, pairs), comparisons, evidence, left_out)


def _matrices(low_rank: str | int) -> int | None:
    """How many matrices to look at; None for all."""
    if isinstance(low_rank, str) and low_rank.isdecimal():
        low_rank = int(low_rank)
    if isinstance(low_rank, int) and low_rank >= 0:
        return low_rank
    named: dict[str | int, int | None] = {"sample": SAMPLED, "none": 0, "all": None}
    if low_rank not in named:
        raise ValueError(f"low_rank must be sample, all, none or a number, not {low_rank!r}")
    return named[low_rank]


def _prepared(before: Side, after: Side, known_equal: KnownEqual | None) -> Comparison:
    """What there is to do for a pair, as far as headers tell."""
    a, b = before.tensor, after.tensor
    shared = _shared_elements(before, after)
    if shared is None:
        note = f"{list(a.shape)} and {list(b.shape)} have no elements in common places"
        return Comparison(before, after, Way.NOTHING, 0, note=note)
    found = Comparison(before, after, Way.VALUES, shared)
    if a.dtype == b.dtype and before.elements == after.elements:
        found.is_same = not shared or _is_known(before, after) or bool(known_equal and known_equal(a, b))
    if not (before.can_be_decoded and after.can_be_decoded):
        found.way, found.note = Way.BYTES, f"values of {a.dtype} are not decoded; its bytes were compared"
        if a.dtype != b.dtype or not (before.has_bytes and after.has_bytes):
            which = a.dtype if not before.can_be_decoded else b.dtype
            found.way, found.note = Way.NOTHING, f"values of {which} are not decoded here"
    elif found.way is Way.VALUES and not found.is_same:
        found.columns = comparing.columns_of(before, after)
        if found.columns:
            found.track_rows()
    return found


def _shared_elements(before: Side, after: Side) -> int | None:
    """How many elements, from the first on, are in the same place on both sides; None where that says nothing."""
    a, b = before.tensor.shape, after.tensor.shape
    if before.parts != after.parts:
        return None
    if prod(a) == prod(b):
        return before.elements
    if len(a) == len(b) > 0 and a[1:] == b[1:]:
        return min(before.elements, after.elements)
    return None


def _is_known(before: Side, after: Side) -> bool:
    identity = before.identity()
    if identity is not None and identity == after.identity():
        return True
    if not (before.has_chunks and after.has_chunks):
        return False
    chunks = before.chunks()
    return chunks is not None and chunks == after.chunks()


def _compare(comparisons: Sequence[Comparison], threads: int) -> None:
    """Fill in what was found. The sums do not depend on the number of threads: they are added in order."""
    for one in comparisons:
        for side in (one.before, one.after):
            side.checkpoint.source.open(side.tensor.file)
    with ThreadPoolExecutor(threads) as pool:
        for one, job, sums in _results(pool, _pieces(comparisons), 3 * threads):
            if sums.is_still:
                one.same_jobs.append(job)
            one.sums.add(sums)
        norms = (
            (one, Job(job.start, job.stop, only_norms=True))
            for one in comparisons
            for job in one.same_jobs
            if one.sums.changed
        )
        for one, _, sums in _results(pool, norms, 3 * threads):
            sums.elements = 0
            one.sums.add(sums)


def _pieces(comparisons: Iterable[Comparison]) -> Iterator[tuple[Comparison, Job]]:
    for one in comparisons:
        if one.way is Way.BYTES:
            yield one, Job(0, one.elements)
        elif one.way is Way.VALUES and not _settled_by_bytes(one):
            for job in one.jobs():
                yield one, job


def _settled_by_bytes(one: Comparison) -> bool:
    """Whether bytes alone settle a pair whose values cost more to make than to compare."""
    a, b = one.before, one.after
    if a.checkpoint.can_stream(a.tensor) or a.tensor.dtype != b.tensor.dtype or not (a.has_bytes and b.has_bytes):
        return False
    if a.tensor.shape != b.tensor.shape or a.tensor.encoding != b.tensor.encoding:
        return False
    one.is_same = one.was_read = same_bytes(a, b)
    for side in (a, b):
        side.release()
    return one.is_same


def _results(
    pool: ThreadPoolExecutor, work: Iterator[tuple[Comparison, Job]], ahead: int
) -> Iterator[tuple[Comparison, Job, Sums]]:
    """What the work finds, in its order, with no more than ``ahead`` pieces begun before they are taken."""
    begun: deque[tuple[Comparison, Job, Future[Sums]]] = deque()
    for one, job in work:
        begun.append((one, job, pool.submit(comparing.run, one, job)))
        if len(begun) >= ahead:
            yield from _taken(begun)
    while begun:
        yield from _taken(begun)


def _taken(begun: deque[tuple[Comparison, Job, Future[Sums]]]) -> Iterator[tuple[Comparison, Job, Sums]]:
    one, job, future = begun.popleft()
    try:
        yield one, job, future.result()
    except UnreadableValues as error:
        one.way, one.note = Way.NOTHING, error.reason


def _examined(comparisons: Sequence[Comparison], wanted: int | None) -> dict[str, LowRank]:
    """Evidence of low rank by name: of all matrices that changed, or of some, evenly over the model."""
    able = [one for one in comparisons if _can_be_examined(one)]
    if wanted is not None:
        able = [one for one in able if one.elements <= _LARGEST_SAMPLED and not one.columns]
        count = min(wanted, len(able))
        able = [able[(2 * number + 1) * len(able) // (2 * count)] for number in range(count)]
    found = {}
    for one in able:
        evidence = ranks.examine(one.before, one.after)
        if evidence is not None:
            found[one.after.tensor.name] = evidence
    return found


def _can_be_examined(one: Comparison) -> bool:
    shape, sums = one.after.tensor.shape, one.sums
    broken = sums.nan_before or sums.nan_after or sums.inf_before or sums.inf_after
    return (
        one.way is Way.VALUES and sums.squares_change > 0 and not broken
        and shape == one.before.tensor.shape and ranks.can_be_examined(shape) and one.before.streams
        and one.after.streams and one.before.parts == 1
    )  # fmt: skip
