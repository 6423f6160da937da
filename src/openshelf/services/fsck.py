"""The proof that refs, catalogue and stored bytes agree, and what can be mended where they do not.

Works beside a running server: what looks wrong because it is being changed is looked at twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from openshelf.domain.repos import Repo
from openshelf.domain.tree import Blob
from openshelf.errors import StorageFault
from openshelf.services import fsck_bytes
from openshelf.services.accept import MAIN, reconcile, record_head
from openshelf.services.hub import Hub, now
from openshelf.services.stored import record_whole
from openshelf.storage import search
from openshelf.storage.catalogue import blobs, integrity, refs, repos
from openshelf.storage.repositories import GitRepository
from openshelf.storage.repositories.reachable import object_faults, reachable_blobs

Progress = Callable[[str, int, int], None]


class Kind(StrEnum):
    """What a problem is about."""

    CATALOGUE = "catalogue"
    REPOSITORY = "repository"
    REF = "ref"
    BLOB = "blob"
    XORB = "xorb"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Problem:
    """One disagreement. ``lost``: bytes or objects are gone that something refers to."""

    kind: Kind
    subject: str
    message: str
    lost: bool = False
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, and what was found."""

    repositories: int
    blobs: int
    xorbs: int
    problems: tuple[Problem, ...]

    @property
    def is_clean(self) -> bool:
        return all(problem.mended for problem in self.problems)


def check(hub: Hub, *, deep: bool = False, repair: bool = False, progress: Progress = lambda *_: None) -> Checked:
    """Compare everything with everything. ``deep`` reads and hashes every stored byte; ``repair`` mends.

    Mended is what loses nothing: catalogue rows that git contradicts, missing links, forms of a blob that are gone
    while another is there, rows and files that nothing refers to.
    """
    if repair:
        hub.check_writable()
    problems: list[Problem] = []
    with hub.storage.catalogue.read() as tx:
        problems += [Problem(Kind.CATALOGUE, "catalogue", text, lost=True) for text in integrity.faults(tx)]
        ids = repos.all_ids(tx)
    for number, repo_id in enumerate(ids):
        progress("repositories", number, len(ids))
        problems += _check_repo(hub, repo_id, deep, repair)
    problems += _unknown_repositories(hub, set(ids))
    problems += _check_search(hub, repair)
    counted = {}
    for kind, checker in (("blobs", fsck_bytes.check_blobs), ("xorbs", fsck_bytes.check_xorbs)):
        counted[kind], found = checker(hub, deep, repair, progress)
        problems += [
            Problem(Kind(kind[:-1]), fault.subject, fault.message, fault.lost, fault.mended) for fault in found
        ]
    found = fsck_bytes.check_orphans(hub, repair)
    problems += [Problem(Kind.ORPHAN, fault.subject, fault.message, fault.lost, fault.mended) for fault in found]
    return Checked(len(ids), counted["blobs"], counted["xorbs"], tuple(problems))


def _check_repo(hub: Hub, repo_id: str, deep: bool, repair: bool) -> Iterator[Problem]:
    with hub.storage.catalogue.read() as tx:
        repo = repos.by_id(tx, repo_id)
    if repo is None:
        return
    try:
        git = hub.storage.repositories.open(repo_id)
        yield from _check_refs(hub, repo, git, repair)
        named = reachable_blobs(git)
    except StorageFault as fault:
        with hub.storage.catalogue.read() as tx:
            gone = repos.by_id(tx, repo_id) is None
        if not gone:
            yield Problem(Kind.REPOSITORY, repo.full_name, fault.message, lost=True)
        return
    yield from _check_pointers(hub, repo, named, repair)
    if deep:
        yield from _check_objects(repo, git)


def _check_refs(hub: Hub, repo: Repo, git: GitRepository, repair: bool) -> Iterator[Problem]:
    with hub.storage.locks.hold(f"repo-{repo.id}"), hub.storage.catalogue.read() as tx:
        known = refs.recorded(tx, repo.id)
        there = {ref.name: ref.commit for ref in git.refs()}
        fresh = repos.by_id(tx, repo.id)
    differing = sorted(name for name in known.keys() | there.keys() if known.get(name) != there.get(name))
    mended = bool(differing) and repair and reconcile(hub, repo.id) > 0
    for name in differing:
        message = (
            f"{name} is at {there.get(name, 'nothing')} in git, and at {known.get(name, 'nothing')} in the catalogue"
        )
        yield Problem(Kind.REF, repo.full_name, message, mended=mended)
    if fresh and not differing and fresh.head != there.get(MAIN):
        message = f"its head is recorded as {fresh.head}, and main is at {there.get(MAIN)}"
        if repair:
            with hub.storage.catalogue.write() as tx:
                record_head(tx, fresh, git, there.get(MAIN))
        yield Problem(Kind.REF, repo.full_name, message, mended=repair)


def _check_search(hub: Hub, repair: bool) -> Iterator[Problem]:
    with hub.storage.catalogue.read() as tx:
        known = {repo.seq: repo for repo_id in repos.all_ids(tx) if (repo := repos.by_id(tx, repo_id)) and repo.head}
        indexed = search.indexed(tx)
    for seq in sorted(known.keys() - indexed):
        repo, mended = known[seq], False
        if repair:
            with suppress(StorageFault), hub.storage.catalogue.write() as tx:
                record_head(tx, repo, hub.storage.repositories.open(repo.id), repo.head)
                mended = True
        yield Problem(Kind.CATALOGUE, repo.full_name, "search does not find it", mended=mended)
    for seq in sorted(indexed - known.keys()):
        with hub.storage.catalogue.write() as tx:
            is_gone = not repos.exists(tx, seq)
            if is_gone and repair:
                search.remove(tx, seq)
        if is_gone:
            yield Problem(Kind.CATALOGUE, f"repo {seq}", "search finds it, and it is gone", mended=repair)


def _check_pointers(hub: Hub, repo: Repo, named: dict[Blob, str], repair: bool) -> Iterator[Problem]:
    digests = {blob.sha256 for blob in named}
    with hub.storage.catalogue.read() as tx:
        stored, linked = blobs.get_many(tx, digests), blobs.links(tx, repo.id)
    for blob, path in named.items():
        row = stored.get(blob.sha256)
        if row is None and hub.storage.blobs.size(blob.sha256) == blob.size:
            message = f"{path} names blob {blob.sha256}, whose bytes are there and whose row is not"
            mended = repair and _adopt(hub, repo, blob)
            yield Problem(Kind.BLOB, repo.full_name, message, lost=repair and not mended, mended=mended)
        elif row is None or row.size != blob.size:
            message = f"{path} names blob {blob.sha256} of {blob.size} bytes, which is not stored"
            yield Problem(Kind.BLOB, repo.full_name, message, lost=True)
        elif blob.sha256 not in linked:
            if repair:
                with hub.storage.catalogue.write() as tx:
                    blobs.link(tx, repo.id, [blob.sha256], now())
            message = f"{path} names blob {blob.sha256}, which the repository has no link to"
            yield Problem(Kind.BLOB, repo.full_name, message, mended=repair)


def _adopt(hub: Hub, repo: Repo, blob: Blob) -> bool:
    """Record a whole blob again that lies in the store without a row; False where it is damaged."""
    if not hub.storage.blobs.is_intact(blob.sha256):
        return False
    record_whole(hub, repo, blob)
    return True


def _check_objects(repo: Repo, git: GitRepository) -> Iterator[Problem]:
    """Every object of the repository, by git's own check."""
    faults = object_faults(git)
    if faults:
        yield Problem(Kind.REPOSITORY, repo.full_name, f"git fsck says: {'; '.join(faults[:3])}", lost=True)


def _unknown_repositories(hub: Hub, known: set[str]) -> Iterator[Problem]:
    with hub.storage.catalogue.read() as tx:
        known = known | set(repos.all_ids(tx))
    for repo_id in hub.storage.repositories.ids():
        if repo_id not in known and fsck_bytes.is_settled(hub.storage.repositories.path(repo_id).stat().st_mtime):
            path = str(hub.storage.repositories.path(repo_id))
            yield Problem(
                Kind.ORPHAN, path, "no repo has this repository; `openshelf gc --run` removes it", mended=True
            )
