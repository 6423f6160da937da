"""Which tensor of one model is which of another: by name, else by content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from blake3 import blake3

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Tensor, tied_groups
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.weights.difference import Renamed, Structure
from openshelf.analysis.weights.sides import JOB_BYTES, Side

_MOST_ALIKE = 64
"""Among more tensors of one content, names are not weighed against each other; they pair in order."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """``same`` pairs tensors by name and then by content, in the order of the later model."""

    same: tuple[tuple[Tensor, Tensor], ...]
    added: tuple[Tensor, ...]
    removed: tuple[Tensor, ...]
    renamed: tuple[Renamed, ...]


Wanted = Callable[[Tensor], bool]


def pair(before: Checkpoint, after: Checkpoint, wanted: Wanted) -> Pairs:
    """Pair the wanted tensors. Reads values only of those that could be renamed: same type, same count, other name."""
    gone = [tensor for tensor in before if wanted(tensor) and tensor.name not in after]
    new = [tensor for tensor in after if wanted(tensor) and tensor.name not in before]
    found = _by_content(before, after, gone, new)
    former = {later: earlier for earlier, later in found}
    moved = {earlier for earlier, _ in found}
    same = []
    for tensor in after:
        name = former.get(tensor.name, tensor.name)
        if wanted(tensor) and name in before:
            same.append((before[name], tensor))
    return Pairs(
        tuple(same),
        tuple(tensor for tensor in new if tensor.name not in former),
        tuple(tensor for tensor in gone if tensor.name not in moved),
        tuple(Renamed(earlier, later) for earlier, later in found),
    )


def _by_content(
    before: Checkpoint, after: Checkpoint, gone: Sequence[Tensor], new: Sequence[Tensor]
) -> list[tuple[str, str]]:
    """Pairs of names with the same content, each name once."""
    sought, offered = _by_key(gone), _by_key(new)
    found: list[tuple[str, str]] = []
    for key in sought.keys() & offered.keys():
        contents: dict[bytes | None, list[str]] = defaultdict(list)
        for tensor in sought[key]:
            contents[_content(before, tensor)].append(tensor.name)
        contents.pop(None, None)
        matches: dict[bytes | None, list[str]] = defaultdict(list)
        for tensor in offered[key]:
            if (content := _content(after, tensor)) in contents:
                matches[content].append(tensor.name)
        for content, names in matches.items():
            found += _most_alike(contents[content], names)
    order = {tensor.name: number for number, tensor in enumerate(new)}
    return sorted(found, key=lambda names: order[names[1]])


def _by_key(tensors: Sequence[Tensor]) -> dict[tuple[str, int], list[Tensor]]:
    groups: dict[tuple[str, int], list[Tensor]] = defaultdict(list)
    for tensor in tensors:
        if tensor.elements:
            groups[tensor.dtype, tensor.elements].append(tensor)
    return groups


def _content(checkpoint: Checkpoint, tensor: Tensor) -> bytes | None:
    """The BLAKE3 of the values as plain little-endian elements; None where they cannot be read."""
    side, hashed = Side(checkpoint, tensor), blake3()
    try:
        if not side.has_bytes or tensor.encoding != "raw":
            hashed.update(checkpoint.array(tensor).tobytes())
            return hashed.digest()
        for start in range(0, tensor.nbytes, JOB_BYTES):
            hashed.update(side.bytes(start, min(start + JOB_BYTES, tensor.nbytes)).data)
    except UnreadableCheckpoint:
        return None
    finally:
        side.release()
    return hashed.digest()


def _most_alike(earlier: Sequence[str], later: Sequence[str]) -> list[tuple[str, str]]:
    """Pair names of one content; where there is a choice, those that read most alike."""
    if len(earlier) == len(later) == 1 or max(len(earlier), len(later)) > _MOST_ALIKE:
        return list(zip(earlier, later, strict=False))
    ranked = sorted(
        ((SequenceMatcher(None, a[-200:], b[-200:]).ratio(), a, b) for a in earlier for b in later),
        key=lambda found: (-found[0], found[1], found[2]),
    )
    pairs: dict[str, str] = {}
    for _, a, b in ranked:
        if a not in pairs and b not in pairs.values():
            pairs[a] = b
    return list(pairs.items())


def structure(before: Checkpoint, after: Checkpoint, pairs: Pairs) -> Structure:
    """What the headers alone tell. Which tensors were only cast, values will tell: all stand under ``retyped``."""
    tied, untied = _ties(before, after, pairs)
    return Structure(
        before.format,
        after.format,
        len(before.files),
        len(after.files),
        before.facts.parameters,
        after.facts.parameters,
        before.facts.architecture,
        after.facts.architecture,
        _partition(a for a, _ in pairs.same) != _partition(b for _, b in pairs.same),
        tuple(tensor.name for tensor in pairs.added),
        tuple(tensor.name for tensor in pairs.removed),
        pairs.renamed,
        tuple(b.name for a, b in pairs.same if a.shape != b.shape and a.elements == b.elements),
        tuple(b.name for a, b in pairs.same if a.elements != b.elements),
        (),
        tuple(b.name for a, b in pairs.same if a.dtype != b.dtype),
        tied,
        untied,
    )


def _partition(tensors: Iterable[Tensor]) -> list[int]:
    """Which of the pairs lie in one file with which, whatever the files are called."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(tensor.file, len(numbers)) for tensor in tensors]


def _ties(
    before: Checkpoint, after: Checkpoint, pairs: Pairs
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Groups of later names newly stored once, and groups stored once before that are not any more."""
    later_names = {a.name: b.name for a, b in pairs.same}
    earlier = _groups(before, later_names)
    later = _groups(after, {b.name: b.name for _, b in pairs.same})
    tied = [group for group in later if not any(set(group) <= set(other) for other in earlier)]
    untied = [group for group in earlier if not any(set(group) <= set(other) for other in later)]
    tied += _left_out(after, before, pairs.removed)
    untied += _left_out(before, after, pairs.added)
    return tuple(dict.fromkeys(tied)), tuple(dict.fromkeys(untied))


def _groups(checkpoint: Checkpoint, names: Mapping[str, str]) -> list[tuple[str, ...]]:
    groups = (tuple(names[name] for name in group if name in names) for group in tied_groups(checkpoint))
    return [group for group in groups if len(group) > 1]


def _left_out(without: Checkpoint, holder: Checkpoint, missing: Sequence[Tensor]) -> list[tuple[str, ...]]:
    """Tensors of ``holder`` that ``without`` lacks because it stores the one that they share bytes with."""
    names = {tensor.name for tensor in missing}
    return [
        group
        for group in tied_groups(holder)
        if any(name in names for name in group) and any(name in without for name in group)
    ]
