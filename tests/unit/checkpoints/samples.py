"""Real files of other projects, read where they lie beside the checkout, with what independent readers said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4] / "shared/samples/formats"
_MANIFEST = ROOT / "manifest.json"

needs_samples = pytest.mark.skipif(not _MANIFEST.exists(), reason="the folder of real files is not there")


def entries(*folders: str) -> list[dict[str, Any]]:
    """Entries of the manifest, of all files or of those in some folders; none where there is no manifest."""
    if not _MANIFEST.exists():
        return []
    found: list[dict[str, Any]] = json.loads(_MANIFEST.read_text())["files"]
    return [one for one in found if not folders or one["file"].split("/")[0] in folders]
