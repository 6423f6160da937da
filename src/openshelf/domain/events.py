"""Facts that happened. An Event is appended in the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    REPO_CREATED = "repo.created"
    REPO_DELETED = "repo.deleted"
    REPO_MOVED = "repo.moved"
    REPO_SETTINGS = "repo.settings"
    REF_UPDATED = "ref.updated"
    PULL_OPENED = "pull.opened"
    ACCOUNT_CREATED = "account.created"
    MEMBERS_CHANGED = "members.changed"
    TOKEN_CREATED = "token.created"  # noqa: S105 - the name of an event
    TOKEN_REVOKED = "token.revoked"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Event:
    kind: EventKind
    at: datetime
    actor_id: str | None = None
    repo_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
