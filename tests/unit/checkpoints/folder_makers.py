"""Small whole folders: shards and their index, what stands beside weights, and names that lead from file to file."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from safetensors.numpy import save

from tests.unit.checkpoints.makers import Made, Maker, every

CONFIG = {"architectures": ["CalmForCausalLM"], "model_type": "calm", "tie_word_embeddings": True}


def _index(shards: Mapping[str, str]) -> bytes:
    return json.dumps({"metadata": {"total_size": 24}, "weight_map": shards}).encode()


def sharded() -> Made:
    """Two shards by an index, as the library of transformers writes them, with what stands beside them."""
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    return {
        "model.safetensors.index.json": _index({"a": first, "b": second}),
        first: save({"a": np.arange(4, dtype="f4")}),
        second: save({"b": np.arange(2, dtype="f4")}),
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer_config.json": b'{"chat_template": "{{ messages }}"}',
        "optimizer.pt": b"",
    }


def torch_shards() -> Made:
    shard = "pytorch_model-00001-of-00001.bin"
    model = every()["pytorch-pytorch zip"]()["model.pt"]
    return {
        "pytorch_model.bin.index.json": _index(dict.fromkeys(("weight", "turned", "inner.bias"), shard)),
        shard: model,
    }


def several() -> Made:
    """Two checkpoints of TensorFlow in one folder, of which a file of states names one."""
    made = every()["tensorflow-checkpoint-big-endian"]()
    return {
        "checkpoint": b'model_checkpoint_path: "m-2"\nall_model_checkpoint_paths: "m-1"\n',
        **{name.replace("m.", f"{step}."): content for step in ("m-1", "m-2") for name, content in made.items()},
    }


def adapter() -> Made:
    return {
        "adapter_model.safetensors": save({"w.lora_A.weight": np.zeros((2, 3), "f4")}),
        "adapter_config.json": b'{"peft_type": "LORA", "r": 2, "base_model_name_or_path": "owner/base"}',
    }


def saved_model() -> Made:
    return every()["tensorflow_graphs-saved-model"]()


def numbered() -> Made:
    return every()["gguf-gguf split"]()


FOLDERS: Mapping[str, Maker] = {
    "shards by an index": sharded,
    "shards of PyTorch": torch_shards,
    "several checkpoints": several,
    "an adapter": adapter,
    "a saved model": saved_model,
    "numbered parts": numbered,
}
