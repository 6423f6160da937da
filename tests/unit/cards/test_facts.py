"""Facts and tags of a repo, and plain words out of its card."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.analysis.cards.facts import MAX_TAG_LENGTH, MAX_TAGS, FileFact, RepoFacts, describe, excerpt
from openshelf.analysis.cards.file_formats import data_formats, library_of, weight_formats
from openshelf.analysis.cards.prose import arxiv_ids, first_heading


def model(card: dict[str, Any] | None = None, *paths: str, config: Any = None, body: str = "") -> RepoFacts:
    return describe("model", card, [FileFact(path, 1) for path in paths], config, body)


def test_a_model_with_everything_said() -> None:
    card = {
        "license": "Apache-2.0",
        "language": ["en", "yor"],
        "tags": ["chat", "en"],
        "datasets": ["a/b"],
        "base_model": "x/y",
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
    }
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 3}
    found = model(card, "model.safetensors", config=config, body="# T\nSee https://arxiv.org/abs/2401.01234v2.")
    assert found.tags == (
        *("transformers", "safetensors", "llama", "en", "yor", "text-generation", "chat"),
        *("arxiv:2401.01234", "license:apache-2.0", "base_model:x/y", "base_model:finetune:x/y", "dataset:a/b"),
    )
    assert found.facts["license"] == "apache-2.0"
    assert found.facts["config"] == {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    assert found.facts["inferred"] == ["base_model_relation"]
    assert found.facts["cardData"] == card
    assert found.facts["transformersInfo"] == {"auto_model": "AutoModelForCausalLM", "pipeline_tag": "text-generation"}


def test_what_is_concluded_is_named_so() -> None:
    found = model(None, "model.safetensors", config={"architectures": ["BertForMaskedLM"], "model_type": "bert"})
    assert (found.facts["library_name"], found.facts["pipeline_tag"]) == ("transformers", "fill-mask")
    assert found.facts["inferred"] == ["library_name", "pipeline_tag"]


def test_nothing_known_claims_nothing() -> None:
    found = model()
    assert found.tags == ()
    assert found.facts["library_name"] is None
    assert not any(tag.startswith("region:") for tag in model({"tags": ["a"]}).tags)


@pytest.mark.parametrize(
    ("card", "paths", "config", "relation"),
    [
        ({"base_model": "a/b"}, [], None, "finetune"),
        ({"base_model": ["a/b", "c/d"]}, [], None, "merge"),
        ({"base_model": "a/b"}, ["adapter_config.json"], None, "adapter"),
        ({"base_model": "a/b"}, ["m-q4.gguf"], None, "quantized"),
        ({"base_model": "a/b"}, [], {"quantization_config": {"bits": 4}}, "quantized"),
        ({"base_model": "a/b", "base_model_relation": "merge"}, ["adapter_config.json"], None, "merge"),
    ],
)
def test_how_a_model_came_from_its_base(card: dict[str, Any], paths: list[str], config: Any, relation: str) -> None:
    found = model(card, *paths, config=config)
    assert found.facts["base_model_relation"] == relation
    assert f"base_model:{relation}:a/b" in found.tags


@pytest.mark.parametrize(
    ("paths", "library"),
    [
        (["modules.json", "config_sentence_transformers.json", "config.json"], "sentence-transformers"),
        (["modules.json"], None),
        (["model_index.json", "unet/config.json"], "diffusers"),
        (["adapter_config.json"], "peft"),
        (["a/model-Q4_K_M.gguf"], "gguf"),
        (["model.skops"], "sklearn"),
        (["net-symbol.json", "net-0000.params"], "mxnet"),
        (["model.keras"], "keras"),
        (["README.md"], None),
    ],
)
def test_the_library_is_told_by_the_files(paths: list[str], library: str | None) -> None:
    assert library_of(paths, None) == library


def test_formats_of_weights_most_common_first() -> None:
    paths = [
        "a.safetensors",
        "b.safetensors",
        "pytorch_model.bin",
        "onnx/model.onnx",
        "tf_model.h5",
        "x.bin",
        "flax_model.msgpack",
    ]
    assert weight_formats(paths) == ("safetensors", "pytorch", "onnx", "tf", "jax")


def test_a_dataset() -> None:
    card = {
        "language": ["en"],
        "license": "cc-by-4.0",
        "task_categories": ["text-classification"],
        "pretty_name": "My set",
        "tags": ["x"],
        "dataset_info": {
            "features": [
                {"name": "t", "dtype": "string"},
                {"name": "i", "dtype": "image"},
                {"name": "n", "dtype": "int64"},
            ],
            "splits": [{"num_examples": 900}, {"num_examples": 200}],
        },
    }
    files = [FileFact("data/train.parquet", 1), FileFact("data/test.parquet", 1), FileFact("dataset_infos.json", 1)]
    found = describe("dataset", card, files, None, "Words")
    assert found.tags == (
        *("task_categories:text-classification", "language:en", "size_categories:1K<n<10K", "format:parquet"),
        *("modality:image", "modality:text", "library:datasets", "x", "license:cc-by-4.0"),
    )
    assert found.facts["title"] == "My set"


def test_said_sizes_win_and_files_tell_modality() -> None:
    found = describe("dataset", {"size_categories": "n>1T"}, [FileFact("a/1.jpg", 1), FileFact("a/2.PNG", 1)], None)
    assert found.tags == ("size_categories:n>1T", "format:imagefolder", "modality:image", "library:datasets")
    assert data_formats(["a.csv.gz", "b.csv", "c.jsonl", ".gitattributes", *["dataset_infos.json"] * 9]) == (
        "csv",
        "json",
    )


def test_what_json_cannot_carry_is_left_out() -> None:
    config = {
        "model_type": "a\ud800",
        "task_specific_params": {"a": float("nan")},
        "auto_map": {"\ud800": "x"},
        "quantization_config": {"bits": 4},
    }
    found = model({"tags": ["b\ud800", "c"]}, config=config)
    assert found.tags == ("c",)
    assert found.facts["config"] == {"quantization_config": {"bits": 4}}


def test_a_space() -> None:
    found = describe("space", {"title": "Demo", "sdk": "gradio", "tags": ["t"], "emoji": "x"}, [], None)
    assert found.tags == ("gradio", "t")
    assert (found.facts["title"], found.facts["sdk"]) == ("Demo", "gradio")


def test_tags_are_tidy_and_bounded() -> None:
    found = model({"tags": [" a  b ", "a b", "", "x" * (MAX_TAG_LENGTH + 1), None, {"c": 1}]})
    assert found.tags == ("a b",)
    many = {key: [f"{key}{n}" for n in range(20_000)] for key in ("tags", "language", "datasets", "base_model")}
    assert len(model(many).tags) <= MAX_TAGS


README = """<div align="center"><img src="a.png"></div>

# My model

[![badge](https://b.example/b.svg)](https://b.example) <!-- hidden -->

| a | b |
|---|---|

```python
code = 1
```

This is **the** [first model](https://x.example) that does `things`[^1].
- and _more_
"""


def test_excerpt_is_plain_prose() -> None:
    assert excerpt(README) == "This is the first model that does things. and more"
    assert excerpt("word " * 200, 20) == "word word word word…"
    assert excerpt("x" * 1_000, 10) == "x" * 9 + "…"
    assert excerpt("") == excerpt("# Only a title") == ""


def test_headings_and_papers() -> None:
    assert first_heading(README) == "My model"
    assert first_heading("```\n# no\n```\n## **Yes** ##") == "Yes"
    assert first_heading("text") is None
    assert arxiv_ids("arXiv:2401.01234, https://arxiv.org/pdf/2401.01234v2.pdf and hf.co/papers/1706.03762") == [
        "2401.01234",
        "1706.03762",
    ]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "dtype", "splits", "features"]), inner)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(
    "license language tags base_model base_model_relation library_name pipeline_tag dataset_info sdk title datasets "
    "task_categories architectures model_type quantization_config tokenizer_config".split()
)


INFO = st.fixed_dictionaries(
    {},
    optional={
        "features": st.lists(st.dictionaries(st.sampled_from(["name", "dtype", "list", "struct"]), ANY), max_size=3)
        | ANY,
        "splits": st.lists(st.dictionaries(st.sampled_from(["name", "num_examples"]), ANY), max_size=3) | ANY,
    },
)


@settings(max_examples=300, deadline=None)
@given(st.lists(INFO, max_size=2) | INFO, st.sampled_from(["model", "dataset"]))
def test_any_dataset_info_is_described(info: Any, kind: str) -> None:
    found = describe(kind, {"dataset_info": info}, [FileFact("a.parquet", 1)], None, "")
    json.dumps(found.tags, ensure_ascii=False).encode()


def test_nested_features_are_no_obstacle() -> None:
    features = [{"name": "a", "dtype": {"class_label": {"names": {"0": "no"}}}}, {"name": "b", "dtype": "image"}]
    found = describe("dataset", {"dataset_info": {"features": features}}, [FileFact("a.parquet", 1)], None, "")
    assert "modality:image" in found.tags


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["model", "dataset", "space", "kernel"]), st.dictionaries(KEYS, ANY), st.dictionaries(KEYS, ANY))
def test_any_shape_is_described_and_fit_for_json(kind: str, card: dict[str, Any], config: dict[str, Any]) -> None:
    found = describe(kind, card, [FileFact("a.gguf", 1)], config, "")
    kept = {name: value for name, value in found.facts.items() if name not in ("cardData", *card)}
    json.dumps(kept, allow_nan=False, ensure_ascii=False).encode()
    json.dumps(found.tags, ensure_ascii=False).encode()


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab[]()!<>-*_`~#|\\ \n1.x"), max_size=300))
def test_any_text_has_an_excerpt_within_its_limit(body: str) -> None:
    assert len(excerpt(body, 50)) <= 50
    assert first_heading(body) != ""
