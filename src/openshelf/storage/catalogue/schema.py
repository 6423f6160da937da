"""The tables. A change here needs a migration in ``migrations/versions``; a test holds the two together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timestamp(sa.types.TypeDecorator[datetime]):
    """An aware datetime kept as whole microseconds since 1970 UTC; sorts and compares on every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.String(32)
Sha256 = sa.String(64)
Hash = sa.LargeBinary(32)
Seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _damage() -> list[sa.Column[Any]]:
    """What is wrong with stored bytes and when that was found; NULL where nothing is."""
    return [sa.Column("damage", sa.Text), sa.Column("damaged_at", Timestamp)]


def _damage_index(table: sa.Table) -> None:
    is_damaged = table.c.damaged_at.is_not(None)
    sa.Index(f"ix_{table.name}_damaged_at", table.c.damaged_at, sqlite_where=is_damaged, postgresql_where=is_damaged)


def _repo_id(**options: Any) -> sa.Column[str]:
    return sa.Column("repo_id", Id, sa.ForeignKey("repos.id", ondelete="CASCADE"), nullable=False, **options)


meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("name_key", sa.String(64), nullable=False, unique=True),
    sa.Column("full_name", sa.Text, nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("password_hash", sa.Text),
    sa.Column("is_admin", sa.Boolean, nullable=False, default=False),
    sa.Column("is_disabled", sa.Boolean, nullable=False, default=False),
    sa.Column("quota_bytes", sa.BigInteger),
    sa.Column("default_visibility", sa.String(16), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("bio", sa.Text, nullable=False, server_default=""),
    sa.Column("website", sa.Text, nullable=False, server_default=""),
)

memberships = sa.Table(
    "memberships",
    metadata,
    sa.Column("organisation_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("role", sa.String(8), nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("secret_hash", Hash, nullable=False, unique=True),
    sa.Column("hint", sa.String(16), nullable=False),
    sa.Column("grants", sa.JSON, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("last_used_at", Timestamp),
    sa.Column("expires_at", Timestamp),
    sa.UniqueConstraint("account_id", "name"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("secret_hash", Hash, nullable=False, unique=True),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("last_used_at", Timestamp, nullable=False),
    sa.Column("expires_at", Timestamp, nullable=False),
    sa.Column("user_agent", sa.Text, nullable=False),
)

invites = sa.Table(
    "invites",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("secret_hash", Hash, nullable=False, unique=True),
    sa.Column("created_by", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("expires_at", Timestamp, nullable=False),
    sa.Column("used_by", Id, sa.ForeignKey("accounts.id", ondelete="SET NULL")),
)

repos = sa.Table(
    "repos",
    metadata,
    sa.Column("seq", Seq, primary_key=True, autoincrement=True),
    sa.Column("id", Id, nullable=False, unique=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("owner_id", Id, sa.ForeignKey("accounts.id"), nullable=False, index=True),
    sa.Column("name", sa.String(96), nullable=False),
    sa.Column("name_key", sa.String(96), nullable=False),
    sa.Column("visibility", sa.String(16), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("updated_at", Timestamp, nullable=False, index=True),
    sa.Column("head", sa.String(40)),
    sa.Column("downloads", sa.BigInteger, nullable=False, default=0, index=True),
    sa.Column("likes", sa.BigInteger, nullable=False, default=0),
    sa.Column("stored_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("facets", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("size_bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("parameters", sa.BigInteger, index=True),
    sa.Column("described", sa.Integer, nullable=False, server_default="0", index=True),
    *_damage(),
    sa.UniqueConstraint("owner_id", "kind", "name_key"),
    sqlite_autoincrement=True,
)
_damage_index(repos)
# The orders of lists, of one kind and of all.
for _name in ("updated_at", "created_at", "downloads", "name_key", "size_bytes"):
    sa.Index(None, repos.c.kind, repos.c[_name])
for _name in ("created_at", "name_key", "size_bytes"):
    sa.Index(None, repos.c[_name])

facet_sets = sa.Table(
    "facet_sets",
    metadata,
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("facet", sa.String(16), primary_key=True),
    sa.Column("value", sa.String(255), primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("repos", sa.LargeBinary, nullable=False),
    sa.Index(None, "kind", "facet", "total"),
)

weight_headers = sa.Table(
    "weight_headers",
    metadata,
    sa.Column("sha256", Sha256, sa.ForeignKey("blobs.sha256", ondelete="CASCADE"), primary_key=True),
    sa.Column("parameters", sa.JSON, nullable=False),
)

redirects = sa.Table(
    "redirects",
    metadata,
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("full_key", sa.String(160), primary_key=True),
    _repo_id(),
)

refs = sa.Table(
    "refs",
    metadata,
    _repo_id(primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("commit_id", sa.String(40), nullable=False),
    sa.Column("updated_at", Timestamp, nullable=False),
)

pulls = sa.Table(
    "pulls",
    metadata,
    _repo_id(primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("author_id", Id, sa.ForeignKey("accounts.id"), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("base", sa.String(255), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
)

downloads = sa.Table(
    "downloads",
    metadata,
    _repo_id(primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", Seq, primary_key=True, autoincrement=True),
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("actor_id", Id),
    sa.Column("repo_id", Id, index=True),
    sa.Column("data", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("seq", Seq, primary_key=True, autoincrement=True),
    sa.Column("job", sa.String(64), nullable=False),
    sa.Column("key", sa.String(128), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sqlite_autoincrement=True,
)

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("sha256", Sha256, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("is_whole", sa.Boolean, nullable=False),
    sa.Column("xet_hash", Hash, index=True),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("used_at", Timestamp, nullable=False, server_default="0"),
    *_damage(),
)
_damage_index(blobs)

repo_blobs = sa.Table(
    "repo_blobs",
    metadata,
    _repo_id(primary_key=True),
    sa.Column("sha256", Sha256, sa.ForeignKey("blobs.sha256"), primary_key=True, index=True),
    sa.Column("linked_at", Timestamp, nullable=False),
)

arrivals = sa.Table(
    "arrivals",
    metadata,
    sa.Column("repo_id", Id, primary_key=True),
    sa.Column("sha256", Sha256, primary_key=True),
    sa.Column("known_bytes", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(["repo_id", "sha256"], ["repo_blobs.repo_id", "repo_blobs.sha256"], ondelete="CASCADE"),
)

xet_files = sa.Table(
    "xet_files",
    metadata,
    sa.Column("hash", Hash, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("segments", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
)

xorbs = sa.Table(
    "xorbs",
    metadata,
    sa.Column("hash", Hash, primary_key=True),
    sa.Column("stored_bytes", sa.BigInteger, nullable=False),
    sa.Column("raw_bytes", sa.BigInteger, nullable=False),
    sa.Column("chunk_index", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("used_at", Timestamp, nullable=False),
    *_damage(),
)
_damage_index(xorbs)

repo_xorbs = sa.Table(
    "repo_xorbs",
    metadata,
    _repo_id(primary_key=True),
    sa.Column("hash", Hash, sa.ForeignKey("xorbs.hash", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("linked_at", Timestamp, nullable=False),
)

xet_file_xorbs = sa.Table(
    "xet_file_xorbs",
    metadata,
    sa.Column("file_hash", Hash, sa.ForeignKey("xet_files.hash", ondelete="CASCADE"), primary_key=True),
    sa.Column("xorb_hash", Hash, sa.ForeignKey("xorbs.hash"), primary_key=True, index=True),
)

dedup_chunks = sa.Table(
    "dedup_chunks",
    metadata,
    sa.Column("chunk_hash", Hash, primary_key=True),
    sa.Column("xorb_hash", Hash, sa.ForeignKey("xorbs.hash", ondelete="CASCADE"), primary_key=True, index=True),
)
