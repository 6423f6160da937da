"""Accounts, tokens, sessions, and the Actor who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from openshelf.domain.repos import Visibility


class Role(StrEnum):
    """What a member may do in an organisation, and what a token may do at all."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class TokenRole(StrEnum):
    READ = "read"
    WRITE = "write"
    FINE_GRAINED = "fine-grained"


class AccountKind(StrEnum):
    USER = "user"
    ORGANISATION = "org"


@dataclass(frozen=True, slots=True)
class Account:
    """A user or an organisation; both own repos. ``quota_bytes`` None means the hub's default."""

    id: str
    kind: AccountKind
    name: str
    full_name: str
    created_at: datetime
    email: str | None = None
    is_admin: bool = False
    is_disabled: bool = False
    quota_bytes: int | None = None
    default_visibility: Visibility = Visibility.PUBLIC
    bio: str = ""
    website: str = ""


@dataclass(frozen=True, slots=True)
class Membership:
    """One user's role in one organisation."""

    organisation_id: str
    organisation: str
    user_id: str
    user: str
    role: Role


@dataclass(frozen=True, slots=True)
class Grant:
    """A fine-grained permission: ``resource`` is an account id or a repo id."""

    resource: str
    role: Role


@dataclass(frozen=True, slots=True)
class Token:
    """An access token as its owner sees it; the secret itself is never kept."""

    id: str
    account_id: str
    name: str
    role: TokenRole
    hint: str
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    account_id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Invite:
    id: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_by: str | None = None


_NOTHING: Mapping[str, Role] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. ``roles`` maps owner ids (the user's own and organisations') to the role there."""

    account: Account | None = None
    roles: Mapping[str, Role] = field(default_factory=lambda: _NOTHING)
    organisations: Mapping[str, str] = field(default_factory=dict)
    token: Token | None = None

    @property
    def name(self) -> str:
        return self.account.name if self.account else "anonymous"

    @property
    def is_anonymous(self) -> bool:
        return self.account is None


ANONYMOUS = Actor()


def operator() -> Actor:
    """Whoever may use the data folder itself, at the command line of the hub's machine; may do everything."""
    moment = datetime.fromtimestamp(0, UTC)
    return Actor(Account("operator", AccountKind.USER, "operator", "Operator", moment, is_admin=True))
