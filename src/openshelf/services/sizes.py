"""Amounts for people."""

from __future__ import annotations

import re

from openshelf.errors import Invalid

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def readable_size(size: int) -> str:
    """``size`` bytes in decimal units with at most three digits: ``1.25 GB``."""
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    if unit == 0:
        return "1 byte" if size == 1 else f"{size} bytes"
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {_UNITS[unit]}"


_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)\s*(?:([kmgtp])(i?)b?|b|bytes?)?\Z", re.IGNORECASE)


def parse_size(text: str) -> int:
    """The number of bytes that ``text`` such as ``500 MB``, ``1.5T`` or ``4GiB`` stands for. Raises Invalid."""
    match = _SIZE.match(text.strip())
    if match is None:
        raise Invalid(f"{text!r} is not a size; write it as 500MB, 1.5TB or 4GiB.")
    power = "kmgtp".index(match[2].lower()) + 1 if match[2] else 0
    unit: int = (1024 if match[3] else 1000) ** power
    return round(float(match[1]) * unit)
