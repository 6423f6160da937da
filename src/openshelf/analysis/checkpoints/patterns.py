"""Tensors that differ by a number in their name alone, as one line: ``model.layers.{0..31}.mlp.up_proj.weight``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from openshelf.analysis.checkpoints.checkpoint import Role, Tensor

_NUMBER = re.compile(r"[0-9]+")
_MOST_SPANS = 6


@dataclass(frozen=True, slots=True)
class Group:
    """Tensors alike in all but the numbers in their names; ``name`` shows those as ranges."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    role: Role
    encoding: str
    tensors: tuple[Tensor, ...]

    @property
    def elements(self) -> int:
        return sum(tensor.elements for tensor in self.tensors)


@dataclass(frozen=True, slots=True)
class Block:
    """All tensors whose names begin alike. ``dtypes`` in order of size."""

    name: str
    tensors: int
    elements: int
    dtypes: tuple[str, ...]


def grouped(tensors: Iterable[Tensor]) -> tuple[Group, ...]:
    """Groups in the order in which their first tensors stand."""
    found: dict[tuple[object, ...], list[Tensor]] = {}
    for tensor in tensors:
        pattern = _NUMBER.sub("0", tensor.name)
        found.setdefault((pattern, tensor.dtype, tensor.shape, tensor.role, tensor.encoding), []).append(tensor)
    return tuple(_group(members) for members in found.values())


def _group(members: Sequence[Tensor]) -> Group:
    first = members[0]
    name = first.name if len(members) == 1 else common_name([tensor.name for tensor in members])
    return Group(name, first.dtype, first.shape, first.role, first.encoding, tuple(members))


def common_name(names: Sequence[str]) -> str:
    """One name for many that differ in their numbers: ``["h.0.w", "h.1.w"]`` is ``h.{0..1}.w``."""
    texts = _NUMBER.split(names[0])
    columns = zip(*(_NUMBER.findall(name) for name in names), strict=True)
    numbers = [_numbers(set(column)) for column in columns]
    return "".join(text + number for text, number in zip(texts, [*numbers, ""], strict=True))


def _numbers(found: set[str]) -> str:
    if len(found) == 1:
        return next(iter(found))
    values = sorted({int(text[:18]) for text in found})
    spans: list[list[int]] = []
    for value in values:
        if spans and spans[-1][1] == value - 1:
            spans[-1][1] = value
        else:
            spans.append([value, value])
    shown = [str(first) if first == last else f"{first}..{last}" for first, last in spans]
    if len(shown) > _MOST_SPANS:
        return f"{{{values[0]}..{values[-1]}, {len(values):,} of them}}"
    return f"{{{','.join(shown)}}}"


def blocks(tensors: Iterable[Tensor], depth: int) -> tuple[Block, ...]:
    """What the first ``depth`` parts of the names have in common, in the order in which they stand."""
    found: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        separator = "/" if "/" in tensor.name else "."
        found.setdefault(separator.join(tensor.name.split(separator)[:depth]), []).append(tensor)
    return tuple(_block(name, members) for name, members in found.items())


def _block(name: str, members: Sequence[Tensor]) -> Block:
    sizes: dict[str, int] = {}
    for tensor in members:
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.elements
    dtypes = tuple(sorted(sizes, key=lambda dtype: -sizes[dtype]))
    return Block(name, len(members), sum(sizes.values()), dtypes)
