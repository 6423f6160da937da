"""huggingface_hub in three generations, and the current one with and without Xet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import check, check_absent
from .live_hub import LiveHub
from .running import Client, Operation, locked_version, operations, run_operation

FAMILY = "huggingface_hub"
CLIENTS = {
    "hub-2.4": Client(f"{{version}} with hf_xet {locked_version('hub-2.4', 'hf-xet')}", "hub-2.4", "huggingface-hub"),
    "hub-2.4-lfs": Client("{version}, HF_HUB_DISABLE_XET=1", "hub-2.4", "huggingface-hub", {"HF_HUB_DISABLE_XET": "1"}),
    "hub-1.19": Client("{version}", "hub-1.19", "huggingface-hub"),
    "hub-0.36": Client("{version}", "hub-0.36", "huggingface-hub"),
}

# What this hub lacks, by operation. Each entry must be true: see check_absent.
NOT_IN_THIS_HUB = {
    "gated_repo": "gated repos",
    "merge_pull_request": "merging through the API",
    "draft_pull_request": "discussions through the API",
    "discussions": "discussions through the API",
    "lfs_files": "the list of large files",
    "likers": "likes",
    "duplicate_repo": "duplicates",
}


@pytest.mark.parametrize("operation", operations("hub"), ids=lambda operation: operation.name.removeprefix("hub."))
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_operation(
    client: Client, operation: Operation, hub: LiveHub, tmp_path: Path, row: Callable[[str, Client, str], None]
) -> None:
    row(FAMILY, client, operation.title)
    result = run_operation(client, operation.name, hub, tmp_path)
    if operation.short in NOT_IN_THIS_HUB:
        check_absent(result, NOT_IN_THIS_HUB[operation.short])
    check(result)
