"""Array lists that Apache MXNet itself writes, and lists that it reads: names, types, shapes and values agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openshelf.analysis.checkpoints.opening import open_checkpoint
from tests.unit.checkpoints.frameworks import run_framework
from tests.unit.checkpoints.makers.mxnet import MAKERS
from tests.unit.checkpoints.samples import ROOT

SAMPLES = ROOT / "mxnet"


def check(path: Path) -> None:
    with open_checkpoint(path) as found, np.load(path.with_suffix(".npz")) as expected:
        assert {one.name for one in found} == set(expected)
        for one in found:
            values = expected[one.name]
            assert (one.dtype, one.shape) == (values.dtype.name, values.shape)
            assert found.array(one).tobytes() == values.tobytes()


def test_what_mxnet_writes(tmp_path: Path) -> None:
    run_framework("mxnet", "write", tmp_path)
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
    run_framework("mxnet", "read", tmp_path)
    made = list(tmp_path.glob("*.params"))
    assert len(made) >= 5
    for path in made:
        check(path)
