"""Writing one file that holds all tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from openshelf.analysis.checkpoints.writers.unfinished import Place, UnfinishedFiles


class SingleFileWriter(UnfinishedFiles):
    """``fixed`` are bytes by their place in the file, ``places`` the first byte and the size of each tensor."""

    def __init__(
        self, path: Path, size: int, fixed: Iterable[tuple[int, bytes]], places: Mapping[str, tuple[int, int]]
    ) -> None:
        super().__init__(path.parent)
        self.path = path
        for name, (offset, nbytes) in places.items():
            self.expect(name, Place(path.name, offset, nbytes))
        try:
            self.begin(path.name, size)
            for offset, content in fixed:
                self.put(path.name, offset, content)
        except BaseException:
            self.abort()
            raise
