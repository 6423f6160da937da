"""Writing ONNX: new values into the initialisers of a model that is there; every other byte of it stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Tensor
from openshelf.analysis.checkpoints.files import OpenFile
from openshelf.analysis.checkpoints.writers.unfinished import NotWritable, Place, PlannedTensor, UnfinishedFiles

_BLOCK = 1 << 20


class OnnxWriter(UnfinishedFiles):
    """Copies the files of ``template`` into a folder, those of external data too, and writes over tensors.

    A tensor can be written over where its bytes lie in one piece (``raw_data``, packed floats, external data) and dtype
    and shape stay the same. The model gets the name ``name``; other files keep theirs, by which it finds them.
    """

    def __init__(self, folder: Path, name: str, template: Checkpoint, tensors: Sequence[PlannedTensor]) -> None:
        super().__init__(folder)
        names = {file: (name if number == 0 else file) for number, file in enumerate(template.files)}
        if len(set(names.values())) != len(names):
            raise NotWritable(f"{name!r} is the name of a file that the template keeps values in; choose another")
        held = [_held(template, tensor) for tensor in tensors]
        _check_apart(held)
        for tensor in held:
            self.expect(tensor.name, Place(names[tensor.file], tensor.offset or 0, tensor.nbytes))
        try:
            for file, target in names.items():
                self._copy(template.source.open(file), target)
        except BaseException:
            self.abort()
            raise

    def _copy(self, source: OpenFile, target: str) -> None:
        self.begin(target, source.size)
        for start in range(0, source.size, _BLOCK):
            self.put(target, start, source.view(start, min(start + _BLOCK, source.size)))


def _held(template: Checkpoint, planned: PlannedTensor) -> Tensor:
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
