"""Putting bytes and commits into a hub, for tests of what looks after them."""

from __future__ import annotations

from openshelf.domain.names import RepoKind
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.domain.tree import AddBlob, AddInline, Blob, Change
from openshelf.services import accounts, push, repos
from openshelf.services.hub import Hub
from openshelf.services.stored import record_whole
from tests.hubs import add_user


def start(hub: Hub, name: str = "model") -> tuple[Actor, Repo]:
    """A user and a repo of theirs."""
    account, _ = add_user(hub, "ada")
    actor = accounts.actor_of(hub, account)
    return actor, repos.create(hub, actor, RepoKind.MODEL, name)


def store(hub: Hub, repo: Repo, content: bytes) -> Blob:
    """A whole blob that ``repo`` may use."""
    writer = hub.storage.blobs.writer()
    writer.write(content)
    blob = writer.keep()
    record_whole(hub, repo, blob)
    return blob


def commit(hub: Hub, actor: Actor, repo: Repo, *changes: Change | tuple[str, bytes | Blob]) -> str:
    """Commit files given as (path, content or blob), and other changes."""
    made: list[Change] = []
    for change in changes:
        if not isinstance(change, tuple):
            made.append(change)
        elif isinstance(change[1], Blob):
            made.append(AddBlob(change[0], change[1].sha256, change[1].size))
        else:
            made.append(AddInline(change[0], change[1]))
    return push.commit(hub, actor, repo, "main", made, "change").commit
