"""What every reader must do with any bytes: list tensors that lie in the files, or say in words why not."""

from __future__ import annotations

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.opening import open_files
from openshelf.analysis.files.ranges import UnreadableFile

# Values are asked for only of tensors up to this size: a right file may claim large ones that are all zeros.
MOST_BYTES = 1 << 20
MOST_TENSORS = 50
READ = "read"


def take(contents: dict[str, bytes], *, is_folder: bool = False) -> str:
    """Open the first of the files, or the folder that they are, and look at it. Returns what was said, or ``read``.

    Raises whatever a reader should not raise.
    """
    try:
        files = HeldFiles(contents)
        with open_files(files, is_folder=is_folder, first=next(iter(contents))) as found:
            _check(found, contents)
    except UnreadableFile as error:
        assert str(error)
        return str(error)
    return READ


def _check(found: Checkpoint, contents: dict[str, bytes]) -> None:
    assert len({tensor.name for tensor in found}) == len(found), "names are unique"
    for tensor in found:
        assert tensor.nbytes >= 0
        assert tensor.elements >= 0
        if tensor.offset is not None:
            assert tensor.file in contents, "no tensor lies outside the files given"
            assert 0 <= tensor.offset <= len(contents[tensor.file])
        if tensor.is_plain:
            assert tensor.offset is not None
            assert tensor.offset + tensor.nbytes <= len(contents[tensor.file]), "no tensor goes past the end"
    for tensor in found.tensors[:MOST_TENSORS]:
        if max(tensor.nbytes, tensor.elements * 8) <= MOST_BYTES:
            try:
                values = found.array(tensor)
            except UnreadableFile as error:
                assert str(error)
                continue
            assert values.shape == tensor.shape
