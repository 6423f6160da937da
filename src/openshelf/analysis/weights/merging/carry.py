"""What becomes of the files beside the weights: tokenizer, configuration, cards.

Each is merged three ways as a whole: unchanged, changed by one side alone, or changed alike, it is taken; a file of the
tokenizer that the sides changed differently is a hard conflict, so are configurations that describe different models;
of any other, ours is taken and the report says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blake3 import blake3

from openshelf.analysis.weights.merging import adapters
from openshelf.analysis.weights.merging.conflicts import Conflict, Kind
from openshelf.analysis.weights.merging.inputs import Input, Inputs
from openshelf.analysis.weights.merging.recipe import word

RECORD = "openshelf-merge.yaml"
CONFIG = "config.json"
MAX_CONFIG = 16 * 1024 * 1024
MAX_FILES = 10_000
_TOKENIZER = re.compile(
    r"(?:.*/)?(?:tokenizer\.\w+|tokenizer_config\.json|vocab\.\w+|merges\.txt|added_tokens\.json|special_tokens_map\.json|"
    r"sentencepiece\S*\.model|spiece\.model|spm\.model|.*\.tiktoken|tekken\.json)\Z"
)
_WEIGHTS = (
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".keras", ".onnx", ".tflite", ".msgpack", ".npz",
    ".npy", ".params", ".index.json", ".onnx_data", ".pkl",
)  # fmt: skip
# What a configuration says of the model itself; other keys may differ.
_MODEL_KEYS = (
    "model_type", "architectures", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "intermediate_size", "head_dim", "n_embd", "n_layer", "n_head", "d_model", "num_layers",
    "tie_word_embeddings", "hidden_act", "rope_theta", "rope_scaling", "num_labels", "quantization_config",
)  # fmt: skip


@dataclass(slots=True)
class Carried:
    """``files``: name to the input (-1 the base) it is taken from. ``notes`` are soft conflicts."""

    files: dict[str, int] = field(default_factory=dict)
    hard: list[Conflict] = field(default_factory=list)
    notes: list[Conflict] = field(default_factory=list)


def carry(inputs: Inputs) -> Carried:
    """What is done with every file beside the weights."""
    found = Carried()
    held = {index: _others(each) for index, each in _by_index(inputs).items()}
    found.hard.extend(_architecture(inputs))
    names = sorted({name for names in held.values() for name in names})
    if len(names) > MAX_FILES:
        found.hard.append(Conflict(Kind.FILE, "", f"there are {len(names):,} files beside the weights"))
        return found
    for name in names:
        _carry_one(name, inputs, held, found)
    return found


def copy(carried: Carried, inputs: Inputs, folder: Path) -> None:
    """Copy the files into a folder."""
    by_index = _by_index(inputs)
    for name, index in carried.files.items():
        into = folder / name
        into.parent.mkdir(parents=True, exist_ok=True)
        file = by_index[index].files.open(name)
        with into.open("wb") as out:
            for start in range(0, file.size, 1 << 20):
                out.write(file.view(start, min(start + (1 << 20), file.size)))


def _by_index(inputs: Inputs) -> dict[int, Input]:
    found = {index: side for index, side in enumerate(inputs.sides) if not side.is_adapter}
    return found if inputs.base is None else {-1: inputs.base, **found}


def _others(each: Input) -> frozenset[str]:
    """The files that are not weights. A checkpoint given as one file brings none."""
    if not each.is_folder:
        return frozenset()
    weights = set(each.checkpoint.files)
    return frozenset(
        name for name in each.files.sizes()
        if name not in weights and not name.lower().endswith(_WEIGHTS) and name not in (RECORD, adapters.CONFIG)
        and not any(part.startswith(".") for part in name.split("/"))
    )  # fmt: skip


def _carry_one(name: str, inputs: Inputs, held: Mapping[int, frozenset[str]], found: Carried) -> None:
    by_index = _by_index(inputs)
    digests = {index: _digest(by_index[index], name) if name in names else None for index, names in held.items()}
    sides = [index for index in digests if index >= 0 and by_index[index].is_folder]
    before = digests.get(-1)
    if inputs.base is None or not inputs.base.is_folder:
        changed = [index for index in sides if digests[index] is not None]
    else:
        changed = [index for index in sides if digests[index] != before]
    if not changed:
        if before is not None:
            found.files[name] = -1
        return
    if len({digests[index] for index in changed}) == 1:
        if digests[changed[0]] is not None:
            found.files[name] = changed[0]
        return
    _differs(name, by_index, [index for index in changed if digests[index] is not None], changed, found)


def _differs(
    name: str, inputs: Mapping[int, Input], holders: Sequence[int], changed: Sequence[int], found: Carried
) -> None:
    who = ", ".join(word(index) for index in changed)
    if _TOKENIZER.match(name):
        found.hard.append(
            Conflict(Kind.TOKENIZER, name, f"changed differently by {who}: token numbers may not mean the same")
        )
        return
    if name == CONFIG and len(holders) > 1:
        configs = {index: _config(inputs[index]) for index in holders}
        keys = [
            key for key in _MODEL_KEYS if len({json.dumps(c.get(key), sort_keys=True) for c in configs.values()}) > 1
        ]
        if keys:
            found.hard.append(
                Conflict(Kind.ARCHITECTURE, name, f"{who} describe different models: they differ in {', '.join(keys)}")
            )
            return
    taken = holders[0]
    found.files[name] = taken
    found.notes.append(Conflict(Kind.FILE, name, f"changed differently by {who}; that of {word(taken)} is taken"))


def _said(config: Mapping[str, Any], key: str) -> str:
    return json.dumps(config.get(key), sort_keys=True)


def _architecture(inputs: Inputs) -> list[Conflict]:
    """Models of different kinds, or quantised ones, whatever else agrees."""
    wrong: list[Conflict] = []
    by_index = _by_index(inputs)
    kinds: dict[str, str] = {}
    for index, each in by_index.items():
        config = _config(each) if each.is_folder else {}
        kind = config.get("model_type") or each.checkpoint.facts.architecture
        if isinstance(kind, str) and kind:
            kinds[word(index)] = kind
        if config.get("quantization_config"):
            text = f"{word(index)} is quantised: merge the models it was made from, and quantise the result"
            wrong.append(Conflict(Kind.QUANTISED, CONFIG, text))
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{kind} in {who}" for who, kind in kinds.items())
        wrong.append(Conflict(Kind.ARCHITECTURE, CONFIG, f"the models are of different kinds: {told}"))
    return wrong


def _config(each: Input) -> dict[str, Any]:
    """What config.json says; nothing where it is not there or cannot be read."""
    if each.files.sizes().get(CONFIG, MAX_CONFIG) >= MAX_CONFIG:
        return {}
    file = each.files.open(CONFIG)
    try:
        found = json.loads(file.read(0, file.size))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(each: Input, name: str) -> str:
    file = each.files.open(name)
    found = blake3()
    for start in range(0, file.size, 1 << 23):
        found.update(file.view(start, min(start + (1 << 23), file.size)))
    return found.hexdigest()
