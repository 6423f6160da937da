"""Opening a data folder: what is refused, what is made, what is brought up to date."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from openshelf.errors import ConfigurationError
from openshelf.storage import store
from openshelf.storage.locks import DiskLocks
from tests.storage.former_layout import take_back


def test_a_new_folder_is_private_and_complete(tmp_path: Path) -> None:
    storage = store.open_storage(tmp_path / "a" / "data")
    storage.close()
    assert storage.root.stat().st_mode & 0o777 == 0o700
    assert (storage.root / "secret.key").stat().st_mode & 0o777 == 0o600
    again = store.open_storage(storage.root, create=False)
    again.close()
    assert again.secret == storage.secret


def test_a_folder_that_is_there_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o750)
    store.open_storage(tmp_path / "data").close()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o750


def test_a_typing_error_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not an Openshelf data folder"):
        store.open_storage(tmp_path / "typo", create=False)
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("format.json", b'{"format": 999}', "has storage format 999"),
        ("format.json", b"{", "is damaged"),
        ("format.json", None, "but no format.json"),
        ("secret.key", b"short", "must hold 32 bytes"),
    ],
)
def test_what_cannot_be_read_is_left_alone(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    store.open_storage(tmp_path).close()
    path = tmp_path / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=says):
        store.open_storage(tmp_path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be made"):
        store.open_storage(tmp_path / "file" / "data")


def test_nothing_is_upgraded_beneath_a_running_server(tmp_path: Path) -> None:
    store.open_storage(tmp_path).close()
    take_back(tmp_path, "0001")
    running = DiskLocks(tmp_path / "locks").hold(store.SERVER_LOCK)
    with running, pytest.raises(ConfigurationError, match="Stop it first"):
        store.open_storage(tmp_path)
    assert not (tmp_path / "backups").exists()
    assert json.loads((tmp_path / "format.json").read_text()) == {"format": 1}
    store.open_storage(tmp_path).close()
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_a_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    store.open_storage(tmp_path).close()
    take_back(tmp_path, "0001")
    with sqlite3.connect(tmp_path / "catalogue.db") as database:
        row = ("a" * 64, 1_700_000_000_000_000)
        database.execute("INSERT INTO blobs (sha256, size, is_whole, created_at) VALUES (?, 1, 1, ?)", row)
    database.close()
    storage = store.open_storage(tmp_path)
    with storage.catalogue.read() as tx:
        assert tx.scalar(sa.text("SELECT used_at FROM blobs")) == 1_700_000_000_000_000
    storage.close()
    assert json.loads((tmp_path / "format.json").read_text()) == {"format": store.FORMAT}
