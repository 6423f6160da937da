"""The measurements run: every one of them, with Openshelf and nginx, on next to nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from bench.__main__ import MEASURES, QUICK, measure
from bench.bench import Bench
from bench.figures import Figure, contest

TOOLS = ("nginx", "curl", "ab")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason="needs nginx, curl and ab")
def test_every_measurement_runs(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    page, failed = measure(Bench(replace(QUICK, size=1_000_000), tmp_path), MEASURES, "python -m bench --quick")
    assert failed == {}
    assert "failed:" not in page
    for title in (
        "Upload of",
        "Download of",
        "HEAD resolve",
        "snapshot_download",
        "git clone",
        "search over",
        "`/docs/api`",
    ):
        assert title in page
    assert page.count("| nginx |") >= 5


def test_a_peer_that_fails_keeps_its_row() -> None:
    def broken() -> Figure:
        raise RuntimeError("no disk")

    found = contest(2, {"good": lambda: Figure(1, 2, 3), "bad": broken})
    assert len(found["good"].figures) == 2
    assert found["bad"].failure == "RuntimeError: no disk"
