"""Writing ONNX: new values into the initialisers of a model that is there; every other byte of it stays as it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Tensor
from openshelf.analysis.checkpoints.writers.placed import UNFINISHED
from openshelf.analysis.checkpoints.writers.safetensors import NotWritable, PlannedTensor

_BLOCK = 1 << 20


class OnnxWriter:
    """Copies the files of ``template`` into a folder, those of external data too, and writes over tensors.

    A tensor can be written over where its bytes lie in one piece (``raw_data``, packed floats, external data) and dtype
    and shape stay the same. The model gets the name ``name``; other files keep theirs, by which it finds them.
    """

    def __init__(self, folder: Path, name: str, template: Checkpoint, tensors: Sequence[PlannedTensor]) -> None:
        self._folder = folder
        self._names = {file: (name if number == 0 else file) for number, file in enumerate(template.files)}
        if len(set(self._names.values())) != len(self._names):
            raise NotWritable(f"{name!r} is the name of a file that the template keeps values in; choose another")
        self.places = {tensor.name: _place(template, tensor) for tensor in tensors}
        _check_apart(list(self.places.values()))
        self._written = dict.fromkeys(self.places, 0)
        self._descriptors: dict[str, int] = {}
        try:
            for file, target in self._names.items():
                self._copy(template, file, folder / (target + UNFINISHED))
        except BaseException:
            self.abort()
            raise

    def _copy(self, template: Checkpoint, file: str, part: Path) -> None:
        part.parent.mkdir(parents=True, exist_ok=True)
        source = template.source.open(file)
        self._descriptors[file] = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        if source.size:
            os.posix_fallocate(self._descriptors[file], 0, source.size)
        for start in range(0, source.size, _BLOCK):
            self._put(file, start, source.view(start, min(start + _BLOCK, source.size)))

    def write(self, name: str, offset: int, data: bytes | memoryview) -> None:
        """Bytes of the tensor ``name`` from its byte ``offset`` on. Each byte is to be written once."""
        tensor = self.places[name]
        content = memoryview(data).cast("B")
        if offset < 0 or offset + len(content) > tensor.nbytes:
            raise NotWritable(f"{name!r} has {tensor.nbytes:,} bytes; more of them are to be written")
        self._put(tensor.file, (tensor.offset or 0) + offset, content)
        self._written[name] += len(content)

    def finish(self) -> tuple[str, ...]:
        """Sync the files and give them their names, which are returned. Raises NotWritable where values are missing."""
        for name, count in self._written.items():
            if count != self.places[name].nbytes:
                raise NotWritable(f"{name!r} has {self.places[name].nbytes:,} bytes, and {count:,} were written")
        for descriptor in self._descriptors.values():
            os.fsync(descriptor)
            os.close(descriptor)
        self._descriptors.clear()
        for target in self._names.values():
            (self._folder / (target + UNFINISHED)).replace(self._folder / target)
        return tuple(self._names.values())

    def _put(self, file: str, place: int, content: memoryview) -> None:
        while content:
            count = os.pwrite(self._descriptors[file], content, place)
            content, place = content[count:], place + count

    def abort(self) -> None:
        """Remove what was written and not finished."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
        for target in self._names.values():
            (self._folder / (target + UNFINISHED)).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def _place(template: Checkpoint, planned: PlannedTensor) -> Tensor:
    if planned.name not in template:
        raise NotWritable(f"the template has no tensor {planned.name!r}; map names with --names")
    found = template[planned.name]
    if (found.dtype, found.shape) != (planned.dtype, planned.shape):
        raise NotWritable(
            f"{planned.name!r} is {planned.dtype} {list(planned.shape)}; the template has {found.dtype} "
            f"{list(found.shape)} there, and its graph expects that"
        )
    if not found.is_plain:
        raise NotWritable(
            f"the template holds {planned.name!r} as {found.encoding}, where no values can be put in place"
        )
    return found


def _check_apart(places: list[Tensor]) -> None:
    held = sorted((one for one in places if one.nbytes), key=lambda one: (one.file, one.offset or 0))
    for before, after in pairwise(held):
        if before.file == after.file and (after.offset or 0) < (before.offset or 0) + before.nbytes:
            raise NotWritable(f"{before.name!r} and {after.name!r} share bytes in the template")
