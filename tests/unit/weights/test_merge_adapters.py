"""LoRA adapters folded into a base: values, configurations, and what is not folded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import openshelf
from tests.unit.weights.merge_models import Array, adapter, close, random_tensor, read_model, stored, write_model

MODULE = "model.layers.0.self_attn.q_proj"


def base_of(tmp_path: Path, dtype: str = "float32", shape: tuple[int, ...] = (6, 10)) -> tuple[Path, dict[str, Array]]:
    tensors = {f"{MODULE}.weight": random_tensor(0, shape, dtype), "other": random_tensor(1)}
    return write_model(tmp_path / "base", tensors), tensors


def factors(rank: int = 4, rows: int = 6, columns: int = 10) -> dict[str, Array]:
    return {
        f"{MODULE}.lora_A.weight": random_tensor(2, (rank, columns)),
        f"{MODULE}.lora_B.weight": random_tensor(3, (rows, rank)),
    }


def change(parts: dict[str, Array]) -> Array:
    first, second = (each.astype(np.float64) for each in parts.values())
    product: Array = second @ first
    return product


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 8 / 4),
        ({"use_rslora": True}, 8 / 2),
        ({"rank_pattern": {"q_proj": 4}, "r": 16}, 8 / 4),
        ({"alpha_pattern": {r"layers\.0\.self_attn\.q_proj": 3}}, 3 / 4),
        ({"alpha_pattern": {"proj": 3, "k_proj": 5}}, 8 / 4),
    ],
)
def test_an_adapter_is_folded_by_its_scale(tmp_path: Path, dtype: str, config: dict[str, Any], scale: float) -> None:
    base, tensors = base_of(tmp_path, dtype)
    parts = factors()
    folder = adapter(tmp_path / "adapter", parts, **config)
    openshelf.merge(base, folder, out=tmp_path / "out", method="lora")
    found = read_model(tmp_path / "out")
    wanted = tensors[f"{MODULE}.weight"].astype(np.float64) + scale * change(parts)
    assert close(found[f"{MODULE}.weight"], wanted, dtype)
    assert found["other"].tobytes() == tensors["other"].tobytes()


def test_fan_in_fan_out_turns_the_change(tmp_path: Path) -> None:
    base, tensors = base_of(tmp_path, shape=(10, 6))
    folder = adapter(tmp_path / "adapter", factors(), fan_in_fan_out=True)
    openshelf.merge(base, folder, out=tmp_path / "out", method="lora")
    wanted = tensors[f"{MODULE}.weight"].astype(np.float64) + 2 * change(factors()).T
    assert close(read_model(tmp_path / "out")[f"{MODULE}.weight"], wanted, "float32")


def test_an_embedding_has_its_factors_the_other_way_round(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base", {"model.embed_tokens.weight": random_tensor(0, (50, 8))})
    first, second = random_tensor(2, (4, 50)), random_tensor(3, (8, 4))
    name = "model.embed_tokens.lora_embedding"
    folder = adapter(tmp_path / "adapter", {f"{name}_A": first, f"{name}_B": second})
    openshelf.merge(base, folder, out=tmp_path / "out", method="lora")
    wanted = random_tensor(0, (50, 8)).astype(np.float64) + 2 * (second.astype(np.float64) @ first).T
    assert close(read_model(tmp_path / "out")["model.embed_tokens.weight"], wanted, "float32")


def test_a_convolution_is_folded(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base", {"conv.weight": random_tensor(0, (6, 3, 2, 2))})
    first, second = random_tensor(2, (4, 3, 2, 2)), random_tensor(3, (6, 4, 1, 1))
    folder = adapter(tmp_path / "adapter", {"conv.lora_A.weight": first, "conv.lora_B.weight": second})
    openshelf.merge(base, folder, out=tmp_path / "out", method="lora")
    product = second.reshape(6, 4).astype(np.float64) @ first.reshape(4, 12)
    wanted = random_tensor(0, (6, 3, 2, 2)) + 2 * product.reshape(6, 3, 2, 2)
    assert close(read_model(tmp_path / "out")["conv.weight"], wanted, "float32")


def test_an_adapter_meets_a_side_that_changed_the_same_tensor(tmp_path: Path) -> None:
    base, tensors = base_of(tmp_path)
    name = f"{MODULE}.weight"
    ours = {**tensors, name: tensors[name] + random_tensor(9, (6, 10))}
    folder = adapter(tmp_path / "adapter", factors())
    openshelf.merge(base, write_model(tmp_path / "ours", ours), folder, out=tmp_path / "out", weights=[1, 0.5])
    wanted = ours[name].astype(np.float64) + 0.5 * 2 * change(factors())
    assert close(read_model(tmp_path / "out")[name], wanted, "float32")


def test_two_adapters_are_folded_by_their_weights(tmp_path: Path) -> None:
    base, tensors = base_of(tmp_path)
    first = adapter(tmp_path / "one", factors())
    second = adapter(tmp_path / "two", factors(), lora_alpha=4)
    openshelf.merge(base, first, second, out=tmp_path / "out", method="lora", weights=[0.5, 3])
    wanted = tensors[f"{MODULE}.weight"].astype(np.float64) + (0.5 * 2 + 3 * 1) * change(factors())
    assert close(read_model(tmp_path / "out")[f"{MODULE}.weight"], wanted, "float32")


def test_a_replay_knows_the_adapter_by_its_configuration_too(tmp_path: Path) -> None:
    base, _ = base_of(tmp_path)
    folder = adapter(tmp_path / "adapter", factors())
    openshelf.merge(base, folder, out=tmp_path / "out", method="lora")
    openshelf.merge(recipe=tmp_path / "out" / "openshelf-merge.yaml", out=tmp_path / "again")
    assert stored(tmp_path / "again") == stored(tmp_path / "out")
    said = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**said, "lora_alpha": 16}))
    with pytest.raises(openshelf.MergeError, match=r"adapter_config\.json .* is not the file"):
        openshelf.merge(recipe=tmp_path / "out" / "openshelf-merge.yaml", out=tmp_path / "third")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"peft_type": "IA3"}, "only LORA"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "biases"),
        ({"init_lora_weights": "pissa_niter_4"}, "changed the base"),
        ({"r": 0}, "must give r"),
        ({"lora_alpha": "8"}, "must give r"),
        ({"rank_pattern": {"(a+)+": 4}}, "write it plainer"),
        ({"alpha_pattern": {"q": None}}, "patterns with numbers"),
    ],
)
def test_what_is_no_plain_lora_is_refused(tmp_path: Path, config: dict[str, Any], reason: str) -> None:
    base, _ = base_of(tmp_path)
    folder = adapter(tmp_path / "adapter", factors(), **config)
    with pytest.raises(openshelf.MergeError, match=reason):
        openshelf.merge(base, folder, out=tmp_path / "out", method="lora")


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({f"{MODULE}.lora_A.weight": random_tensor(2, (4, 10))}, "only lora_A"),
        ({**factors(), f"{MODULE}.lora_magnitude_vector": random_tensor(2, (6,))}, "no factor of LoRA"),
        (factors(rank=3), "the rank 3"),
        (factors(columns=11), r"\(6, 11\)"),
        ({name.replace("q_proj", "x_proj"): each for name, each in factors().items()}, "no such module"),
    ],
)
def test_factors_that_do_not_fit_are_conflicts(tmp_path: Path, parts: dict[str, Array], reason: str) -> None:
    base, _ = base_of(tmp_path)
    folder = adapter(tmp_path / "adapter", parts)
    with pytest.raises(openshelf.MergeRefused, match=reason):
        openshelf.merge(base, folder, out=tmp_path / "out", method="lora")


def test_factors_that_are_not_finite_are_a_conflict(tmp_path: Path) -> None:
    base, _ = base_of(tmp_path)
    parts = factors()
    parts[f"{MODULE}.lora_A.weight"][0, 0] = np.nan
    with pytest.raises(openshelf.MergeRefused, match="NaN or infinite in ours"):
        openshelf.merge(base, adapter(tmp_path / "adapter", parts), out=tmp_path / "out", method="lora")
