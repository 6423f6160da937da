"""What uploads by Xet found stored already, file by file, as far as everybody may know."""

from __future__ import annotations

from openshelf.domain.repos import Repo
from openshelf.services import arrivals
from openshelf.services.hub import Hub
from tests.interfaces.xet.material import Packed, Person, build_xorb, describe, noise, pack, shard_of


def known(hub: Hub, repo: Repo, sha256: str) -> int | None:
    return arrivals.find(hub, repo, [sha256])[sha256].known_bytes


def test_new_chunks_count_once(hub: Hub, ada: Person) -> None:
    repo = ada.repo("m")
    cas = ada.cas(repo)
    one, two, three = noise(5_000, 1), noise(6_000, 2), noise(7_000, 3)
    first, second = build_xorb(one, two), build_xorb(three)
    whole = describe(one + two, (first, 0, 2))
    mixed = describe(two + three + two, (first, 1, 2), (second, 0, 1), (first, 1, 2))
    for xorb in (first, second):
        cas.xorb(xorb)
    assert cas.shard(shard_of([whole, mixed], [first, second]))["type"] == "result"
    assert whole.sha256
    assert mixed.sha256
    assert known(hub, repo, whole.sha256.hex()) == 0
    assert known(hub, repo, mixed.sha256.hex()) == 12_000
    later = describe(one + three, (first, 0, 1), (second, 0, 1))
    assert cas.shard(shard_of([later]))["type"] == "result"
    assert later.sha256
    assert known(hub, repo, later.sha256.hex()) == 12_000


def test_public_repos_count_and_private_ones_do_not(hub: Hub, ada: Person, bob: Person) -> None:
    said = []
    for number, private in enumerate((False, True)):
        file = pack(noise(200_000, number))
        theirs, mine = ada.repo(f"theirs-{number}", private=private), bob.repo(f"mine-{number}")
        _send(ada, theirs, file)
        _send(bob, mine, file)
        said.append((known(hub, theirs, file.sha256), known(hub, mine, file.sha256)))
    assert said == [(0, 200_000), (0, 0)]


def test_sending_again_changes_nothing(hub: Hub, ada: Person) -> None:
    repo, file = ada.repo("m"), pack(noise(100_000, 9))
    _send(ada, repo, file)
    _send(ada, repo, file)
    assert known(hub, repo, file.sha256) == 0


def _send(who: Person, repo: Repo, file: Packed) -> None:
    cas = who.cas(repo)
    cas.xorb(file.xorb)
    assert cas.shard(file.shard)["type"] == "result"
