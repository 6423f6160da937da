"""Which files of a folder are its checkpoint: one file, the shards that an index names, or shards numbered by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import attrgetter
from posixpath import basename, dirname, join
from typing import Any

from openshelf.analysis.checkpoints.candidates import (
    Candidate,
    candidates,
    has_index,
    is_training_state,
    missing_part,
)
from openshelf.analysis.checkpoints.checkpoint import Listing, Tensor
from openshelf.analysis.checkpoints.errors import UnknownFormat, UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Distant, Files
from openshelf.analysis.checkpoints.formats import format_of, read_file
from openshelf.analysis.checkpoints.headers.shard_index import (
    KERAS_ENDING,
    MAX_BYTES,
    read_keras_map,
    read_weight_map,
)
from openshelf.analysis.checkpoints.readers.gguf import parts_of_one
from openshelf.analysis.files.ranges import UnreadableFile

MAX_TENSORS = 1_000_000
_STATE = re.compile(r'^model_checkpoint_path: "([^"\n]+)"', re.MULTILINE)
_MOST_STATES = 1024 * 1024
_MOST_LIKELY = 256
_MOST_UNLIKELY = 64
_MOST_OTHERS = 100


@dataclass(frozen=True, slots=True)
class Found:
    """The checkpoint of a folder: its tensors, the files that they are in, and what else looks like a checkpoint.

    ``others`` are first files that were not taken, by their names; they were not opened.
    """

    listing: Listing
    files: tuple[str, ...]
    others: tuple[str, ...] = ()


def read_folder(files: Files) -> Found:
    """The checkpoint of a folder. Raises UnknownFormat, UnreadableCheckpoint."""
    options = candidates(files.sizes(), _newest(files))
    left = {True: _MOST_LIKELY, False: _MOST_UNLIKELY}
    for number, option in enumerate(options):
        left[option.is_likely] -= 1
        if left[option.is_likely] < 0:
            continue
        found = _read(files, option)
        if found is not None:
            return replace(found, others=_others(files, options[number + 1 :], found))
    raise UnknownFormat(files.label, "no file in it is of a format that is read here")


def _read(files: Files, option: Candidate) -> Found | None:
    """What an option holds; None where its content is of no format."""
    if option.is_index:
        shards = _shards(files, option.first)
        if not shards:
            return None
        return Found(_read_indexed(files, option.first, shards), tuple(dict.fromkeys((option.first, *shards.values()))))
    if format_of(files.open(option.first)) is None:
        return None
    missing = missing_part(option)
    if missing is not None:
        raise UnreadableCheckpoint(option.first, f"the part with number {missing} is missing")
    listings = _read_all(files, option.files)
    if listings[0].format == "gguf":
        listings = parts_of_one(option.files, listings)
    return Found(joined(option.first, listings), option.files)


def _read_all(files: Files, names: Sequence[str]) -> list[Listing]:
    if len(names) > 1 and isinstance(files, Distant):
        files.fetch_beginnings(names)
    return [read_file(files, name) for name in names]


def _others(files: Files, options: Sequence[Candidate], found: Found) -> tuple[str, ...]:
    own = {*found.files, *found.listing.files, *map(attrgetter("file"), found.listing.tensors)}
    sizes = files.sizes()
    others = (
        option.first
        for option in options
        if option.is_likely
        and option.first not in own
        and not has_index(option, sizes)
        and not is_training_state(option.first)
    )
    return tuple(islice(others, _MOST_OTHERS))


def joined(name: str, listings: Sequence[Listing]) -> Listing:
    """One listing of several shards. Raises UnreadableCheckpoint where a tensor stands in two of them."""
    first = listings[0]
    tensors = tuple(chain.from_iterable(listing.tensors for listing in listings))
    if len(set(map(attrgetter("name"), tensors))) != len(tensors):
        raise _twice(tensors)
    if len(tensors) > MAX_TENSORS:
        raise UnreadableCheckpoint(name, f"it has {len(tensors):,} tensors; at most {MAX_TENSORS:,} are read")
    metadata: dict[str, Any] = {}
    decoders: dict[str, Any] = {}
    for listing in listings:
        metadata, decoders = {**listing.metadata, **metadata}, {**listing.decoders, **decoders}
    return Listing(
        first.format,
        tensors,
        metadata,
        first.versions,
        first.architecture,
        decoders,
        tuple(problem for listing in listings for problem in listing.problems),
        any(listing.has_tokenizer for listing in listings),
        any(listing.has_chat_template for listing in listings),
        tuple(file for listing in listings for file in listing.files),
        first.check,
    )


def _twice(tensors: Iterable[Tensor]) -> UnreadableCheckpoint:
    """The fault of the first tensor whose name another has."""
    seen: dict[str, str] = {}
    for tensor in tensors:
        if tensor.name in seen:
            break
        seen[tensor.name] = tensor.file
    return UnreadableCheckpoint(tensor.file, f"the tensor {tensor.name[:200]!r} stands in {seen[tensor.name]} too")


def _newest(files: Files) -> frozenset[str]:
    """The index of the newest checkpoint of each folder where TensorFlow keeps several, as its file of states says."""
    found: set[str] = set()
    for name, size in files.sizes().items():
        if name.endswith("checkpoint") and basename(name) == "checkpoint" and size <= _MOST_STATES:
            content = files.open(name).read(0, size).decode("utf-8", "replace")
            named = _STATE.search(content)
            if named is not None:
                found.add(join(dirname(name), basename(named[1]) + ".index"))
    return frozenset(found)


def _shards(files: Files, index: str) -> Mapping[str, str]:
    """Tensor name to file, as an index says; empty where ``index`` is JSON of another kind.

    Keras names groups of variables, and of each the files that it is in: those are keyed by both.
    """
    file = files.open(index)
    if file.size > MAX_BYTES:
        raise UnreadableCheckpoint(index, f"it has {file.size:,} bytes; an index of at most {MAX_BYTES:,} is read")
    try:
        content = file.read(0, file.size)
        if index.endswith(KERAS_ENDING):
            return _keras_shards(index, read_keras_map(content) or {})
        weights = read_weight_map(content) or {}
    except UnreadableCheckpoint:
        raise
    except UnreadableFile as error:
        raise UnreadableCheckpoint(index, str(error)) from None
    folder = dirname(index)
    places = {shard: join(folder, shard) for shard in set(weights.values())}
    return {name: places[shard] for name, shard in weights.items()}


def _keras_shards(index: str, weights: Mapping[str, Any]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for group, names in weights.items():
        held = [names] if isinstance(names, str) else names
        if not isinstance(held, list) or not all(isinstance(name, str) for name in held):
            return {}
        found |= {f"{group} {name}": join(dirname(index), name) for name in held}
    return found


def _check_groups(index: str, shards: Mapping[str, str], listing: Listing) -> None:
    """Raises UnreadableCheckpoint where a file lacks all of a group that the index says it has."""
    there = {(tensor.name.rpartition("/")[0], tensor.file) for tensor in listing.tensors}
    for key, shard in shards.items():
        group = key.rpartition(" ")[0].strip("/")
        if (group, shard) not in there:
            raise UnreadableCheckpoint(index, f"it says that {group[:200]!r} is in {shard}; nothing of it is there")


def _read_indexed(files: Files, index: str, shards: Mapping[str, str]) -> Listing:
    names = sorted(set(shards.values()))
    listing = joined(index, _read_all(files, names))
    if index.endswith(KERAS_ENDING):
        _check_groups(index, shards, listing)
        return listing
    places = {tensor.name: tensor.file for tensor in listing.tensors}
    for name, shard in shards.items():
        if places.get(name) != shard:
            found = places.get(name)
            where = f"it is in {found}" if found else "it is in no file"
            raise UnreadableCheckpoint(index, f"it says that {name[:200]!r} is in {shard}; {where}")
    return listing
