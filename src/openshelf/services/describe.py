"""What the hub knows of a revision without running anything: facts and tags from the card and the files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import structlog

from openshelf.analysis.cards import facts as card_facts
from openshelf.analysis.cards import front_matter
from openshelf.analysis.cards.validate import Validation, validate_card
from openshelf.domain.names import RepoKind
from openshelf.errors import TooLarge
from openshelf.storage.repositories import GitRepository

log = structlog.get_logger("openshelf.describe")

MAX_FILES = 20_000
MAX_CARD_BYTES = 1_000_000
MAX_CONFIG_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Description:
    """``facts`` for pages and the API, ``tags`` for filters, ``text`` for search."""

    facts: Mapping[str, Any]
    tags: tuple[str, ...]
    text: str


def describe(kind: RepoKind, git: GitRepository, commit: str) -> Description:
    """Read the card, ``config.json`` and the list of files at ``commit``."""
    readme = git.read_path(commit, "README.md", MAX_CARD_BYTES)
    card = front_matter.split(readme) if readme is not None else None
    config = _json(git.read_path(commit, "config.json", MAX_CONFIG_BYTES))
    listing = islice(git.entries(commit, recursive=True), MAX_FILES)
    files = [card_facts.FileFact(entry.path, entry.size) for entry in listing if not entry.is_folder]
    metadata = card.metadata if card else None
    try:
        found = card_facts.describe(kind.value, metadata, files, config, card.body if card else "")
        excerpt = card_facts.excerpt(card.body) if card else ""
    except Exception:
        # The commit stands already: a fault in reading its card must not keep it from the catalogue.
        log.exception("card cannot be described", repository=str(git.path), commit=commit)
        return Description({"excerpt": ""}, (), "")
    text = f"{excerpt}\n{card.body[:4000]}" if card else ""
    return Description({**found.facts, "excerpt": excerpt}, found.tags, text)


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
