"""Rounding float64 to types below float32 in one step. NumPy and torch go by way of float32 there, and round twice."""

from __future__ import annotations

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Array


def sticky(values: Array) -> Array:
    """float64 as float32 whose last bit remembers what was cut off, so that rounding it further rounds only once."""
    if values.dtype != np.float64:
        return values
    found = values.astype(np.float32)
    bits, back = found.view(np.uint32), found.astype(np.float64)
    bits -= np.abs(back) > np.abs(values)
    bits |= (back != values) & ~np.isnan(values)
    return found
