"""Which accounts made commits."""

from __future__ import annotations

from collections.abc import Iterable

from openshelf.domain.people import ANONYMOUS, AccountKind
from openshelf.domain.tree import CommitInfo
from openshelf.services.accept import author_of
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import accounts

_NO_REPLY = author_of(ANONYMOUS).email.removeprefix(ANONYMOUS.name)


def of_commits(hub: Hub, commits: Iterable[CommitInfo]) -> dict[str, str]:
    """Commit id to account name, for those that this hub made or whose author has an account's name.

    Real e-mail addresses are not compared: a match would tell which account has which address.
    """
    claimed = {commit.id: _name(commit) for commit in commits}
    with hub.storage.catalogue.read() as tx:
        known = accounts.by_names(tx, claimed.values())
    found = {commit: known.get(name.lower()) for commit, name in claimed.items()}
    return {commit: who.name for commit, who in found.items() if who and who.kind is AccountKind.USER}


def _name(commit: CommitInfo) -> str:
    return commit.email.removesuffix(_NO_REPLY) if commit.email.endswith(_NO_REPLY) else commit.author
