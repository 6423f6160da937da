"""Repacking: the job that keeps clones cheap, beside readers and writers."""

from __future__ import annotations

from openshelf.services.hub import Hub
from openshelf.storage.repositories import repacking


def repack(hub: Hub, repo_id: str) -> bool:
    """Put the objects of a repo into one pack; returns whether that was done.

    Nothing is lost whatever runs beside it, and nobody waits for more than the removal of the old files. Raises
    StorageFault.
    """
    with hub.storage.locks.try_hold(f"repack-{repo_id}") as held:
        if not held or not hub.storage.repositories.exists(repo_id):
            return False
        git = hub.storage.repositories.open(repo_id)
        made = repacking.pack(git)
        with hub.storage.locks.hold(f"repo-{repo_id}"):
            if not hub.storage.repositories.exists(repo_id):
                return False
            if made:
                repacking.drop_packed(git, made[1])
            packed_refs = repacking.pack_refs(git)
    return made is not None or packed_refs
