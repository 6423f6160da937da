"""Pulls: proposed refs against a branch. Discussions share their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PullStatus(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Pull:
    """Number N of a repo; its commits live at ``refs/pr/N``."""

    repo_id: str
    number: int
    title: str
    description: str
    author_id: str
    author: str
    status: PullStatus
    base: str
    created_at: datetime

    @property
    def ref(self) -> str:
        return f"refs/pr/{self.number}"
