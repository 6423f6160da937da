"""What is raised when bytes that came from somewhere else do not follow the Xet formats."""


class XetFormatError(ValueError):
    """Foreign bytes or claims that break a rule of the Xet formats.

    The message is meant for the person whose upload was refused: what is wrong, where, and what the limit is.
    ``offset`` is the byte position of the fault in the value being read, or None when it has no position.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class UnknownXorbError(XetFormatError):
    """A file refers to a xorb that is not stored here; an old shard cache of a client causes it (section 10)."""

    def __init__(self, message: str, xorb_hash: bytes) -> None:
        super().__init__(message)
        self.xorb_hash = xorb_hash


class RangeNotSatisfiableError(ValueError):
    """The first byte asked for lies at or beyond the end of the file of ``size`` bytes."""

    def __init__(self, first: int, size: int) -> None:
        super().__init__(f"byte {first} was asked for, but the file has {size} bytes")
        self.first = first
        self.size = size
