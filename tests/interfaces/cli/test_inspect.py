"""``openshelf inspect`` on files and folders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from openshelf.interfaces.cli import inspect_text
from openshelf.interfaces.cli.main import main
from tests.interfaces.cli.commands import Said
from tests.unit.checkpoints.makers import every


def inspect(*arguments: str | Path, **environment: str) -> Said:
    done = CliRunner(env=environment).invoke(main, ["inspect", *map(str, arguments)], prog_name="openshelf")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


def safetensors_of(tensors: dict[str, tuple[str, list[int], int]], **metadata: str) -> bytes:
    """A file of zeros: name to dtype, shape and bytes."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    layers = {f"model.layers.{n}.mlp.up_proj.weight": ("BF16", [4, 2], 16) for n in range(12)}
    path.write_bytes(safetensors_of({"model.embed_tokens.weight": ("F32", [3, 2], 24), **layers}, format="pt"))
    return path


def test_json_has_the_place_of_every_tensor(model: Path) -> None:
    said = inspect(model, "--json")
    assert said.code == 0
    assert said.json["format"] == "safetensors"
    assert said.json["files"] == [{"name": "model.safetensors", "size": model.stat().st_size}]
    start = model.stat().st_size - 24 - 12 * 16
    assert said.json["tensors"][0] == {
        "name": "model.embed_tokens.weight", "dtype": "float32", "shape": [3, 2], "file": "model.safetensors",
        "offset": start, "nbytes": 24,
    }  # fmt: skip
    assert said.json["tensors"][12]["name"] == "model.layers.11.mlp.up_proj.weight"
    assert said.json["tensors"][12]["offset"] == start + 24 + 11 * 16
    assert said.json["facts"]["parameters"] == 6 + 12 * 8
    assert said.json["facts"]["dtypes"] == {"bfloat16": 96, "float32": 6}
    assert said.json["metadata"] == {"format": "pt"}
    assert said.json["problems"] == []


def test_text_shows_alike_tensors_in_one_line(model: Path) -> None:
    said = inspect(model).out.splitlines()
    assert "Parameters    102" in said
    assert "Types         bfloat16 94.1%, float32 5.9%" in said
    assert [line.split(maxsplit=2) for line in said[-2:]] == [
        ["model.embed_tokens.weight", "f32", "[3, 2]"],
        ["model.layers.{0..11}.mlp.up_proj.weight", "bf16", "[4, 2]  x12"],
    ]
    assert len([line for line in inspect(model, "--all").out.splitlines() if "up_proj" in line]) == 12
    deep = inspect(model, "--depth", "2").out.splitlines()[-2:]
    assert [line.split()[:3] for line in deep] == [
        ["model.embed_tokens", "1", "tensor"],
        ["model.layers", "12", "tensors"],
    ]


def test_one_tensor_is_shown_with_its_values(tmp_path: Path) -> None:
    values = np.array([[0, 1.5, -2], [np.nan, np.inf, 3]], np.float32)
    save_file({"w": values}, tmp_path / "m.safetensors")
    shown = inspect(tmp_path / "m.safetensors", "--tensor", "w", "--json").json
    statistics = shown["statistics"]
    finite = values[np.isfinite(values)].astype(np.float64)
    assert statistics["mean"] == pytest.approx(finite.mean())
    assert statistics["deviation"] == pytest.approx(finite.std())
    assert (statistics["minimum"], statistics["maximum"]) == (-2, 3)
    assert (statistics["zeros"], statistics["nans"], statistics["infinities"]) == (1, 1, 1)
    assert statistics["head"] == [0, 1.5, -2, "nan", "inf", 3]
    text = inspect(tmp_path / "m.safetensors", "--tensor", "w").out
    assert "Range         -2 to 3" in text
    missing = inspect(tmp_path / "m.safetensors", "--tensor", "v", "--json")
    assert missing.code == 2
    assert "no tensor 'v'" in missing.json["error"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"hello", "no format that is read here"), ((99).to_bytes(8, "little") + b'{"a":', "byte")],
    ids=["unknown", "cut"],
)
def test_what_cannot_be_read_ends_with_2(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    said = inspect(path, "--json")
    assert said.code == 2
    assert said.json["file"] == "bad.safetensors"
    assert reason in said.json["reason"]
    assert said.json["reason"] in said.json["error"]
    assert "offset" in said.json
    said = inspect(path)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("Error: bad.safetensors: ")


def test_a_path_that_is_not_there_ends_with_2(tmp_path: Path) -> None:
    said = inspect(tmp_path / "none", "--json")
    assert said.code == 2
    assert "no such file or folder" in said.json["error"]


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors_of({"a\x1b[2Jb\u202e\ud800": ("U8", [1], 1), "line\nbreak": ("U8", [1], 1)}))
    shown = inspect(path).out
    assert "a\\x1b[2Jb\\u202e\\ud800" in shown
    assert "line\\nbreak" in shown
    assert "\x1b" not in shown
    assert inspect(path, "--json").out.isascii()


def test_lines_fit_the_terminal(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from openshelf.analysis.checkpoints.opening import open_checkpoint

    with open_checkpoint(model) as checkpoint:
        for columns in (40, 52, 80):
            lines = inspect_text.tensors(checkpoint, columns, every=False, depth=None)
            lines += inspect_text.summary(checkpoint, columns)
            assert max(map(len, lines)) <= columns
        assert "…" in inspect_text.tensors(checkpoint, 52, every=False, depth=None)[1]


def test_a_reader_may_go_away(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors_of({f"layer_{'x' * (n % 50)}.{n}": ("U8", [n + 1], n + 1) for n in range(3000)}))
    program = subprocess.Popen(
        [sys.executable, "-m", "openshelf", "inspect", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.readline()
    program.stdout.close()
    said = program.stderr.read()
    program.stderr.close()
    program.wait(30)
    assert said == b""


def test_what_is_no_weight_stays_apart(tmp_path: Path) -> None:
    for name, content in every()["onnx-onnx"]().items():
        (tmp_path / name).write_bytes(content)
    found = inspect(tmp_path, "--json").json
    constants = [tensor["name"] for tensor in found["tensors"] if tensor.get("role") == "constant"]
    assert constants
    assert found["facts"]["roles"]["constant"] == len(constants)
    shown = inspect(tmp_path).out
    assert f"Beside it     constant: {len(constants)} tensor" in shown
    assert "beside the weights; --all shows them" in shown
    assert not any(name in shown for name in constants)
    assert all(name in inspect(tmp_path, "--all").out for name in constants)


def test_what_an_optimiser_keeps_stands_apart(tmp_path: Path) -> None:
    label = next(label for label in every() if label.startswith("keras") and "weights" not in label)
    [(name, content)] = every()[label]().items()
    (tmp_path / name).write_bytes(content)
    said = inspect(tmp_path / name, "--json").json
    assert [found["name"] for found in said["optimizer"]] == ["optimizer_weights/adam/momentum"]
    assert "optimizer" not in {found.get("role") for found in said["tensors"]}
