"""Pushes by git: commands and a pack come in, are checked in quarantine, and end as every commit does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from openshelf.domain.access import Access
from openshelf.domain.names import check_ref_name, pull_number
from openshelf.domain.people import Actor
from openshelf.domain.repos import DEFAULT_BRANCH, Repo
from openshelf.errors import (
    AlreadyExists,
    InvalidUpload,
    OpenshelfError,
    RevisionNotFound,
    StaleParent,
    StorageFault,
)
from openshelf.services import push, repos
from openshelf.services.accept import RefUpdate, check_quota, move_refs
from openshelf.services.hub import Hub
from openshelf.services.push_content import Refusal, check_content
from openshelf.storage.repositories import GitRepository
from openshelf.storage.repositories.quarantine import MAX_TREE_BYTES, Quarantine

MAX_COMMANDS = 10_000
_TELL_ABOVE = 5_000
_HEADS, _TAGS = "refs/heads/", "refs/tags/"
_STALE = "it moved meanwhile; fetch first, then push again"

# Most of a push is waiting for its sender, so there may be more of them than of fetches.
_PUSHES_PER_PLACE = 4
PATIENCE_SECONDS = 30.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a push. ``unpack_error`` is empty where the pack was sound; ``refused`` maps refs to reasons."""

    unpack_error: str
    refused: dict[str, str]
    lines: tuple[str, ...] = ()


def place(hub: Hub) -> AbstractAsyncContextManager[None]:
    """Hold this during a push: only so many are taken at the same time. Raises Unavailable."""
    return hub.slots.hold("push", _PUSHES_PER_PLACE * hub.settings.git_processes, PATIENCE_SECONDS)


class Push:
    """One push: give it the pack with ``write``, then ``finish``, and at last ``discard``."""

    def __init__(
        self, hub: Hub, actor: Actor, repo: Repo, updates: Sequence[RefUpdate], *, atomic: bool = False
    ) -> None:
        self._hub, self._actor, self._repo, self._atomic = hub, actor, repo, atomic
        self._updates = list(updates)
        self._refused: dict[str, str] = {}
        self._quarantine: Quarantine | None = None
        self._written = 0
        self._objects = 0
        self._is_over = False
        self._check_commands()

    def write(self, data: bytes) -> None:
        """Take more of the pack. What comes after a refusal is dropped: the client reads no answer before its end."""
        self._written += len(data)
        if self._is_over or not self._wanted():
            return
        if self._quarantine is None:
            git = self._hub.storage.repositories.open(self._repo.id)
            limit = self._hub.settings.max_push_bytes
            self._quarantine = self._hub.storage.repositories.quarantines.open(git, limit)
        self._is_over = not self._quarantine.write(data)

    def finish(self, say: Say) -> Outcome:
        """Check what came and move the refs; ``say`` tells the person who pushes how it goes.

        Raises StorageFault; every other error of ours is in the outcome.
        """
        if not self._wanted():
            return Outcome("", self._refused)
        try:
            refusal, named = self._check(say) if self._unpack(say) else (None, [])
            if refusal:
                return self._refuse(refusal)
            self._accept(named)
        except StorageFault:
            raise
        except InvalidUpload as error:
            return self._fail("unpacker error", error.message)
        except OpenshelfError as error:
            return self._refuse(Refusal(error.message, (error.message,)))
        return Outcome("", self._refused)

    def give_up(self, reason: str) -> Outcome:
        """The outcome where ``finish`` raised an error."""
        return self._fail("the hub failed", reason)

    def discard(self) -> None:
        """Forget what is not kept. Call it in every case."""
        if self._quarantine is not None:
            self._quarantine.discard()

    # Commands

    def _check_commands(self) -> None:
        times = Counter(update.name for update in self._updates)
        standing = self._hub.storage.repositories.open(self._repo.id).targets()
        for update in self._updates:
            reason = "it is named twice in this push" if times[update.name] > 1 else self._rule(update, standing)
            if reason:
                self._refused[update.name] = reason
        self._settle()

    def _rule(self, update: RefUpdate, standing: dict[str, str]) -> str:
        """Why a command cannot be done, as far as its ref tells; empty where it can."""
        name = update.name
        if update.new is None and name == _HEADS + DEFAULT_BRANCH:
            return "the default branch cannot be deleted"
        if update.new is None and pull_number(name):
            return "a pull request cannot be deleted; close it instead"
        try:
            push.check_may_commit(self._hub, self._actor, self._repo, name, propose=False)
            if name.startswith(_HEADS):
                check_ref_name(name.removeprefix(_HEADS), "branch")
            elif name.startswith(_TAGS):
                check_ref_name(name.removeprefix(_TAGS), "tag")
            elif pull_number(name) is None:
                return "only refs/heads/*, refs/tags/* and refs/pr/N can be pushed to"
            elif name not in standing:
                return "there is no such pull request; open it on its page or by the API"
        except OpenshelfError as error:
            return error.message
        if standing.get(name) != update.old:
            return _STALE
        return ""

    def _wanted(self) -> list[RefUpdate]:
        return [update for update in self._updates if update.name not in self._refused]

    def _settle(self) -> None:
        """Where all must go together, one refusal is a refusal of all."""
        if self._atomic and self._refused:
            for update in self._wanted():
                self._refused[update.name] = "another ref of this atomic push was refused"

    def _refuse(self, refusal: Refusal) -> Outcome:
        for update in self._wanted():
            self._refused[update.name] = refusal.reason
        return Outcome("", self._refused, refusal.lines)

    def _fail(self, reason: str, error: str) -> Outcome:
        for update in self._wanted():
            self._refused[update.name] = reason
        return Outcome(error, self._refused)

    # The pack

    def _unpack(self, say: Say) -> bool:
        """Complete the pack and look at its objects; False where every command deletes and none came."""
        if all(update.new is None for update in self._wanted()):
            return False
        if self._written > self._hub.settings.max_push_bytes:
            raise InvalidUpload(
                f"The pack has more than the {self._hub.settings.max_push_bytes} bytes that are taken in one push; "
                "push fewer commits at a time, and keep large files in LFS."
            )
        if self._quarantine is None:
            raise InvalidUpload("The push ended before its pack came.")
        self._quarantine.finish()
        for header in self._quarantine.headers():
            self._objects += 1
            if header.kind != "blob" and header.size > MAX_TREE_BYTES:
                raise InvalidUpload(f"The {header.kind} {header.oid} has {header.size} bytes; that is too much.")
        if self._objects > _TELL_ABOVE:
            say(f"Checking {self._objects} objects ...")
        return True

    def _check(self, say: Say) -> tuple[Refusal | None, list[str]]:
        git = self._view()
        tips = []
        for update in self._wanted():
            if update.new is None:
                continue
            try:
                commit = git.commit_of(update.new)
            except RevisionNotFound:
                raise InvalidUpload(f"{update.new}, the new {update.name}, is not a commit, or did not come.") from None
            if commit != update.new and not update.name.startswith(_TAGS):
                raise InvalidUpload(f"{update.new}, the new {update.name}, is a tag; only refs/tags/* may be one.")
            tips.append(commit)
        check_quota(self._hub, self._repo, self._written)
        known = sorted({ref.commit for ref in git.refs()})
        return check_content(self._hub, self._actor, self._repo, git, tips, known, say)

    def _view(self) -> GitRepository:
        git = self._hub.storage.repositories.open(self._repo.id)
        if self._quarantine is not None:
            self._quarantine.view(git)
        return git

    # The end

    def _accept(self, named: Sequence[str]) -> None:
        """Under the repo's lock: what was checked before may have changed during a long push."""
        hub = self._hub
        with hub.storage.locks.hold(f"repo-{self._repo.id}"):
            self._repo = repos.find_by_id(hub, self._actor, self._repo.id, Access.READ)
            standing = hub.storage.repositories.open(self._repo.id).targets()
            blocked = _in_the_way(self._wanted(), standing)
            for update in self._wanted():
                reason = self._rule(update, standing) or blocked.get(update.name)
                if reason:
                    self._refused[update.name] = reason
            self._settle()
            updates = self._wanted()
            if not updates:
                return
            if self._quarantine is not None and self._objects:
                self._quarantine.keep()
            git = hub.storage.repositories.open(self._repo.id)
            try:
                move_refs(hub, self._actor, self._repo, git, updates, named)
            except StaleParent:
                self._fail(_STALE, "")
            except AlreadyExists as error:
                self._fail(error.message, "")


def _in_the_way(updates: Sequence[RefUpdate], standing: dict[str, str]) -> dict[str, str]:
    """Why a new ref cannot be: git keeps refs as files, so ``a`` and ``a/b`` cannot both be there."""
    names = set(standing) | {update.name for update in updates if update.new is not None}
    names -= {update.name for update in updates if update.new is None}
    folders = {folder: name for name in names for folder in _folders(name)}
    blocked = {}
    for update in updates:
        if update.new is not None and update.old is None:
            found = folders.get(update.name) or next((f for f in _folders(update.name) if f in names), None)
            if found:
                blocked[update.name] = f"{found} is in the way"
    return blocked


def _folders(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(3, len(parts))]


def discard_stale_quarantines(hub: Hub, seconds: float) -> int:
    """Remove what pushes that died left behind, once nothing was added for so long; returns how many there were."""
    return hub.storage.repositories.quarantines.discard_older_than(seconds)
