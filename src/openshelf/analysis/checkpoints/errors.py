"""What can be wrong with a checkpoint."""

from __future__ import annotations

from openshelf.analysis.files.ranges import UnreadableFile


class UnreadableCheckpoint(UnreadableFile):
    """A file that cannot be read, or not safely. ``offset`` is a byte of ``file``; None where no byte is to blame."""

    def __init__(self, file: str, reason: str, offset: int | None = None) -> None:
        where = f"{file}: " if file else ""
        place = f"at byte {offset:,}: " if offset is not None else ""
        super().__init__(f"{where}{place}{reason}")
        self.file = file
        self.reason = reason
        self.offset = offset


class UnknownFormat(UnreadableCheckpoint):
    """Content that no reader knows."""


class NoSuchTensor(KeyError):
    """A name that the checkpoint does not have."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnreadableValues(UnreadableCheckpoint):
    """A tensor that is listed, but whose values this version cannot decode."""
