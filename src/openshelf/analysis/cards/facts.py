"""What a card, the names of the files and ``config.json`` say of a repo: facts for pages, tags for filters.

The rules for tags are those of the Hugging Face Hub, as its clients read them: transformers looks for
``base_model:...``, datasets for ``library:datasets``. ``region:...`` is not claimed: a
self-hosted hub does not know it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openshelf.analysis.cards import dataset_tags, file_formats, tasks
from openshelf.analysis.cards.known_licences import canonical
from openshelf.analysis.cards.prose import arxiv_ids, excerpt, first_heading

__all__ = ["FileFact", "RepoFacts", "describe", "excerpt"]

MAX_TAGS = 500
MAX_TAG_LENGTH = 200
MAX_LISTED = 100
_CONFIG_KEYS = ("architectures", "model_type", "auto_map", "task_specific_params")
_TOKENIZER_KEYS = (
    *("bos_token", "eos_token", "pad_token", "unk_token", "mask_token", "cls_token", "sep_token"),
    *("tokenizer_class", "chat_template", "use_default_system_prompt"),
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE_KEYS = ("sdk", "sdk_version", "app_file", "emoji", "colorFrom", "colorTo", "models")


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file of the repo: ``size`` in bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class RepoFacts:
    """``tags`` in the order in which they are shown, each once; ``facts`` fit for JSON."""

    tags: tuple[str, ...]
    facts: Mapping[str, Any]


def describe(
    kind: str,
    card: Mapping[str, Any] | None,
    files: Sequence[FileFact],
    config: Mapping[str, Any] | None,
    body: str = "",
) -> RepoFacts:
    """The facts and tags of a repo of ``kind`` (``model``, ``dataset``, ``space``, ``kernel``).

    ``card`` is the front matter, ``body`` the text after it, ``config`` the content of ``config.json``. Never raises on
    values of an unexpected shape: they are passed over. What was not said but concluded is named in ``inferred``.
    """
    card = card or {}
    licences = [canonical(name) or name for name in texts(card.get("license"))]
    facts: dict[str, Any] = {
        "title": _title(card, body),
        "license": licences[0] if licences else None,
        "licenses": licences,
        "languages": texts(card.get("language")),
        "datasets": texts(card.get("datasets")),
        "cardData": dict(card),
        "inferred": [],
    }
    own = [f"arxiv:{number}" for number in arxiv_ids(body)] + [f"license:{name}" for name in licences]
    if kind == "dataset":
        facts["formats"] = list(file_formats.data_formats(file.path for file in files))
        first = dataset_tags.tags(card, facts["formats"])
    elif kind == "space":
        facts.update({key: card[key] for key in _SPACE_KEYS if card.get(key) is not None})
        first = texts(card.get("sdk"))[:1]
    else:
        _describe_model(facts, card, [file.path for file in files], config or {})
        first = _model_tags(facts)
        own += _base_model_tags(facts) + [f"dataset:{name}" for name in facts["datasets"]]
    return RepoFacts(_tidy([*first, *texts(card.get("tags")), *own]), facts)


def _describe_model(
    facts: dict[str, Any], card: Mapping[str, Any], paths: list[str], config: Mapping[str, Any]
) -> None:
    facts["formats"] = list(file_formats.weight_formats(paths))
    facts["library_name"] = _said_or(facts, "library_name", card, file_formats.library_of(paths, config))
    architectures = texts(config.get("architectures"))
    auto_class, task = tasks.of_architecture(architectures[0]) if architectures else (None, None)
    if facts["library_name"] == "sentence-transformers":
        task = "sentence-similarity"
    facts["pipeline_tag"] = _said_or(facts, "pipeline_tag", card, task)
    facts["config"] = _trimmed(config)
    if facts["library_name"] == "transformers" and auto_class:
        facts["transformersInfo"] = {"auto_model": auto_class, "pipeline_tag": facts["pipeline_tag"]}
    facts["base_models"] = [name for name in texts(card.get("base_model")) if not name.startswith((".", "/", "~"))]
    if facts["base_models"]:
        facts["base_model_relation"] = _said_or(facts, "base_model_relation", card, _relation(facts, config))


def _said_or(facts: dict[str, Any], key: str, card: Mapping[str, Any], concluded: str | None) -> str | None:
    said = card.get(key)
    if isinstance(said, str) and said:
        return said
    if concluded is not None:
        facts["inferred"].append(key)
    return concluded


def _relation(facts: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    if facts["library_name"] == "peft":
        return "adapter"
    if "gguf" in facts["formats"] or config.get("quantization_config"):
        return "quantized"
    return "merge" if len(facts["base_models"]) > 1 else "finetune"


def _model_tags(facts: Mapping[str, Any]) -> list[str]:
    config = facts["config"]
    found = [facts["library_name"], *facts["formats"], *texts(config.get("model_type")), *facts["languages"]]
    return [*(tag for tag in found if tag), *texts(facts["pipeline_tag"])]


def _base_model_tags(facts: Mapping[str, Any]) -> list[str]:
    relation = facts.get("base_model_relation")
    plain = [f"base_model:{name}" for name in facts["base_models"]]
    return plain + [f"base_model:{relation}:{name}" for name in facts["base_models"]]


def _trimmed(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: config[key] for key in _CONFIG_KEYS if _is_small(config.get(key))}
    tokenizer = config.get("tokenizer_config")
    if isinstance(tokenizer, Mapping):
        kept["tokenizer_config"] = {key: tokenizer[key] for key in _TOKENIZER_KEYS if _is_small(tokenizer.get(key))}
    quantization = config.get("quantization_config")
    if isinstance(quantization, Mapping):
        small = ("quant_method", "bits", "load_in_4bit", "load_in_8bit")
        kept["quantization_config"] = {key: quantization[key] for key in small if _is_small(quantization.get(key))}
    return kept


def _is_small(value: Any, depth: int = 0) -> bool:
    if isinstance(value, str):
        return len(value) <= 20_000 and not _SURROGATE.search(value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return (
            depth < 3
            and len(value) <= MAX_LISTED
            and all(_is_small(part, depth + 1) for pair in value.items() for part in pair)
        )
    if isinstance(value, list):
        return depth < 3 and len(value) <= MAX_LISTED and all(_is_small(item, depth + 1) for item in value)
    return value is not None


def _title(card: Mapping[str, Any], body: str) -> str | None:
    said = texts(card.get("title")) or texts(card.get("pretty_name")) or texts(card.get("model_name"))
    return said[0] if said else first_heading(body)


def texts(value: Any) -> list[str]:
    """The strings in ``value``, a string or a list; at most :data:`MAX_LISTED`, without the empty ones."""
    items = value if isinstance(value, list) else [value]
    found = (str(item).strip() for item in items[:MAX_LISTED] if type(item) in (str, int))
    return [item for item in found if item and not _SURROGATE.search(item)]


def _tidy(tags: Iterable[str]) -> tuple[str, ...]:
    clean = (" ".join(tag.split()) for tag in tags)
    return tuple(dict.fromkeys(tag for tag in clean if 0 < len(tag) <= MAX_TAG_LENGTH))[:MAX_TAGS]
