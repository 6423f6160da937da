"""Many writers on one branch: with a parent named one wins, without one all are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable

from openshelf.domain.tree import AddInline
from openshelf.errors import OpenshelfError, StaleParent
from openshelf.services import fetch, fsck, push
from openshelf.services.hub import Hub
from openshelf.storage.repositories import history
from tests.services.bytes_in_hub import start

WRITERS = 6


def _at_once(work: Callable[[int], None]) -> list[OpenshelfError]:
    refused: list[OpenshelfError] = []
    gate = threading.Barrier(WRITERS)

    def run(number: int) -> None:
        gate.wait()
        try:
            work(number)
        except OpenshelfError as error:
            refused.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


def test_of_writers_on_one_parent_one_wins(hub: Hub) -> None:
    actor, repo = start(hub)
    _, before = fetch.revision(hub, repo, "main")

    def write(number: int) -> None:
        push.commit(hub, actor, repo, "main", [AddInline("a", b"%d" % number)], "mine", parent=before.commit)

    refused = _at_once(write)
    assert len(refused) == WRITERS - 1
    assert {type(error) for error in refused} == {StaleParent}
    git, after = fetch.revision(hub, repo, "main")
    assert history.count(git, after.commit) == 2
    assert fsck.check(hub).problems == ()


def test_writers_without_a_parent_lose_nothing(hub: Hub) -> None:
    actor, repo = start(hub)

    def write(number: int) -> None:
        push.commit(hub, actor, repo, "main", [AddInline(f"f{number}", b"x")], "one more")

    assert _at_once(write) == []
    git, after = fetch.revision(hub, repo, "main")
    assert {entry.path for entry in git.entries(after.commit)} == {".gitattributes", *(f"f{n}" for n in range(WRITERS))}
    assert history.count(git, after.commit) == WRITERS + 1
    assert fsck.check(hub).problems == ()
