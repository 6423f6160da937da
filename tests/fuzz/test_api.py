"""Requests made from the API description: no fault of the hub, and every answer as it is described."""

from __future__ import annotations

import pytest

from tests.fuzz.api import walk
from tests.fuzz.shelf import SETTINGS, furnish
from tests.served import serve


@pytest.mark.slow
def test_no_request_makes_the_hub_fail(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serve(tmp_path_factory.mktemp("api"), **SETTINGS) as served:
        shelf = furnish(served)
        done = walk(served.url, shelf.token, shelf.known, examples=1)
        assert not done.failures, "\n\n".join(f"{what}\n{told}" for what, told in done.failures.items())
        assert done.operations > 70
        assert done.asked > done.operations
        assert done.statuses.get(200, 0) > 8, done.statuses
        assert "] fault " not in served.log.read_text()
