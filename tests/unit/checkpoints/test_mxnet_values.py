"""Array lists that Apache MXNet itself writes, and lists that it reads: names, types, shapes and values agree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from openshelf.analysis.checkpoints.opening import open_checkpoint
from tests.conformance.environments import CannotInstall, python_of
from tests.unit.checkpoints.makers.mxnet import MAKERS

SCRIPT = Path(__file__).parents[2] / "conformance/clients/scripts/mxnet_files.py"
SAMPLES = Path(__file__).parents[4] / "shared/samples/formats/mxnet"


def with_mxnet(*arguments: str) -> None:
    try:
        python = python_of("mxnet")
    except CannotInstall as reason:
        pytest.skip(str(reason))
    command = [str(python), "-W", "ignore", str(SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]


def check(path: Path) -> None:
    with open_checkpoint(path) as found, np.load(path.with_suffix(".npz")) as expected:
        assert {one.name for one in found} == set(expected)
        for one in found:
            values = expected[one.name]
            assert (one.dtype, one.shape) == (values.dtype.name, values.shape)
            assert found.array(one).tobytes() == values.tobytes()


def test_what_mxnet_writes(tmp_path: Path) -> None:
    with_mxnet("write", str(tmp_path))
    made = sorted(tmp_path.glob("*.params"))
    assert [path.stem for path in made] == ["dense", "list", "sparse", "version3"]
    for path in made:
        check(path)
    assert (tmp_path / "version3.params").read_bytes()[24:28] == bytes.fromhex("cafa93f9")


def test_what_mxnet_reads_is_what_is_read_here(tmp_path: Path) -> None:
    for label, make in MAKERS.items():
        name, content = next(iter(make().items()))
        if name.endswith(".params"):
            stem = "version3" if label.endswith("V3") else label.replace(" ", "-")
            (tmp_path / f"{stem}.params").write_bytes(content)
    if SAMPLES.is_dir():
        (tmp_path / "sample.params").write_bytes((SAMPLES / "aws_dummy_hosting/model-0000.params").read_bytes())
        (tmp_path / "legacy.params").write_bytes((SAMPLES / "apache_legacy_ndarray.v0").read_bytes())
    with_mxnet("read", str(tmp_path))
    made = list(tmp_path.glob("*.params"))
    assert len(made) >= 5
    for path in made:
        check(path)
