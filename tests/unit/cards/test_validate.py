"""What is said of a card before it is committed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.analysis.cards.field_rules import DATASET, MODEL, SPACE
from openshelf.analysis.cards.known_licences import HUB_IDS, SPDX_IDS, canonical, is_known
from openshelf.analysis.cards.validate import MISSING_METADATA, Validation, validate_card


def check(yaml: str, kind: str = "model") -> Validation:
    return validate_card(f"---\n{yaml}\n---\n# Title\n", kind)


@pytest.mark.parametrize("content", ["", "# Title", "---\n---\n", "---\n# x\n---\nText"])
def test_missing_metadata_is_a_warning(content: str) -> None:
    assert validate_card(content, "model") == Validation((MISSING_METADATA,), ())


def test_bad_yaml_is_one_error_with_its_line() -> None:
    found = check("license: mit\ntags: [a")
    assert len(found.errors) == 1
    assert found.errors[0].startswith("Line 4: this is not valid YAML")
    assert MISSING_METADATA not in found.warnings


@pytest.mark.parametrize(
    "licence", ["unlimited", "my licence", "[mit, unlimited]", "mit OR unlimited", "mit WITH mit", "''"]
)
def test_an_unknown_licence_is_an_error_in_the_words_that_clients_expect(licence: str) -> None:
    (error,) = check(f"license: {licence}").errors
    assert error.startswith('"license" must be one of [apache-2.0, mit, ')
    assert "license_name" in error


@pytest.mark.parametrize(
    "licence",
    "mit|MIT|Apache-2.0|0BSD|bsd-3-clause|[mit, cc-by-4.0]|llama3.1|openrail++|unknown|MIT OR Apache-2.0"
    "|(MIT OR Apache-2.0) AND CC-BY-4.0|GPL-2.0-only WITH Classpath-exception-2.0".split("|"),
)
def test_hub_ids_spdx_ids_and_expressions_are_taken(licence: str) -> None:
    assert check(f"license: {licence}") == Validation()


def test_other_asks_for_a_name() -> None:
    assert "license_name" in check("license: other").warnings[0]
    assert check("license: other\nlicense_name: ours\nlicense_link: LICENSE") == Validation()


def test_there_are_as_many_licences_as_promised() -> None:
    assert len(set(HUB_IDS)) >= 75
    assert len(set(SPDX_IDS)) >= 150
    assert all(name == name.lower() and canonical(name.upper()) == name for name in HUB_IDS)
    assert all(is_known(name) for name in SPDX_IDS)
    assert canonical("MIT") == "mit"
    assert canonical("0bsd") == "0BSD"


@pytest.mark.parametrize(
    ("yaml", "kind", "error"),
    [
        ("license: 3", "model", '"license" must be a list of strings, not a number'),
        ("license: [3]", "model", '"license[0]" must be a string, not a number'),
        ("language: {en: 1}", "model", '"language" must be a list'),
        ("language: [en, true]", "model", '"language[1]" must be a string, not true or false'),
        ("tags: a", "dataset", '"tags" must be a list'),
        ("tags: [a, 2024]", "dataset", '"tags[1]" must be a string, not a number'),
        ("tags: [null]", "dataset", '"tags[0]" must be a string, not nothing'),
        ("datasets: 1", "model", '"datasets" must be'),
        ("base_model: [{a: b}]", "model", '"base_model[0]" must be a string, not a mapping'),
        ("pipeline_tag: [a]", "model", '"pipeline_tag" must be a string, not a list'),
        ("library_name: 1", "model", '"library_name" must be'),
        ("metrics: {a: 1}", "model", '"metrics" must be'),
        ("thumbnail: 1", "space", '"thumbnail" must be'),
        ("sdk: java", "space", '"sdk" must be one of [gradio'),
        ("model-index: x", "model", '"model-index" must be a list, not a string'),
        ("model-index: [x]", "model", '"model-index[0]" must have "name" and "results"'),
        ("model-index: [{results: []}]", "model", '"model-index[0].name"'),
        ("model-index: [{name: a}]", "model", '"model-index[0].results"'),
        ("model-index: [{name: a, results: [1]}]", "model", '"model-index[0].results[0]" must have'),
    ],
)
def test_wrong_shapes_are_errors_that_name_the_place(yaml: str, kind: str, error: str) -> None:
    (found,) = check(yaml, kind).errors
    assert found.startswith(error)


def test_a_result_lists_all_that_it_lacks() -> None:
    result = "{task: {}, dataset: {name: d}, metrics: [{type: acc}]}"
    errors = check(f"model-index: [{{name: a, results: [{result}]}}]").errors
    assert [error.split('"')[1].removeprefix("model-index[0].results[0].") for error in errors] == [
        "task.type",
        "dataset.type",
        "metrics[0]",
    ]


GOOD = """license: mit
language: [en, no, zh-Hant, code]
tags: [a, b]
datasets: squad
base_model: [google-bert/bert-base-uncased, gpt2]
base_model_relation: merge
pipeline_tag: text-generation
library_name: transformers
metrics: [accuracy]
thumbnail: https://x.example/a.png
model-index:
- name: a
  results:
  - task: {type: text-generation}
    dataset: {name: d, type: owner/d}
    metrics: [{type: acc, value: 0.5}, {type: f1, value: null}]"""


@pytest.mark.parametrize("kind", ["model", "dataset", "space", "kernel"])
def test_a_good_card_has_nothing_said_of_it(kind: str) -> None:
    yaml = GOOD if kind in ("model", "kernel") else "license: mit\ntags: [a]\nsdk: gradio"
    assert check(yaml, kind) == Validation()


@pytest.mark.parametrize(
    ("yaml", "word"),
    [
        ("pipeline_tag: cooking", "cooking"),
        ("base_model: ./out/checkpoint-1", "owner/name"),
        ("language: English", "ISO 639"),
        ("base_model_relation: cousin", "finetune"),
        ("tags: [a]\ntags: [b]", "twice"),
    ],
)
def test_what_is_doubtful_is_only_a_warning(yaml: str, word: str) -> None:
    found = check(yaml)
    assert found.errors == ()
    assert word in found.warnings[0]


FIELDS = sorted({*MODEL, *DATASET, *SPACE})
VALUES = [
    "x",
    "1",
    "true",
    "[a, 1]",
    "{a: {b: c}}",
    "[[a]]",
    "[{name: a, results: [{}]}]",
    "'\\ud800'",
    "[" * 30,
    "&a [*a]",
]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(VALUES)), max_size=6),
    st.sampled_from(["model", "space"]),
)
def test_nothing_makes_it_raise(fields: list[tuple[str, str]], kind: str) -> None:
    found = check("\n".join(f"{name}: {value}" for name, value in fields), kind)
    assert all(len(text) < 3_000 for text in (*found.warnings, *found.errors))


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec=None), max_size=100))
def test_any_text_is_checked(content: str) -> None:
    assert isinstance(validate_card(content, "model"), Validation)
