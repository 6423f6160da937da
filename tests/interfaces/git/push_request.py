"""Pushes made by hand, to send what git would not."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.testclient import TestClient

from openshelf.interfaces.git.pkt_lines import FLUSH, Incomplete, PacketReader, packet
from tests.interfaces.git.working_copy import WorkingCopy

ZERO = "0" * 40
CAPABILITIES = "report-status side-band-64k atomic object-format=sha1 agent=tests"
TYPE = {"content-type": "application/x-git-receive-pack-request"}


def pack_of(copy: WorkingCopy, *revisions: str) -> bytes:
    """The pack that git would send for ``revisions``, such as ``NEW`` and ``^OLD``."""
    return subprocess.run(
        ["git", "pack-objects", "--revs", "--thin", "--stdout", "-q"],
        cwd=copy.folder,
        env=copy.environment(),
        input="".join(f"{revision}\n" for revision in revisions).encode(),
        capture_output=True,
        check=True,
    ).stdout


def body(commands: Sequence[tuple[str, str, str]], pack: bytes, capabilities: str = CAPABILITIES) -> bytes:
    """The request: (old, new, name) for each command, then the pack."""
    lines = [f"{old} {new} {name}" for old, new, name in commands]
    if lines:
        lines[0] += "\0" + capabilities
    return b"".join(packet(line) for line in lines) + FLUSH + pack


@dataclass(frozen=True)
class Report:
    """What the hub answered: the unpack line, ref to reason (empty where it moved), lines for people."""

    unpack: str
    refs: dict[str, str]
    said: str


def packets(data: bytes) -> list[bytes | None]:
    reader = PacketReader()
    reader.feed(data)
    found: list[bytes | None] = []
    try:
        while True:
            found.append(reader.next())
    except Incomplete:
        assert reader.rest() == b""
        return found


def read_report(answer: bytes) -> Report:
    """An answer on side bands."""
    bands: dict[int, bytes] = {1: b"", 2: b""}
    for line in packets(answer):
        if line is not None:
            bands[line[0]] += line[1:]
    lines = [line.decode().rstrip("\n") for line in packets(bands[1]) if line is not None]
    refs = {}
    for text in lines[1:]:
        word, name, reason = (text + "  ").split(" ", 2)
        refs[name] = "" if word == "ok" else reason.strip()
    return Report(lines[0], refs, bands[2].decode())


def send(client: TestClient, address: str, request: bytes) -> Report:
    response = client.post(f"{address}/git-receive-pack", content=request, headers=TYPE)
    assert response.status_code == 200, response.text
    return read_report(response.content)
