"""Which paths a ``.gitattributes`` file keeps outside git."""

from __future__ import annotations

from pathspec import GitIgnoreSpec

_MAX_LINES = 5000


def lfs_patterns(content: bytes) -> GitIgnoreSpec:
    """The patterns with ``filter=lfs``; a later line without it takes a path back, as in gitattributes(5)."""
    lines = []
    for line in content.decode("utf-8", "replace").splitlines()[:_MAX_LINES]:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        pattern, *attributes = text.split()
        if "filter=lfs" in attributes:
            lines.append(pattern)
        elif {"-filter", "!filter"} & set(attributes) or any(a.startswith("filter=") for a in attributes):
            lines.append("!" + pattern)
    return GitIgnoreSpec.from_lines(lines)
