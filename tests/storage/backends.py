"""The back ends that every contract of ``storage`` is tested on. A new one joins by a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from openshelf.storage.catalogue import Catalogue
from openshelf.storage.catalogue.migrate import upgrade
from openshelf.storage.locks import DiskLocks, Locks
from openshelf.storage.objects import DiskObjects, Objects


def _disk_objects(folder: Path) -> Objects:
    return DiskObjects(folder / "objects", folder / "temporary")


def _disk_locks(folder: Path) -> Locks:
    return DiskLocks(folder / "locks")


def _sqlite(folder: Path) -> Catalogue:
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = Catalogue.on_sqlite(folder / "catalogue.db")
    upgrade(catalogue)
    return catalogue


OBJECTS: dict[str, Callable[[Path], Objects]] = {"disk": _disk_objects}
LOCKS: dict[str, Callable[[Path], Locks]] = {"disk": _disk_locks}
CATALOGUES: dict[str, Callable[[Path], Catalogue]] = {"sqlite": _sqlite}
