"""Parquet and Arrow, read in the confined child process."""

from __future__ import annotations

import datetime
import io
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openshelf.analysis.files.ranges import BoundedReader, UnreadableFile, in_memory
from openshelf.analysis.tables.columnar_messages import ReaderFailed
from openshelf.services import columnar

ROWS = 3_000
TABLE = pa.table(
    {
        "id": range(ROWS),
        "price": [number / 4 if number % 3 else None for number in range(ROWS)],
        "colour": [["red", "green", "blue"][number % 3] for number in range(ROWS)],
        "when": pa.array(
            [datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=number) for number in range(ROWS)],
            pa.timestamp("us", tz="Europe/Paris"),
        ),
        "vector": [[1.5, float(number)] for number in range(ROWS)],
        "image": [{"bytes": b"\x89PNG\r\n\x1a\n" + b"x" * 10, "path": f"{number}.png"} for number in range(ROWS)],
        "a.b": [b"\0\1"] * ROWS,
    }
)


def parquet(**options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(TABLE, buffer, row_group_size=1_000, **options)
    return buffer.getvalue()


def ipc(make: Callable[..., Any]) -> bytes:
    buffer = io.BytesIO()
    with make(buffer, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=500)
    return buffer.getvalue()


def test_rows_and_figures_of_parquet() -> None:
    found = columnar.read(in_memory(parquet()), "parquet", 2_950, 100)
    assert (found.total, found.first, len(found.rows), found.has_more) == (ROWS, 2_950, 50, False)
    assert found.rows[-1] == (
        "2999", "749.75", "blue", "2020-05-04 23:00:00.000000Z", "[1.5, 2999]",
        '{"bytes": "PNG image, 18 B", "path": "2999.png"}', "bytes, 2 B",
    )  # fmt: skip
    columns = {column.name: column for column in found.columns}
    assert (columns["id"].minimum, columns["id"].maximum, columns["id"].nulls) == ("0", "2999", 0)
    assert columns["price"].nulls == 1_000
    assert columns["colour"].distinct == 3
    assert {found.count for found in columns["colour"].bins} == {1_000}
    assert columns["when"].minimum == "2020-01-01 00:00:00Z"
    assert columns["vector"].type == "list<element: double>"
    assert ("Row groups", "3") in found.facts


def test_only_what_is_asked_for_is_read() -> None:
    wide = pa.table({"id": range(200_000), "noise": [random.randbytes(100) for _ in range(200_000)]})
    buffer = io.BytesIO()
    pq.write_table(wide, buffer, row_group_size=10_000, compression="none")
    content = buffer.getvalue()
    ranges = in_memory(content)
    found = columnar.read(ranges, "parquet", 150_000, 10)
    assert found.rows[0][0] == "150000"
    assert ranges.spent < len(content) / 4


@pytest.mark.parametrize(("form", "make"), [("arrow", pa.ipc.new_file), ("stream", pa.ipc.new_stream)])
def test_rows_of_arrow(form: str, make: Callable[..., Any]) -> None:
    found = columnar.read(in_memory(ipc(make)), form, 2_990, 100)
    assert [row[0] for row in found.rows] == [str(number) for number in range(2_990, 3_000)]
    assert (found.total, found.has_more) == (ROWS, False)
    assert columnar.read(in_memory(ipc(make)), form, 0, 100).has_more


def test_columns_that_are_too_large_are_left_out() -> None:
    rows = [random.randbytes(1_000_000) for _ in range(60)]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": range(60), "film": rows}), buffer, compression="none")
    found = columnar.read(in_memory(buffer.getvalue()), "parquet", 0, 100)
    assert found.rows[5] == ("5", "…")
    assert "film" in found.notes[0]


def test_damaged_files_are_refused_in_words() -> None:
    content = parquet()
    for damaged in (content[:500], b"PAR1" + b"\0" * 50 + b"PAR1", content[:-8] + b"\xff\xff\xff\x7fPAR1"):
        with pytest.raises(UnreadableFile, match="the reader says"):
            columnar.read(in_memory(damaged), "parquet", 0, 100)
    rng = random.Random(7)
    for _ in range(2):
        broken = bytearray(content)
        for _ in range(40):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            columnar.read(in_memory(bytes(broken)), "parquet", 0, 100)
        except UnreadableFile as error:
            assert str(error)


def test_what_would_need_too_many_bytes_is_refused() -> None:
    content = ipc(pa.ipc.new_file)
    ranges = BoundedReader(len(content), lambda start, end: content[start:end], budget=20_000)
    with pytest.raises(UnreadableFile):
        columnar.read(ranges, "arrow", 0, 100)


def test_a_reader_that_dies_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "_PROGRAM", "openshelf.no_such_program")
    with pytest.raises(ReaderFailed, match="ended before it had an answer"):
        columnar.read(in_memory(parquet()), "parquet", 0, 100)


def test_a_reader_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "_PROGRAM", "http.server")
    monkeypatch.setattr(columnar, "SECONDS", 0.5)
    with pytest.raises(ReaderFailed):
        columnar.read(in_memory(b"x"), "parquet", 0, 100)


CONFINED = """
import socket, sys
from openshelf.analysis import confinement
confinement.limit_resources(2 ** 31, 5)
network = confinement.leave_network()
files = confinement.leave_files()
def fails(do):
    try:
        do()
    except OSError:
        return True
    return False
address = ("127.0.0.1", int(sys.argv[1]))
print(network, fails(lambda: socket.create_connection(address, 2)), files, fails(lambda: open("/etc/passwd")))
try:
    bytearray(2 ** 31)
except MemoryError:
    print("bounded")
"""


def test_the_child_has_no_network_no_files_and_little_memory() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-I", "-c", CONFINED, str(listener.getsockname()[1])]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    network, no_network, files, no_files, memory = said
    assert memory == "bounded"
    # A kernel or a container may refuse one of the two; where it does not, it must hold.
    assert no_network == network
    assert no_files == files


def test_the_server_itself_never_loads_the_library() -> None:
    script = "import sys, openshelf.interfaces.asgi, openshelf.services.columnar; print('pyarrow' in sys.modules)"
    said = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "False"
