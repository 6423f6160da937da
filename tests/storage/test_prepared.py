"""Prepared statements give what SQLAlchemy gives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from openshelf.domain.people import Account, AccountKind
from openshelf.errors import StorageFault
from openshelf.storage.catalogue import Catalogue, accounts, engine, events
from openshelf.storage.catalogue.prepared import Prepared
from openshelf.storage.catalogue.schema import accounts as table
from openshelf.storage.catalogue.schema import meta, repos, sessions
from tests.storage.backends import CATALOGUES

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture(params=sorted(CATALOGUES))
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    opened = CATALOGUES[request.param](tmp_path)
    yield opened
    opened.close()


def _account(catalogue: Catalogue) -> Account:
    account = Account(id="a" * 32, kind=AccountKind.USER, name="Ada", full_name="Ada L", created_at=NOW, is_admin=True)
    with catalogue.write() as tx:
        accounts.insert(tx, account, "hash")
    return account


def test_values_are_converted_both_ways(catalogue: Catalogue) -> None:
    account = _account(catalogue)
    with catalogue.write() as tx:
        tx.execute(
            repos.insert().values(
                id="r" * 32,
                kind="model",
                owner_id=account.id,
                name="M",
                name_key="m",
                visibility="public",
                created_at=NOW,
                updated_at=NOW,
                facts={"a": [1, None]},
                tags=["x"],
                facets={},
            )
        )
        tx.execute(
            sessions.insert().values(
                id="s" * 32,
                account_id=account.id,
                secret_hash=b"\0\1" * 16,
                created_at=NOW,
                last_used_at=NOW,
                expires_at=NOW,
                user_agent="",
            )
        )
    joined = sa.select(table.c.is_admin, repos, sessions.c.secret_hash, sa.literal({"k": 1}, sa.JSON()).label("fixed"))
    query = joined.join(repos, repos.c.owner_id == table.c.id).join(sessions, sessions.c.account_id == table.c.id)
    query = query.where(repos.c.created_at == sa.bindparam("at"), sessions.c.secret_hash == sa.bindparam("hash"))
    values = {"at": NOW, "hash": b"\0\1" * 16}
    with catalogue.read() as tx:
        expected = tx.execute(query, values).one()
        for _ in range(2):
            assert Prepared(query).one_or_none(tx, **values)._asdict() == expected._asdict()
        assert (expected.created_at, expected.is_admin, expected.facts) == (NOW, True, {"a": [1, None]})
        assert Prepared(query).one_or_none(tx, at=NOW, hash=b"other") is None


def test_two_rows_where_one_was_asked_for_are_an_error(catalogue: Catalogue) -> None:
    with catalogue.write() as tx:
        events.set_meta(tx, "a", "1")
        events.set_meta(tx, "b", "1")
        query = Prepared(sa.select(meta.c.key).where(meta.c.value == sa.bindparam("value")))
        assert {row.key for row in query.all(tx, value="1")} == {"a", "b"}
        with pytest.raises(sa.exc.MultipleResultsFound):
            query.one_or_none(tx, value="1")


def test_what_one_transaction_reads_is_of_one_moment(catalogue: Catalogue) -> None:
    query = Prepared(sa.select(meta.c.value).where(meta.c.key == sa.bindparam("key")))
    with catalogue.read() as tx:
        assert query.one_or_none(tx, key="k") is None
        with catalogue.write() as other:
            events.set_meta(other, "k", "v")
        assert query.one_or_none(tx, key="k") is None
    with catalogue.read() as tx:
        assert query.one_or_none(tx, key="k").value == "v"


def test_a_broken_database_is_a_storage_fault(catalogue: Catalogue, tmp_path: Path) -> None:
    """As with any other statement."""
    table_of_nobody = sa.table("nobody", sa.column("key"))
    with catalogue.read() as tx, pytest.raises(sa.exc.OperationalError, match="nobody"):
        Prepared(sa.select(table_of_nobody.c.key)).all(tx)
    with pytest.raises(StorageFault), engine.translated("catalogue"), catalogue.engine.connect() as tx:
        Prepared(sa.select(table_of_nobody.c.key)).all(tx)
