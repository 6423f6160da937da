"""Requests of a fetch, made by hand."""

from __future__ import annotations

from openshelf.interfaces.git.pkt_lines import packet


def wanted(commit: str) -> bytes:
    """A whole fetch of one commit, in protocol version 2."""
    return (
        packet("command=fetch")
        + b"0001"
        + packet("no-progress")
        + packet(f"want {commit}\n")
        + packet("done\n")
        + b"0000"
    )
