"""The reader that docs/how-to/add-a-format.md shows works, and stands what every reader has to stand."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings

from openshelf.analysis.checkpoints import formats
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.opening import open_files
from tests.fuzz.mutations import mutated
from tests.unit.checkpoints.hostile import take

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "add-a-format.md"
READER, MAKERS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)


def module_of(name: str, source: str) -> ModuleType:
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, str(PAGE), "exec"), vars(module))
    return module


@pytest.fixture(scope="module")
def makers() -> Iterator[ModuleType]:
    """The makers of the page, while its reader is one of the readers."""
    name = f"{formats.__name__.rpartition('.')[0]}.readers.rows"
    module_of(name, READER)
    before = formats._READERS
    formats._READERS = (*before, "rows")
    formats.formats.cache_clear()
    yield module_of("rows_makers", MAKERS)
    formats._READERS = before
    formats.formats.cache_clear()
    del sys.modules[name], sys.modules["rows_makers"]


def test_the_example_reads_what_it_made(makers: ModuleType) -> None:
    with open_files(HeldFiles(makers.two()), is_folder=False) as found:
        assert found.format == "rows"
        assert {tensor.name: tensor.shape for tensor in found} == {"embedding": (4, 3), "bias": (3,)}
        for name, values in makers.VALUES.items():
            assert np.array_equal(found.array(name), values)
    with open_files(HeldFiles({"odd": makers.two()["two.rows"]}), is_folder=True) as found:
        assert len(found) == 2
    assert [take(make()) for make in makers.MAKERS.values()] == ["read", "read"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({8: 0xFF}, "at byte 101: .*a text says to have"),
        ({15: 0xFF}, "at byte 8: .*tensors; at most 100,000"),
        ({16 + 8 + 9: 0xFF}, "sides; at most 32"),
        ({16 + 8 + 9 + 8 + 16 + 3: 1}, "past the end of the file"),
    ],
)
def test_the_example_says_what_is_wrong(makers: ModuleType, change: dict[int, int], reason: str) -> None:
    content = bytearray(makers.two()["two.rows"])
    for place, value in change.items():
        content[place] = value
    with pytest.raises(UnreadableCheckpoint, match=reason) as said:
        open_files(HeldFiles({"two.rows": bytes(content)}), is_folder=False)
    assert said.value.file == "two.rows"
    assert said.value.offset is not None


def test_the_example_stands_damaged_files(makers: ModuleType) -> None:
    @settings(max_examples=300, derandomize=True, deadline=None, database=None)
    @given(mutated([makers.two()["two.rows"]]))
    def run(data: bytes) -> None:
        take({"two.rows": data})

    run()
