"""What a graph of operations says of a model."""

from __future__ import annotations

from collections.abc import Mapping

_NAMED = 4
_MOST_NAME = 60


def architecture(ops: Mapping[str, int]) -> str | None:
    """The most frequent operations of a graph in words; None where it has none."""
    common = sorted(ops.items(), key=lambda one: (-one[1], one[0]))
    named = ", ".join(f"{count} {name[:_MOST_NAME]}" for name, count in common[:_NAMED])
    more = ", …" if len(common) > _NAMED else ""
    return f"graph of {sum(ops.values()):,} operations: {named}{more}" if common else None
