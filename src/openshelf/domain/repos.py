"""Repos and Revisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from openshelf.domain.names import RepoId, RepoKind

DEFAULT_BRANCH = "main"


class Visibility(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Repo:
    """A named history. ``id`` never changes; ``seq`` orders repos by creation.

    ``stored_bytes`` counts all versions, ``size_bytes`` the files of the default branch; ``parameters`` is None where
    the weights do not say.
    """

    id: str
    seq: int
    kind: RepoKind
    owner_id: str
    owner: str
    name: str
    visibility: Visibility
    created_at: datetime
    updated_at: datetime
    head: str | None = None
    downloads: int = 0
    likes: int = 0
    stored_bytes: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    size_bytes: int = 0
    parameters: int | None = None

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def repo_id(self) -> RepoId:
        return RepoId(self.owner, self.name)

    @property
    def is_private(self) -> bool:
        return self.visibility is Visibility.PRIVATE

    @property
    def url_path(self) -> str:
        """``owner/name`` with the kind before it where addresses need one; no slash in front."""
        return f"{self.kind.url_prefix}{self.full_name}"


@dataclass(frozen=True, slots=True)
class Revision:
    """A resolved commit, plus what it was asked by: a branch, tag, pull ref or commit id."""

    commit: str
    asked: str
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """A full ref name and the commit that it stands at (tags are peeled)."""

    name: str
    commit: str

    @property
    def short(self) -> str:
        for prefix in ("refs/heads/", "refs/tags/"):
            if self.name.startswith(prefix):
                return self.name.removeprefix(prefix)
        return self.name
