"""Facts about a model from the files beside its weights: configuration, tokenizer, state of a training."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from posixpath import dirname
from typing import Any

from openshelf.analysis.checkpoints.candidates import is_training_state
from openshelf.analysis.checkpoints.checkpoint import Listing, ModelFacts
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.files.ranges import UnreadableFile

MAX_CONFIG = 1024 * 1024
MAX_TOKENIZER_CONFIG = 16 * 1024 * 1024
_MOST_TEXT = 200
_MOST_NAMED = 100
_TOKENIZERS = frozenset(
    ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt", "spiece.model",
     "sentencepiece.bpe.model", "tekken.json", "vocab.bpe", "tokenizer.tiktoken")
)  # fmt: skip
_TEMPLATES = frozenset(("chat_template.jinja", "chat_template.json"))
_FRAMEWORKS = {"pt": "PyTorch", "tf": "TensorFlow", "flax": "Flax", "np": "NumPy", "mlx": "MLX", "paddle": "Paddle"}


def with_neighbours(listing: Listing, files: Files, own: Mapping[str, object]) -> tuple[ModelFacts, tuple[str, ...]]:
    """What the weights and the files beside them say, and what is wrong with those files; tensors are not counted yet.

    ``own`` names the files of the weights, the first before all.
    """
    names = files.sizes()
    told = ModelFacts(
        0,
        {},
        listing.architecture,
        framework=_FRAMEWORKS.get(str(listing.metadata.get("format"))),
        has_tokenizer=listing.has_tokenizer,
        has_chat_template=listing.has_chat_template,
        versions=listing.versions,
    )
    if names.keys() <= own.keys():
        return told, ()
    folder = dirname(next(iter(own), ""))
    problems: list[str] = []
    config = _first(files, folder, ("config.json", "model_index.json"), MAX_CONFIG, problems)
    adapter = _first(files, folder, ("adapter_config.json",), MAX_CONFIG, problems)
    tokenizer = _first(files, folder, ("tokenizer_config.json",), MAX_TOKENIZER_CONFIG, problems)
    tied = config.get("tie_word_embeddings")
    return replace(
        told,
        architecture=listing.architecture or _architecture(config, adapter),
        model_type=_text(config.get("model_type")),
        has_tokenizer=listing.has_tokenizer or _has_one(names, folder, _TOKENIZERS),
        has_chat_template=listing.has_chat_template
        or _has_one(names, folder, _TEMPLATES)
        or bool(tokenizer.get("chat_template")),
        versions={**_versions(config), **listing.versions},
        ties_embeddings=tied if isinstance(tied, bool) else None,
        apart=tuple(name for name in names if name not in own and is_training_state(name))[:_MOST_NAMED],
    ), tuple(problems)


def _has_one(names: Collection[str], folder: str, wanted: frozenset[str]) -> bool:
    """Whether one of some files is there, beside the weights or at the top."""
    return not wanted.isdisjoint(names) or (folder != "" and any(f"{folder}/{name}" in names for name in wanted))


def _places(folder: str, names: Iterable[str]) -> Iterable[str]:
    """Each name beside the weights, then at the top."""
    return chain.from_iterable((f"{folder}/{name}", name) for name in names) if folder else names


def _architecture(config: Mapping[str, Any], adapter: Mapping[str, Any]) -> str | None:
    named = config.get("architectures")
    first = _text(named[0]) if isinstance(named, list) and named else None
    found = first or _text(config.get("_class_name"))
    method, parent = _text(adapter.get("peft_type")), _text(adapter.get("base_model_name_or_path"))
    if found is None and method is not None:
        return f"{method} adapter of {parent}" if parent else f"{method} adapter"
    return found


def _versions(config: Mapping[str, Any]) -> dict[str, str]:
    names = {"transformers": "transformers_version", "diffusers": "_diffusers_version"}
    found = {name: _text(config.get(key)) for name, key in names.items()}
    return {name: version for name, version in found.items() if version}


def _first(files: Files, folder: str, names: Iterable[str], most: int, problems: list[str]) -> Mapping[str, Any]:
    """The first of some JSON files that is there, beside the weights or at the top; ``{}`` where none can be read."""
    sizes = files.sizes()
    for name in _places(folder, names):
        if name not in sizes:
            continue
        if sizes[name] > most:
            problems.append(f"{name} has {sizes[name]:,} bytes; at most {most:,} are read")
            continue
        try:
            found = json.loads(files.open(name).read(0, sizes[name]))
        except (UnreadableFile, ValueError, RecursionError) as error:
            problems.append(f"{name} cannot be read: {str(error)[:_MOST_TEXT]}")
            continue
        if isinstance(found, dict):
            return found
        problems.append(f"{name} is no JSON object")
    return {}


def _text(value: Any) -> str | None:
    return value[:_MOST_TEXT] if isinstance(value, str) and value else None
