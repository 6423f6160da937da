"""Front matter of a README."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Card:
    metadata: Mapping[str, Any] | None
    body: str


def split(content: bytes) -> Card:
    return Card(None, content.decode("utf-8", "replace"))
