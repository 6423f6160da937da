"""Which files of a folder are its checkpoint, and what those beside it say."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.errors import UnknownFormat, UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFile, HeldFiles
from openshelf.analysis.checkpoints.opening import open_checkpoint, open_files


def weights(*names: str, sides: int = 2) -> bytes:
    return save({name: np.ones((sides, sides), np.float32) for name in names})


def index(places: Mapping[str, str]) -> bytes:
    return json.dumps({"metadata": {}, "weight_map": dict(places)}).encode()


def opened(files: Mapping[str, bytes]) -> Checkpoint:
    return open_files(HeldFiles(files), is_folder=True)


SHARDS = {
    "model-00001-of-00002.safetensors": weights("a"),
    "model-00002-of-00002.safetensors": weights("b"),
}
INDEXED = SHARDS | {"model.safetensors.index.json": index(dict(zip("ab", SHARDS, strict=True)))}
ONE_BIN = {
    "bin/pytorch_model.bin.index.json": index({"a": "p-00001-of-00001.bin"}),
    "bin/p-00001-of-00001.bin": weights("a"),
}


@pytest.mark.parametrize(
    ("files", "taken", "others"),
    [
        ({"x.dat": weights("a")}, ["x.dat"], []),
        ({"weights": weights("a"), "LICENSE": b"text", "notes.md": b"#"}, ["weights"], []),
        (SHARDS, list(SHARDS), []),
        (INDEXED, ["model.safetensors.index.json", *SHARDS], []),
        (INDEXED | {"z.safetensors": weights("z", sides=99)},
         ["model.safetensors.index.json", *SHARDS], ["z.safetensors"]),
        ({"sub/" + name: content for name, content in INDEXED.items()} | {"top.npz.safetensors": weights("t")},
         ["top.npz.safetensors"], ["sub/model.safetensors.index.json"]),
        ({"model.safetensors": weights("a"), "model.fp16.safetensors": weights("b", sides=9)},
         ["model.safetensors"], ["model.fp16.safetensors"]),
        ({"small.safetensors": weights("a"), "large.safetensors": weights("b", sides=9)},
         ["large.safetensors"], ["small.safetensors"]),
        ({"checkpoint-900/model.safetensors": weights("a"), "checkpoint-1000/model.safetensors": weights("b")},
         ["checkpoint-1000/model.safetensors"], ["checkpoint-900/model.safetensors"]),
        ({"optimizer.bin": weights("o", sides=9), "odd": weights("a")}, ["odd"], []),
        ({"optimizer.bin": weights("o"), "rng_state.pth": b"?"}, ["optimizer.bin"], []),
        ({"model.bin": b"no weights", "other.pt": weights("a")}, ["other.pt"], []),
        (ONE_BIN, list(ONE_BIN), []),
        ({"faiss.index.json": b'{"x": 1}', "m.safetensors": weights("a")}, ["m.safetensors"], []),
    ],
)  # fmt: skip
def test_which_files_are_taken(files: dict[str, bytes], taken: list[str], others: list[str]) -> None:
    found = opened(files)
    assert list(found.files) == taken
    assert list(found.others) == others


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no file in it"),
        ({"a.png": weights("a"), "b.bin": b"text"}, "no file in it"),
        (dict(list(SHARDS.items())[1:]), "number 1 is missing"),
        (INDEXED | {"model-00002-of-00002.safetensors": weights("c")}, "it says that 'b' is in"),
        ({name: INDEXED[name] for name in list(INDEXED)[1:]}, "there is no such file"),
        (INDEXED | {"model.safetensors.index.json": b"{"}, "not JSON"),
        ({"model.safetensors.index.json": index({"a": "../../etc/passwd"})}, "no such file"),
        ({"a-00001-of-00002.safetensors": weights("a"), "a-00002-of-00002.safetensors": weights("a")}, "stands in"),
    ],
)
def test_what_is_wrong_is_said(files: dict[str, bytes], reason: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=reason):
        opened(files)


def test_files_that_cannot_be_weights_stay_shut() -> None:
    opens: list[str] = []

    class Counted(HeldFiles):
        def open(self, name: str) -> HeldFile:
            opens.append(name)
            return HeldFiles.open(self, name)

    pictures = {f"picture-{n}.png": b"" for n in range(500)} | {f"sample{n}": bytes(9) for n in range(500)}
    files = {"model.safetensors": weights("a"), "tokenizer.json": b"{}", "merges.txt": b"", "other.gguf": b""}
    assert opened_from(Counted(pictures | files)).files == ("model.safetensors",)
    assert set(opens) == {"model.safetensors"}
    opens.clear()
    with pytest.raises(UnknownFormat):
        opened_from(Counted(pictures))
    assert len(set(opens)) == 64


def opened_from(files: HeldFiles) -> Checkpoint:
    return open_files(files, is_folder=True)


def test_a_file_that_may_not_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(weights("a"))

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UnreadableCheckpoint, match=r"m\.safetensors: Permission denied"):
        open_checkpoint(path)


MODEL = {"model.safetensors": save({"w": np.ones((2, 3), np.float32)}, metadata={"format": "pt"})}


def test_facts_from_the_files_beside_the_weights() -> None:
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "transformers_version": "5.1.0",
        "tie_word_embeddings": True,
    }  # fmt: skip
    files = MODEL | {
        "config.json": json.dumps(config).encode(),
        "tokenizer_config.json": b'{"chat_template": "{{ messages }}"}',
        "optimizer.pt": b"state", "global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt": b"", "rng_state.pth": b"",
    }  # fmt: skip
    facts = opened(files).facts
    assert (facts.parameters, facts.architecture, facts.model_type) == (6, "LlamaForCausalLM", "llama")
    assert (facts.has_tokenizer, facts.has_chat_template, facts.ties_embeddings) == (True, True, True)
    assert (facts.framework, facts.versions) == ("PyTorch", {"transformers": "5.1.0"})
    assert facts.apart == ("global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt", "optimizer.pt", "rng_state.pth")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, (None, None, False, False)),
        ({"vocab.txt": b"", "chat_template.jinja": b""}, (None, None, True, True)),
        ({"tokenizer_config.json": b"{}"}, (None, None, True, False)),
        ({"config.json": b'{"architectures": [], "model_type": 7}'}, (None, None, False, False)),
        ({"adapter_config.json": b'{"peft_type": "LORA", "base_model_name_or_path": "a/b"}'},
         ("LORA adapter of a/b", None, False, False)),
        ({"model_index.json": b'{"_class_name": "FluxPipeline"}'}, ("FluxPipeline", None, False, False)),
        ({"other/config.json": b'{"model_type": "no"}'}, (None, None, False, False)),
    ],
)  # fmt: skip
def test_facts_where_little_is_said(files: dict[str, bytes], expected: tuple[Any, ...]) -> None:
    facts = opened(MODEL | files).facts
    assert (facts.architecture, facts.model_type, facts.has_tokenizer, facts.has_chat_template) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "cannot be read"),
        (b"[]", "no JSON object"),
        (b"[" * 100_000, "cannot be read"),
        (b" " * 2_000_000, "at most"),
    ],
)
def test_a_bad_configuration_is_a_problem_but_hides_no_tensor(content: bytes, reason: str) -> None:
    found = opened(MODEL | {"config.json": content})
    assert len(found) == 1
    assert len(found.problems) == 1
    assert reason in found.problems[0]
    assert found.problems[0].startswith("config.json ")
