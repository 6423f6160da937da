"""Deltas that were cut, changed or made to harm, and bases that are not theirs: refused, and nothing is written."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.headers.safetensors import read_safetensors_header
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.files.ranges import in_memory
from openshelf.analysis.weights.delta import segments
from openshelf.analysis.weights.delta.apply import apply
from openshelf.analysis.weights.delta.container import read_delta
from openshelf.analysis.weights.delta.errors import DeltaRefused, WrongBase
from openshelf.analysis.weights.delta.make import make
from openshelf.analysis.weights.delta.segments import BadSegment, Method
from tests.unit.weights.small_models import contents, written

FEW = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``base``, ``new`` and ``delta``, which has segments of every method and a low-rank change."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(1)
    base: dict[str, Any] = {name: rng.standard_normal((80, 90)).astype(np.float32) for name in "abc"}
    new = {name: tensor.copy() for name, tensor in base.items()}
    new["a"] += rng.standard_normal((80, 2)).astype(np.float32) @ rng.standard_normal((2, 90)).astype(np.float32)
    new["b"] += rng.standard_normal((80, 90)).astype(np.float32) * 1e-5
    new["c"].reshape(-1)[::400] = 5
    new["d"] = np.arange(100)
    base["aa"] = rng.standard_normal((60, 16)).astype(np.float32)
    new["aa"] = np.delete(base["aa"], [7, 30], axis=0)
    text = json.dumps({"words": [f"word{number}" for number in range(3000)]})
    written(folder / "base", {"model.safetensors": save(base), "config.json": text.encode()})
    written(folder / "new", {"model.safetensors": save(new), "config.json": text.replace("word7", "Wort").encode()})
    with open_checkpoint(folder / "base") as before, open_checkpoint(folder / "new") as after:
        plan = make(before, after, folder / "delta", max_error=0.1).plan
    used = {method for told in plan.pieces.values() for method, _ in told.segments}
    assert used >= {Method.SAME, Method.WHOLE, Method.DIFFERENCE, Method.SPARSE, Method.PATCH}
    assert plan.pieces["tensor:a"].rank == 2
    assert plan.pieces["tensor:aa"].moves == ((7, 8), (29, 31))
    return folder


def _apply(made: Path, content: bytes, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "delta").write_bytes(content)
    with open_checkpoint(made / "base") as base:
        apply(base, read_delta(folder / "delta"), folder / "out")


def _refused(made: Path, content: bytes, folder: Path) -> str:
    with pytest.raises((UnreadableCheckpoint, DeltaRefused)) as caught:
        _apply(made, content, folder)
    assert [path.name for path in folder.iterdir()] == ["delta"]
    return str(caught.value)


@FEW
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found(made: Path, tmp_path: Path, place: float, bit: int) -> None:
    content = bytearray((made / "delta").read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    _refused(made, bytes(content), tmp_path / "here")


def test_what_is_damaged_is_found_before_anything_is_written(made: Path, tmp_path: Path) -> None:
    content = bytearray((made / "delta").read_bytes())
    place = next(
        info.start
        for info in read_safetensors_header(in_memory(bytes(content))).tensors
        if info.name == "data:tensor:b"
    )
    content[place + 10] ^= 1
    assert "what it holds for tensor:b has changed" in _refused(made, bytes(content), tmp_path / "here")


def test_a_flip_of_any_byte_of_the_header_is_found(made: Path, tmp_path: Path) -> None:
    content = (made / "delta").read_bytes()
    for place in range(8 + read_safetensors_header(in_memory(content)).header_bytes):
        changed = bytearray(content)
        changed[place] ^= 1
        (tmp_path / "delta").write_bytes(changed)
        with pytest.raises(UnreadableCheckpoint):
            read_delta(tmp_path / "delta")


@FEW
@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_delta_that_is_cut_is_found(made: Path, tmp_path: Path, kept: float) -> None:
    content = (made / "delta").read_bytes()
    _refused(made, content[: int(kept * len(content))], tmp_path / "here")


def test_another_base_is_refused_with_what_differs(made: Path, tmp_path: Path) -> None:
    files = contents(made / "base")
    changed = bytearray(files["model.safetensors"])
    changed[-1] ^= 1
    for model, said in (
        ({**files, "model.safetensors": bytes(changed)}, "c has other values"),
        ({**files, "config.json": b"{}"}, "0:config.json has 2 bytes of text"),
        ({"model.safetensors": files["model.safetensors"]}, "it has no 0:config.json"),
        ({**files, "model.safetensors": save({"a": np.zeros(3)})}, "it has no aa"),
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        written(folder, model)
        with (
            open_checkpoint(folder) as base,
            pytest.raises(WrongBase, match="is not the base that delta was made for") as caught,
        ):
            apply(base, read_delta(made / "delta"), tmp_path / "out")
        assert said in str(caught.value)
        assert "sha256" in str(caught.value)
        assert not (tmp_path / "out").exists()


def _replanned(made: Path, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The delta with another plan, and all its hashes set right, as one made to harm would have them."""
    content = (made / "delta").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    data = content[8 + int.from_bytes(content[:8], "little") :]
    start, end = header["plan"]["data_offsets"]
    plan = json.loads(zlib.decompress(data[start:end]))
    change(plan)
    packed = zlib.compress(json.dumps(plan).encode())
    header["plan"] = {"dtype": "U8", "shape": [len(packed)], "data_offsets": [start, start + len(packed)]}
    header["__metadata__"]["plan"] = blake3(packed).hexdigest()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[:start] + packed


def test_the_planted_plans_begin_with_one_that_is_applied(made: Path, tmp_path: Path) -> None:
    _apply(made, _replanned(made, lambda plan: None), tmp_path / "here")
    assert set(contents(tmp_path / "here/out")) == {"model.safetensors", "config.json"}


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ([[7, 8], [7, 9]], "not in order"),
        ([[58, 0]], "no such rows"),
        ([[-1, 0]], "not a number of bytes"),
        ([[0, 1 << 60]], "not a number of bytes"),
        ([[0]], "malformed"),
        ([[0, 1 << 40]], "did not come out as it should"),
    ],
)
def test_rows_that_moved_nowhere_are_refused(made: Path, tmp_path: Path, moves: Any, reason: str) -> None:
    def change(plan: dict[str, Any]) -> None:
        plan["pieces"]["tensor:aa"]["moves"] = moves

    assert reason in _refused(made, _replanned(made, change), tmp_path / "here")


NAMES = (
    "../out", "/etc/openshelf", "a/../../b", "", "a//b", "./a", "a\0b", "a\\b", "c:\\b", ".git/hooks/post-merge",
    ".GIT/config", "a\nb", "x" * 300, "a/" * 600 + "b", "model.safetensors/inside", "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder(made: Path, tmp_path: Path, name: str) -> None:
    def change(plan: dict[str, Any]) -> None:
        plan["result"][name] = plan["result"]["config.json"]

    said = _refused(made, _replanned(made, change), tmp_path / "here")
    assert "is not the name of a file" in said or "belongs to git" in said or "is a file too" in said


def test_a_result_out_of_all_proportion_is_refused_before_it_is_written(made: Path, tmp_path: Path) -> None:
    def larger(plan: dict[str, Any]) -> None:
        file = plan["result"]["model.safetensors"]
        file["pieces"], file["size"] = file["pieces"] * 100_000, file["size"] * 100_000

    assert "no honest delta does" in _refused(made, _replanned(made, larger), tmp_path / "here")


def test_a_result_that_has_no_room_is_refused(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    assert "make room first" in _refused(made, (made / "delta").read_bytes(), tmp_path / "here")


def test_a_full_disk_leaves_nothing(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        _apply(made, (made / "delta").read_bytes(), tmp_path / "here")
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["delta"]


_SWAPPED: st.SearchStrategy[Any] = st.sampled_from(
    (
        None,
        -1,
        0,
        1,
        2,
        7,
        1 << 20,
        1 << 49,
        1 << 70,
        0.5,
        "",
        "same",
        "raw",
        "sparse",
        "patch",
        "float16",
        "tensor:b",
        [],
        [[]],
        {},
    )
)


def _places(plan: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = plan.items() if isinstance(plan, dict) else enumerate(plan) if isinstance(plan, list) else ()
    return [path, *(place for key, value in inner for place in _places(value, (*path, key)))]


@settings(FEW, max_examples=400)
@given(st.data())
def test_a_plan_of_nonsense_is_refused_or_makes_what_it_should(made: Path, tmp_path: Path, data: st.DataObject) -> None:
    def change(plan: dict[str, Any]) -> None:
        for _ in range(data.draw(st.integers(1, 2))):
            place = data.draw(st.sampled_from([path for path in _places(plan) if path]))
            inner: Any = plan
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = data.draw(_SWAPPED)

    content = _replanned(made, change)
    folder = tmp_path / "here"
    try:
        _apply(made, content, folder)
    except (UnreadableCheckpoint, DeltaRefused):
        assert [path.name for path in folder.iterdir()] == ["delta"]
    else:
        assert {path.name for path in folder.iterdir()} == {"delta", "out"}
        for path in (folder / "out").rglob("*"):
            path.unlink()
        (folder / "out").rmdir()


@FEW
@given(
    st.sampled_from(list(Method)),
    st.binary(max_size=200),
    st.integers(0, 40),
    st.sampled_from((1, 2, 4, 8)),
    st.booleans(),
)
def test_any_bytes_are_a_segment_of_the_right_length_or_none(
    method: Method, stored: bytes, count: int, width: int, has_base: bool
) -> None:
    size = count * width
    expected = np.zeros(size, np.uint8) if has_base else None
    try:
        assert len(segments.decode(method, stored, size, expected, width, b"around")) == size
    except BadSegment:
        pass


def test_a_segment_that_inflates_without_end_is_cut_short() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    stored = bomb.compress(bytes(100_000_000)) + bomb.flush()
    tracemalloc.start()
    with pytest.raises(BadSegment, match="just the 1,000 bytes"):
        segments.decode(Method.WHOLE, stored, 1000, None, 1)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
