"""Identifiers that the catalogue gives out."""

from __future__ import annotations

import secrets
import time


def new_id() -> str:
    """24 hex digits: seconds since 1970, then 64 random bits; sorts roughly by age."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"
