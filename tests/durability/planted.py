"""Faults put into the hub on purpose, to see that the walk finds them: each takes away one thing that it relies on."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

import openshelf.storage.durable as durable
import openshelf.storage.objects as objects
from openshelf.services import chunk_blob, gc
from openshelf.services.hub import now
from openshelf.storage.catalogue import blobs, engine, garbage
from openshelf.storage.repositories import repository
from openshelf.xet.hashes import to_hex


def _nothing(*_arguments: Any, **_options: Any) -> None:
    return None


def no_folder_is_synced() -> None:
    """Names of new files are not made durable."""
    for module in (durable, objects, repository):
        vars(module)["sync_path"] = _nothing


def no_object_of_git_is_synced() -> None:
    """The objects of a commit are on their way to the disk when its ref moves."""
    vars(repository)["sync_files"] = _nothing


def bytes_are_not_synced() -> None:
    """Of an object, its name alone is on disk when it is acknowledged."""
    sync = os.fsync

    def folders_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            sync(descriptor)

    vars(os)["fsync"] = folders_only


def the_catalogue_is_not_synced() -> None:
    """A transaction is acknowledged before it is on disk."""
    vars(engine)["_PRAGMAS"] = tuple(p.replace("synchronous=FULL", "synchronous=OFF") for p in engine._PRAGMAS)


def locks_of_git_stay() -> None:
    """What a killed process has locked in a repository stays locked."""
    vars(repository)["GitRepository"].discard_locks = _nothing


def bytes_go_before_their_rows() -> None:
    """Garbage collection removes bytes in a transaction that may not come to its end."""
    remove = garbage.remove_xorbs

    def remove_xorbs(tx: Any, *arguments: Any, **options: Any) -> Any:
        gone = remove(tx, *arguments, **options)
        for xorb_hash, _ in gone:
            _hub[0].storage.xorbs.delete(to_hex(xorb_hash))
        return gone

    real = gc.collect

    def collect(hub: Any, **options: Any) -> Any:
        _hub[:] = [hub]
        return real(hub, **options)

    vars(garbage)["remove_xorbs"] = remove_xorbs
    vars(gc)["collect"] = collect


_hub: list[Any] = []


def whole_forms_go_before_chunks_are_recorded() -> None:
    """A blob's whole form is gone while the catalogue still knows no other."""

    def drop(hub: Any, row: Any, xet_hash: bytes) -> None:
        with hub.storage.catalogue.write() as tx:
            blobs.save(tx, row.blob, now(), xet_hash=xet_hash)
            blobs.forget_whole(tx, row.sha256)
            hub.storage.blobs.delete(row.sha256)

    vars(chunk_blob)["_drop_whole"] = drop


PLANTED: dict[str, Callable[[], None]] = {
    fault.__name__: fault
    for fault in (
        no_folder_is_synced,
        no_object_of_git_is_synced,
        bytes_are_not_synced,
        the_catalogue_is_not_synced,
        locks_of_git_stay,
        bytes_go_before_their_rows,
        whole_forms_go_before_chunks_are_recorded,
    )
}
