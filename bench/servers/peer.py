"""What all servers under comparison have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.client import Target
from bench.processes import Server
from bench.samples import Sample


class Peer(ABC):
    """A server that takes a file by one PUT and gives it back by GET.

    ``does_not`` stands beside its figures. A slow peer moves 1/``share`` of the bytes; figures are per GB.
    """

    name: str
    version_command: tuple[str, ...] = ()
    does: str
    does_not: str
    share = 1
    server: Server

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be started on this machine; empty where it can."""
        return ""

    @abstractmethod
    @contextmanager
    def started(self, folder: Path) -> Iterator[None]:
        """Run with its data in ``folder``; sets ``server``."""

    @abstractmethod
    def upload_to(self, sample: Sample) -> Target:
        """The address that takes the bytes of ``sample`` by PUT."""

    def finish(self, sample: Sample) -> None:  # noqa: B027 - for most there is nothing to do
        """What makes the uploaded bytes a file that can be asked for."""

    @abstractmethod
    def file(self, sample: Sample) -> Target:
        """The address of an uploaded file."""
