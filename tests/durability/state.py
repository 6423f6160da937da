"""What a hub shows and holds, read back to the last byte."""

from __future__ import annotations

import hashlib
from typing import Any

from openshelf.services import fetch, fsck, fsck_bytes, housekeeping
from openshelf.services.hub import Hub
from openshelf.storage import search
from openshelf.storage.catalogue import blobs, repos


def look(hub: Hub) -> dict[str, Any]:
    """Repo to what a reader finds: each ref with its files and their digests, and whether search finds the card."""
    with hub.storage.catalogue.read() as tx:
        known = [repo for repo_id in repos.all_ids(tx) if (repo := repos.by_id(tx, repo_id))]
        titles = {repo.full_name: str(repo.facts.get("excerpt", "")) for repo in known}
        found = {repo.full_name: repo.seq in search.indexed(tx) for repo in known}
    state: dict[str, Any] = {}
    for repo in known:
        git = hub.storage.repositories.open(repo.id)
        refs = {}
        for ref in git.refs():
            files = {}
            for entry in git.entries(ref.commit, recursive=True):
                if not entry.is_folder:
                    content = fetch.content(hub, repo, git, entry)
                    files[entry.path] = digest(content)
                    assert entry.blob is None or files[entry.path] == entry.blob.sha256, f"{entry.path} is damaged"
            refs[ref.name] = files
        state[repo.full_name] = {"refs": refs, "found": found[repo.full_name], "title": titles[repo.full_name]}
    return state


def holds(hub: Hub, repo_id: str, sha256: str) -> bool:
    """Whether the repo has the blob; where it has, every byte of it is right."""
    with hub.storage.catalogue.read() as tx:
        row = blobs.linked(tx, repo_id, [sha256]).get(sha256)
    if row is None:
        return False
    assert digest(fetch.stored_content(hub, row)) == sha256, f"blob {sha256} is shown and is damaged"
    return True


def every_blob_reads_back(hub: Hub) -> None:
    """Whatever a repo may use is there: no look-up leads to bytes that are half written or gone."""
    with hub.storage.catalogue.read() as tx:
        ids = repos.all_ids(tx)
    for repo_id in ids:
        with hub.storage.catalogue.read() as tx:
            linked = list(blobs.links(tx, repo_id))
        for sha256 in linked:
            assert holds(hub, repo_id, sha256)


def reconcile(hub: Hub) -> None:
    """What a worker does when it starts."""
    import threading

    for routine in housekeeping.ROUTINES:
        if routine.name in ("reconcile", "discard stale uploads"):
            routine.work(hub, threading.Event())


def damage(hub: Hub, *, deep: bool = True) -> list[str]:
    """What the check finds wrong. Bytes that nothing knows are no damage: garbage collection takes them later."""
    fsck_bytes.SETTLED_SECONDS = -1
    problems = fsck.check(hub, deep=deep).problems
    return [
        f"{problem.kind} {problem.subject}: {problem.message}"
        for problem in problems
        if problem.kind is not fsck.Kind.ORPHAN
    ]


def digest(content: fetch.Content) -> str:
    """The sha256 of a file, read to its end."""
    hashed = hashlib.sha256()
    for piece in content.read(0, content.size):
        hashed.update(piece)
    return hashed.hexdigest()
