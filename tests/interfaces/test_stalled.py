"""Looking for the listening sockets of a process leaves its other files alone."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

from openshelf.interfaces.stalled import leave_stalled_clients

OTHER_WRITER = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    other.execute("BEGIN IMMEDIATE")
    print("wrote beside")
except sqlite3.OperationalError as error:
    print(error)
"""


def test_locks_of_the_catalogue_outlast_the_search(tmp_path: Path) -> None:
    # Closing any descriptor of a file gives up all POSIX locks of the process on it, and SQLite relies on those:
    # without them two processes write at once, and the catalogue breaks.
    path = tmp_path / "catalogue.db"
    mine = sqlite3.connect(path, isolation_level=None)
    mine.execute("PRAGMA journal_mode=WAL")
    mine.execute("CREATE TABLE t (x)")
    mine.execute("BEGIN IMMEDIATE")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        leave_stalled_clients(7)
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000
    other = subprocess.run([sys.executable, "-c", OTHER_WRITER, str(path)], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "database is locked"
    mine.execute("ROLLBACK")
    mine.close()
