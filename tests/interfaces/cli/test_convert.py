"""``openshelf convert``: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

from openshelf.analysis.checkpoints.writers.gguf import QUANTISED
from openshelf.analysis.weights.conversion.convert import FLOAT_TYPES
from openshelf.analysis.weights.conversion.losses import Loss
from openshelf.analysis.weights.conversion.targets import TARGETS
from openshelf.interfaces.cli.convert import ByteSize, command
from openshelf.interfaces.cli.main import main
from tests.interfaces.cli.commands import Said


def run(*arguments: object) -> Said:
    done = CliRunner().invoke(main, ["convert", *map(str, arguments)], prog_name="openshelf")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    save_file({"a": np.arange(64, dtype=np.float32).reshape(2, 32), "n": np.array(3)}, tmp_path / "s.safetensors")
    return tmp_path / "s.safetensors"


def test_a_model_is_converted_and_read_back(source: Path, tmp_path: Path) -> None:
    done = run(source, "--to", "npz", "--out", tmp_path / "a.npz")
    assert (done.code, done.err) == (0, "")
    assert "2 tensors of 264 bytes were written and read back" in done.out
    assert np.load(tmp_path / "a.npz")["a"].shape == (2, 32)


def test_what_would_be_lost_is_named_with_the_option_that_allows_it(source: Path, tmp_path: Path) -> None:
    arguments: tuple[object, ...] = (source, "--to", "gguf", "--out", tmp_path / "a.gguf", "--dtype", "q8_0")
    assert "--metadata general.architecture=NAME" in run(*arguments).err
    arguments = (*arguments, "--metadata", "general.architecture=llama")
    refused = run(*arguments)
    assert (refused.code, refused.out) == (1, "")
    assert "add --allow-lossy dtype" in refused.err
    told = run(*arguments, "--allow-lossy", "dtype", "--json").json
    assert told["lost"] == {"dtype": ["a: float32 to Q8_0"]}
    assert told["verified"] is True


def test_names_are_mapped(source: Path, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(json.dumps({"a": "b"}))
    done = run(source, "--to", "safetensors", "--out", tmp_path / "out", "--names", tmp_path / "map.json")
    assert done.code == 0
    assert set(load_file(tmp_path / "out/model.safetensors")) == {"b", "n"}
    (tmp_path / "map.json").write_text(json.dumps({"x": "b"}))
    assert "no such tensor" in run(source, "--to", "npz", "--out", tmp_path / "b", "--names", tmp_path / "map.json").err


def test_what_cannot_be_read_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"nonsense")
    done = run(tmp_path / "s", "--to", "npz", "--out", tmp_path / "b", "--json")
    assert done.code == 2
    assert "no format" in done.json["error"]


def test_the_choices_are_those_of_the_library() -> None:
    choices = {
        option.name: set(option.type.choices) for option in command.params if isinstance(option.type, click.Choice)
    }
    assert choices == {"to": set(TARGETS), "dtype": {*FLOAT_TYPES, *QUANTISED}, "allowed": {str(one) for one in Loss}}


@pytest.mark.parametrize(("text", "size"), [("5GB", 5_000_000_000), ("1.5 MiB", 1_572_864), ("77", 77), ("2k", 2000)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert ByteSize().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["0", "-1GB", "five", "5GBB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        ByteSize().convert(text, None, None)
