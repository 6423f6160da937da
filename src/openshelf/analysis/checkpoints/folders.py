"""Which files of a folder are its checkpoint: one file, the shards that an index names, or shards numbered by name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename, dirname, join
from typing import Any

from openshelf.analysis.checkpoints.checkpoint import Listing
from openshelf.analysis.checkpoints.errors import UnknownFormat, UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.checkpoints.formats import format_of, read_file
from openshelf.analysis.checkpoints.readers.gguf import parts_of_one
from openshelf.analysis.checkpoints.shard_index import ENDING, MAX_BYTES

MAX_TENSORS = 1_000_000
_NUMBERED = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<of>\d{5})(?P<ending>\.\w+)\Z")
_STATE = re.compile(r'^model_checkpoint_path: "([^"\n]+)"', re.MULTILINE)
_MOST_STATES = 1024 * 1024
# Files that hold no tensors, whatever else is in them; they are not opened to find that out.
_NO_WEIGHTS = (".json", ".md", ".txt", ".py", ".yaml", ".yml", ".jinja", ".model", ".gitattributes", ".lock", ".csv")
# Of several files that hold the whole model each, the first by this order is it.
_PREFERRED = ("safetensors", "gguf", "pytorch-zip", "tensorflow-savedmodel", "tensorflow-checkpoint", "keras-v3")


@dataclass(frozen=True, slots=True)
class Found:
    """The checkpoint of a folder: its tensors, the files that they are in, and the first files of other checkpoints."""

    listing: Listing
    files: tuple[str, ...]
    others: tuple[str, ...] = ()


def read_folder(files: Files) -> Found:
    """The checkpoint of a folder. Raises UnknownFormat, UnreadableCheckpoint."""
    for index in sorted(name for name in files.sizes() if name.endswith(ENDING)):
        shards = _shards(files, index)
        if shards:
            return Found(_read_indexed(files, index, shards), tuple(dict.fromkeys((index, *shards.values()))))
    newest = _newest(files)
    groups: dict[tuple[int, int, str], list[str]] = {}
    for name in files.sizes():
        if name.lower().endswith(_NO_WEIGHTS):
            continue
        found = format_of(files.open(name))
        if found is not None:
            depth, rank = name.count("/"), _PREFERRED.index(found.name) if found.name in _PREFERRED else len(_PREFERRED)
            numbered = _NUMBERED.match(name)
            stem = numbered["stem"] if numbered else name
            groups.setdefault((depth, rank, f"\0{stem}" if name in newest else stem), []).append(name)
    if not groups:
        raise UnknownFormat(files.label, "no file in it is of a format that is read here")
    first, *others = sorted(groups)
    names = groups[first]
    _check_all_there(names)
    listings = [read_file(files, name) for name in names]
    if listings[0].format == "gguf":
        listings = parts_of_one(names, listings)
    listing = joined(names[0], listings)
    own = {*names, *listing.files}
    return Found(listing, tuple(names), tuple(groups[other][0] for other in others if groups[other][0] not in own))


def joined(name: str, listings: Sequence[Listing]) -> Listing:
    """One listing of several shards. Raises UnreadableCheckpoint where a tensor stands in two of them."""
    first = listings[0]
    seen: dict[str, str] = {}
    for tensor in (tensor for listing in listings for tensor in listing.tensors):
        if tensor.name in seen:
            raise UnreadableCheckpoint(
                tensor.file, f"the tensor {tensor.name[:200]!r} stands in {seen[tensor.name]} too"
            )
        seen[tensor.name] = tensor.file
    if len(seen) > MAX_TENSORS:
        raise UnreadableCheckpoint(name, f"it has {len(seen):,} tensors; at most {MAX_TENSORS:,} are read")
    metadata: dict[str, Any] = {}
    decoders: dict[str, Any] = {}
    for listing in listings:
        metadata, decoders = {**listing.metadata, **metadata}, {**listing.decoders, **decoders}
    return Listing(
        first.format,
        tuple(tensor for listing in listings for tensor in listing.tensors),
        metadata,
        first.versions,
        first.architecture,
        decoders,
        tuple(problem for listing in listings for problem in listing.problems),
        any(listing.has_tokenizer for listing in listings),
        any(listing.has_chat_template for listing in listings),
        tuple(file for listing in listings for file in listing.files),
    )


def _newest(files: Files) -> frozenset[str]:
    """The index of the newest checkpoint of each folder where TensorFlow keeps several, as its file of states says."""
    found: set[str] = set()
    for name, size in files.sizes().items():
        if basename(name) == "checkpoint" and size <= _MOST_STATES:
            content = files.open(name).read(0, size).decode("utf-8", "replace")
            named = _STATE.search(content)
            if named is not None:
                found.add(join(dirname(name), basename(named[1]) + ".index"))
    return frozenset(found)


def _shards(files: Files, index: str) -> Mapping[str, str]:
    """Tensor name to file, as an index says; empty where ``index`` is JSON of another kind."""
    file = files.open(index)
    if file.size > MAX_BYTES:
        raise UnreadableCheckpoint(index, f"it has {file.size:,} bytes; an index of at most {MAX_BYTES:,} is read")
    try:
        found = json.loads(file.read(0, file.size))
    except (ValueError, RecursionError) as error:
        raise UnreadableCheckpoint(index, f"it is not JSON: {error}") from None
    weights = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(shard, str) for shard in weights.values()):
        return {}
    return {name: join(dirname(index), shard) for name, shard in weights.items()}


def _read_indexed(files: Files, index: str, shards: Mapping[str, str]) -> Listing:
    names = sorted(set(shards.values()))
    listing = joined(index, [read_file(files, name) for name in names])
    places = {tensor.name: tensor.file for tensor in listing.tensors}
    for name, shard in shards.items():
        if places.get(name) != shard:
            found = places.get(name)
            where = f"it is in {found}" if found else "it is in no file"
            raise UnreadableCheckpoint(index, f"it says that {name[:200]!r} is in {shard}; {where}")
    return listing


def _check_all_there(names: Sequence[str]) -> None:
    numbered = [found for name in names if (found := _NUMBERED.match(name))]
    if not numbered:
        return
    count = int(numbered[0]["of"])
    missing = set(range(1, count + 1)) - {int(found["number"]) for found in numbered}
    if missing and {int(found["number"]) for found in numbered} != set(range(count)):
        raise UnreadableCheckpoint(names[0], f"of its {count:,} parts number {min(missing)} is missing")
