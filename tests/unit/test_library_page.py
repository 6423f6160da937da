"""The reference of the library says what the library has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import openshelf

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_docstrings_say() -> None:
    """Run ``make docs`` where it is not."""
    written = subprocess.run(
        [sys.executable, "-c", "from library import library_page; print(library_page().rstrip())"],
        cwd=DOCS, capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    page = (DOCS / "reference" / "library.md").read_text(encoding="utf-8")
    assert page.partition("\n\n")[2] == written
    for name in openshelf.__all__:
        assert name.startswith("__") or f"\n## `openshelf.{name}`\n" in page
