"""PyTorch files that are wrong, odd or very large: errors name file, place and reason, and nothing is made up."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Role
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.opening import open_checkpoint, open_files
from tests.unit.checkpoints.makers import pytorch
from tests.unit.checkpoints.makers.pytorch import NO_HOOKS, WEIGHT, archive, tensor
from tests.unit.checkpoints.pickles import Call, Kept, Name, pickled

REBUILD = Name("torch._utils", "_rebuild_tensor_v2")


def opened(value: Any) -> Checkpoint:
    return open_files(HeldFiles({"model.pt": pytorch.zipped(value)}), is_folder=False)


def storage(key: Any = "0", kind: Name = Name("torch", "FloatStorage"), count: Any = 12) -> Kept:
    return Kept(("storage", kind, key, "cpu", count))


def rebuilt(*args: Any) -> Call:
    return Call(REBUILD, (*args, False, NO_HOOKS))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (rebuilt(storage(), 0, (3, 5), (5, 1)), "needs 60 bytes of its storage, which has 48"),
        (rebuilt(storage(), 1, (3, 4), (4, 1)), "needs 52 bytes"),
        (rebuilt(storage(), 0, (3, 4), (1 << 40, 1)), "of its storage, which has 48"),
        (rebuilt(storage(), 0, (1 << 40,), (0,)), "of its storage, which has 48"),
        (rebuilt(storage(count=13), 0, (3,), (1,)), "has 48 bytes, and 52 are needed"),
        (rebuilt(storage("9"), 0, (3,), (1,)), "'archive/data/9', which is not there"),
        (rebuilt(storage("../../x"), 0, (3,), (1,)), "which is not there"),
        (
            rebuilt(storage(kind=Name("torch", "OddStorage")), 0, (3,), (1,)),
            "storage type torch.OddStorage is not known",
        ),
        (rebuilt(storage(count=-1), 0, (3,), (1,)), "is not known"),
        (rebuilt("0", 0, (3,), (1,)), "a storage of an unknown kind"),
        (rebuilt(storage(), -1, (3,), (1,)), "make no sense"),
        (rebuilt(storage(), 0, (3, -4), (4, 1)), "make no sense"),
        (rebuilt(storage(), 0, (3,), (4, 1)), "make no sense"),
        (rebuilt(storage(), 0, (1,) * 65, (1,) * 65), "make no sense"),
        (Call(REBUILD, ()), "make no sense"),
        (Call(Name("torch._utils", "_rebuild_qtensor"), (storage(), 0, (3,), (1,), 5)), "make no sense"),
    ],
)
def test_tensors_that_cannot_be_are_refused(value: Any, words: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=words) as caught:
        opened({"w": value})
    assert caught.value.file == "model.pt"


def test_what_cannot_be_told_without_running_it_is_a_problem() -> None:
    wrapped = Call(Name("torch._utils", "_rebuild_wrapper_subclass"), (Name("my", "Tensor"), 1, 2, 3))
    found = opened({"good": tensor("0", WEIGHT), "odd": wrapped})
    assert [one.name for one in found] == ["good"]
    assert "odd: torch._utils._rebuild_wrapper_subclass makes it" in found.problems[0]
    assert "my.Tensor" in found.metadata["globals"]


def test_a_tensor_without_values() -> None:
    meta = Call(
        Name("torch._utils", "_rebuild_meta_tensor_no_storage"), (Name("torch", "bfloat16"), (2, 3), (3, 1), False)
    )
    found = opened({"w": meta})
    assert (found["w"].dtype, found["w"].shape, found["w"].offset, found["w"].nbytes) == ("bfloat16", (2, 3), None, 0)
    with pytest.raises(UnreadableValues, match="no values are stored"):
        found.array("w")


def test_roles_by_name_and_by_form() -> None:
    one = tensor("0", WEIGHT)
    found = opened(
        {
            "model": {"w": one},
            "optimizer": {"state": {0: {"exp_avg": one}}, "param_groups": []},
            "nameless": {"state": {0: {"step": one}}, "param_groups": [{"lr": 0.1}]},
            "torch_rng_state": one,
        }
    )
    assert {name: found[name].role for name in ("model.w", "torch_rng_state")} == {
        "model.w": Role.WEIGHT,
        "torch_rng_state": Role.STATE,
    }
    assert found["optimizer.state.0.exp_avg"].role is Role.OPTIMIZER
    assert found["nameless.state.0.step"].role is Role.OPTIMIZER
    assert found.facts.parameters == 12


def test_an_archive_beyond_four_gigabytes(tmp_path: Path) -> None:
    size = (4 << 30) + 4096
    place = tmp_path / "model.pt"
    value = {"large": rebuilt(storage("0", count=size // 4), size // 4 - 3, (3,), (1,)), "w": tensor("1", WEIGHT)}
    with place.open("w+b") as file, zipfile.ZipFile(file, "w") as writer:
        hole = zipfile.ZipInfo("archive/data/0")
        hole.file_size, hole.compress_size, hole.CRC = size, size, 0
        hole.header_offset = 0
        file.write(hole.FileHeader(zip64=True))
        start = file.tell()
        writer.start_dir = file.seek(size, 1)
        writer.filelist.append(hole)
        writer.NameToInfo[hole.filename] = hole
        writer.writestr("archive/data/1", WEIGHT.tobytes())
        writer.writestr("archive/data.pkl", pickled(value))
    with open_checkpoint(place) as found:
        assert found["large"].offset == start + size - 12
        assert found.array("large").tolist() == [0, 0, 0]
        assert (found["w"].offset or 0) > 4 << 30
        assert found.array("w").tolist() == WEIGHT.tolist()


def test_archives_without_what_they_need() -> None:
    for members, words in (
        ({"a/data.pkl": pickled({})}, "no member 'archive/data.pkl'"),
        ({"data.pkl": b"junk"}, "is no opcode of a pickle|ends at byte"),
        ({"data.pkl": pickled({}), "constants.pkl": b""}, "ends at byte"),
    ):
        with pytest.raises(UnreadableCheckpoint, match=words):
            open_files(HeldFiles({"model.pt": archive(members)}), is_folder=False)


def test_packed_shards_are_each_read_from_their_own_file(tmp_path: Path) -> None:
    names = {"pytorch_model-00001-of-00002.bin": "a", "pytorch_model-00002-of-00002.bin": "b"}
    for number, (file, name) in enumerate(names.items()):
        members = {"data.pkl": pickled({name: tensor("0", WEIGHT)}), "data/0": (WEIGHT + number).tobytes()}
        (tmp_path / file).write_bytes(archive(members, zipfile.ZIP_DEFLATED))
    index = {"metadata": {}, "weight_map": {name: file for file, name in names.items()}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with open_checkpoint(tmp_path) as found:
        for _ in range(2):
            assert found.array("a").tolist() == WEIGHT.tolist()
            assert found.array("b").tolist() == (WEIGHT + 1).tolist()
