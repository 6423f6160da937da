"""The `hf` command in three generations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import check_absent
from .hf_command import HfCommand
from .hf_operations import OPERATIONS
from .hub_view import HubView
from .live_hub import LiveHub
from .running import Client

CLIENTS = {
    "hf-2.4": Client("{version}", "hub-2.4", "huggingface-hub"),
    "hf-1.19": Client("{version}", "hub-1.19", "huggingface-hub"),
    "hf-0.36": Client("{version}", "hub-0.36", "huggingface-hub"),
}

# What this hub lacks, by operation. Each entry must be true: see check_absent.
NOT_IN_THIS_HUB = {
    "repos_duplicate": "duplicates",
    "copy_between_repos": "copies of large files between repos",
    "discussions": "discussions through the API",
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_operation(
    client: Client,
    operation: Callable[[HfCommand], None],
    hub: LiveHub,
    view: HubView,
    tmp_path: Path,
    row: Callable[[str, Client, str], None],
) -> None:
    row("The `hf` command", client, (operation.__doc__ or "").strip())
    hf = HfCommand(client, hub, view, tmp_path)
    lacking = NOT_IN_THIS_HUB.get(operation.__name__)
    if lacking is None:
        operation(hf)
        return
    try:
        operation(hf)
    except AssertionError as error:
        check_absent({"outcome": "fail", "why": str(error)}, lacking)
    check_absent({"outcome": "pass"}, lacking)
