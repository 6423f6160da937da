"""Why a delta is refused. What is malformed raises UnreadableCheckpoint, as with any other file."""

from __future__ import annotations


class DeltaRefused(ValueError):
    """A delta that cannot be made or applied as asked; nothing was written."""


class WrongBase(DeltaRefused):
    """The base is not the one that the delta was made for."""
