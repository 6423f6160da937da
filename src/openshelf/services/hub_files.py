"""The files of a revision, as readers of checkpoints want them: by ranges, within bounds, and nothing beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.files.ranges import BoundedReader
from openshelf.domain.repos import Repo
from openshelf.domain.tree import Entry
from openshelf.services import fetch
from openshelf.services.hub import Hub
from openshelf.storage.repositories import GitRepository


@dataclass(slots=True)
class HubFile(BoundedReader):
    """Bytes that are read where they are kept, at most ``budget`` of them."""

    def view(self, start: int, end: int, /) -> memoryview:
        return memoryview(self.read(start, end))


@dataclass(slots=True)
class HubFiles:
    """The ``entries`` of a repo by their paths. Reading raises StorageFault where bytes are missing or damaged."""

    hub: Hub
    repo: Repo
    git: GitRepository
    entries: Mapping[str, Entry]
    _open: dict[str, HubFile] = field(default_factory=dict, init=False)

    @property
    def label(self) -> str:
        return self.repo.full_name

    def sizes(self) -> Mapping[str, int]:
        return {path: self.entries[path].size for path in sorted(self.entries)}

    def open(self, name: str) -> HubFile:
        if name not in self._open:
            if name not in self.entries:
                raise UnreadableCheckpoint(name, f"there is no such file in {self.label}")
            content = fetch.content(self.hub, self.repo, self.git, self.entries[name])
            self._open[name] = HubFile(content.size, lambda start, end: b"".join(content.read(start, end)))
        return self._open[name]

    def close(self) -> None:
        self._open.clear()
