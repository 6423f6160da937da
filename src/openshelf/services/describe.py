"""What the hub knows of a revision without running anything: facts and tags from the card and the files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import structlog

from openshelf.analysis.cards import facets as card_facets
from openshelf.analysis.cards import facts as card_facts
from openshelf.analysis.cards import front_matter
from openshelf.analysis.cards.validate import Validation, validate_card
from openshelf.analysis.checkpoints.candidates import candidates, is_likely, is_training_state
from openshelf.domain.facets import parameter_step, size_step
from openshelf.domain.names import RepoKind
from openshelf.domain.tree import Blob, Entry
from openshelf.errors import TooLarge
from openshelf.storage.repositories import GitRepository

log = structlog.get_logger("openshelf.describe")

MAX_FILES = 20_000
MAX_CARD_BYTES = 1_000_000
MAX_CONFIG_BYTES = 1_000_000
MAX_WEIGHTS = 1000
WEIGHT_ENDING = ".safetensors"

VERSION = 2
"""Raised by a release that describes repos otherwise; what was described before is described anew."""


@dataclass(frozen=True, slots=True)
class Description:
    """``facts`` for pages and the API, ``tags`` and ``answers`` (facet to values) for filters, ``text`` for search.

    ``size_bytes`` is that of all files; ``weights`` the blobs whose headers tell the number of parameters, which are
    safetensors where there are any.
    """

    facts: Mapping[str, Any]
    tags: tuple[str, ...]
    text: str
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    size_bytes: int = 0
    weights: tuple[Blob, ...] = ()
    has_safetensors: bool = False


def describe(kind: RepoKind, git: GitRepository, commit: str) -> Description:
    """Read the card, ``config.json`` and the list of files at ``commit``."""
    readme = git.read_path(commit, "README.md", MAX_CARD_BYTES)
    card = front_matter.split(readme) if readme is not None else None
    config = _json(git.read_path(commit, "config.json", MAX_CONFIG_BYTES))
    entries = list(islice(git.files(commit), MAX_FILES))
    files = [card_facts.FileFact(entry.path, entry.size) for entry in entries]
    size_bytes = sum(file.size for file in files)
    metadata = card.metadata if card else None
    try:
        found = card_facts.describe(kind.value, metadata, files, config, card.body if card else "")
        answers = card_facets.describe(kind.value, found.facts, found.tags, [file.path for file in files])
        excerpt = card_facts.excerpt(card.body) if card else ""
    except Exception:
        # The commit stands already: a fault in reading its card must not keep it from the catalogue.
        log.exception("card cannot be described", repository=str(git.path), commit=commit)
        return Description({"excerpt": ""}, (), "", size_bytes=size_bytes)
    text = f"{excerpt}\n{card.body[:4000]}" if card else ""
    answers["size"] = [size_step(size_bytes)]
    weights = _weights(entries) if kind is RepoKind.MODEL else ()
    main = any(entry.name.lower().endswith(WEIGHT_ENDING) for entry in entries if entry.blob)
    return Description({**found.facts, "excerpt": excerpt}, found.tags, text, answers, size_bytes, weights, main)


def _weights(entries: Sequence[Entry]) -> tuple[Blob, ...]:
    """The blobs of the main set of safetensors: those in the top folder, or where it has none in the fullest one.

    Where there are no safetensors at all, what else a reader of checkpoints would take.
    """
    folders: dict[str, dict[str, Blob]] = {}
    for entry in entries:
        if entry.blob and entry.name.lower().endswith(WEIGHT_ENDING):
            folders.setdefault(entry.path.rpartition("/")[0], {})[entry.blob.sha256] = entry.blob
    if not folders:
        return _other_weights(entries)
    main = folders.get("") or max(folders.values(), key=lambda blobs: sum(blob.size for blob in blobs.values()))
    return tuple(main.values())[:MAX_WEIGHTS]


def _other_weights(entries: Sequence[Entry]) -> tuple[Blob, ...]:
    blobs = {entry.path: entry.blob for entry in entries if entry.blob and is_likely(entry.path)}
    options = candidates({path: blob.size for path, blob in blobs.items()})
    for option in options:
        if not (option.is_index or is_training_state(option.first)):
            return tuple({blobs[path].sha256: blobs[path] for path in option.files}.values())[:MAX_WEIGHTS]
    return ()


def with_parameters(
    found: Description, known: Mapping[str, Mapping[str, int]]
) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]], int | None]:
    """Facts, answers and the number of parameters, by what the headers of the weights say.

    ``known``: sha256 of a blob to its numbers of elements by dtype. While any is missing, nothing is claimed.
    """
    if not found.weights or any(blob.sha256 not in known for blob in found.weights):
        return found.facts, found.answers, None
    by_dtype: Counter[str] = Counter()
    for blob in found.weights:
        by_dtype.update(known[blob.sha256])
    total = by_dtype.total()
    if not total:
        return found.facts, found.answers, None
    fact = "safetensors" if found.has_safetensors else "weights"
    facts = {**found.facts, fact: {"parameters": dict(by_dtype), "total": total}}
    return facts, {**found.answers, "parameters": [parameter_step(total)]}, total


def describe_commit(kind: RepoKind, git: GitRepository, commit: str) -> Description:
    """Like ``describe``, remembered: what a commit says never changes."""
    return _describe_commit(kind, git.path, commit)


@lru_cache(maxsize=256)
def _describe_commit(kind: RepoKind, path: Path, commit: str) -> Description:
    return describe(kind, GitRepository(path), commit)


def check_card(content: str, kind: RepoKind) -> Validation:
    """What is wrong with a card before it is committed. Raises TooLarge for one that nobody reads."""
    if len(content) > MAX_CARD_BYTES:
        raise TooLarge(f"This card has {len(content)} characters; at most {MAX_CARD_BYTES} are taken.")
    return validate_card(content, kind.value)


def _json(content: bytes | None) -> Mapping[str, Any] | None:
    if content is None:
        return None
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
