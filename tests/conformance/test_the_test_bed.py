"""The parts of the test bed that could be wrong without anybody noticing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from .counting_proxy import CountingProxy
from .environments import LOCKS
from .hf_operations import OPERATIONS as HF_OPERATIONS
from .published_table import NOT_OFFERED, PROPERTY, Table
from .running import operations


def _report(outcome: str, *rows: str, why: str = "") -> pytest.TestReport:
    return pytest.TestReport(
        nodeid="test",
        location=("file", 1, "test"),
        keywords={},
        outcome=outcome,  # type: ignore[arg-type]
        longrepr=("file", 1, why) if outcome == "skipped" else None,
        when="call",
        user_properties=[(PROPERTY, row) for row in rows],
    )


def test_the_table_says_what_happened_and_nothing_else() -> None:
    table = Table()
    table.add(_report("passed", "Library\n2.4\nUpload"))
    table.add(_report("failed", "Library\n1.19\nUpload"))
    table.add(_report("skipped", "Library\n0.36\nUpload", why=f"Skipped: {NOT_OFFERED}: no upload"))
    table.add(_report("skipped", "Library\n2.4\nEmbed", why="Skipped: no torch"))
    page = table.page()
    assert "| operation | 2.4 | 1.19 | 0.36 |" in page
    assert "| Upload | yes | **no** | not offered |" in page
    assert "| Embed | not run |  |  |" in page


@pytest.mark.parametrize("family", ["hub", "tables", "transformer_files", "real_model"])
def test_every_operation_has_a_title_of_its_own(family: str) -> None:
    found = operations(family)
    assert found
    assert all(operation.title != operation.name.rpartition(".")[2] for operation in found)
    assert len({operation.title for operation in found}) == len(found)


def test_every_hf_operation_has_a_title() -> None:
    titles: list[Callable[..., None]] = [operation for operation in HF_OPERATIONS if operation.__doc__]
    assert len(titles) == len(HF_OPERATIONS) > 15


def test_locks_hold_hashes_and_no_addresses() -> None:
    for wanted in sorted(LOCKS.glob("*.in")):
        text = wanted.with_suffix(".lock").read_text()
        assert "://" not in text, wanted
        packages = [line for line in text.splitlines() if "==" in line]
        assert packages
        assert all(line.endswith("\\") for line in packages), wanted


def test_the_proxy_counts_both_ways() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                while connection.recv(65536):
                    pass
                connection.sendall(b"x" * 5000)

        thread = threading.Thread(target=answer)
        thread.start()
        with CountingProxy(server.getsockname()[1]) as proxy:
            port = int(proxy.url.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"y" * 1_000_000)
                client.shutdown(socket.SHUT_WR)
                received = b"".join(iter(lambda: client.recv(65536), b""))
            assert (len(received), proxy.sent, proxy.received) == (5000, 1_000_000, 5000)
        thread.join()
