"""The YAML form of a recipe: read with bounds, every key known, and every mistake told with its place.

``SCHEMA`` is what the reference page is made from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from openshelf.analysis.cards import yaml_values
from openshelf.analysis.checkpoints.remote.references import is_address
from openshelf.analysis.weights.merging import recipe as recipes
from openshelf.analysis.weights.merging.conflicts import MergeError
from openshelf.analysis.weights.merging.recipe import (
    Choice,
    FileIdentity,
    Identity,
    Recipe,
    Rule,
    Side,
    Source,
    Thresholds,
)  # fmt: skip

# The C library takes a tenth of the time. PyYAML may be built without it; long texts are then broken elsewhere.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
MAX_BYTES = 4 * 1024 * 1024
MAX_SIDES = 1_000
MAX_RULES = 1_000

SCHEMA: Mapping[str, Mapping[str, str]] = {
    "recipe": {
        "openshelf_merge": "The version of the schema: 1. Required.",
        "method": "The method for every tensor that no rule matches. Required, or `take`.",
        "take": "Instead of a method: `base`, `ours`, `theirs` or `theirs-2` and so on, whose tensors are taken.",
        "parameters": "Numbers by name, as the method has them.",
        "base": "The common ancestor: a source. Leave it out where there is none.",
        "sides": "A list of sides, ours first. Required.",
        "rules": "A list of rules; the first whose pattern matches the whole name of a tensor decides.",
        "seed": "A whole number from 0 to 2^64 - 1, for DARE. Default: 0.",
        "dtype": "`keep`, `float16`, `bfloat16`, `float32` or `float64`: what floats are written as.",
        "three_way": "Whether a tensor that one side alone changed is that side's, byte for byte. Default: yes, "
        "but not for `average`, `median`, `trimmed-mean` and `norm-clip` with three sides or more: "
        "there every side has a vote.",
        "thresholds": "From where on a tensor is reported as a soft conflict.",
        "result": "Written by the tool, and not read: what the merge did.",
    },
    "source": {
        "path": "A file or folder, from the folder that the recipe is in; or a reference (`owner/name@revision`, with "
        "`:path` where wanted), or an address. Of an address with a query, only what is before it is recorded.",
        "endpoint": "The hub that a reference leads to, by its address. Default: `--endpoint`, or `HF_ENDPOINT`; the "
        "token goes there alone.",
        "commit": "The commit that the revision was; it is opened whatever the revision is now.",
        "tensors": "How many tensors it has.",
        "files": "A list of files with `name`, `bytes`, `blake3` and perhaps `sha256`, with which they must agree.",
    },
    "side": {
        "path": "As in a source: a checkpoint, or a folder or repo with a PEFT adapter (`adapter_config.json`).",
        "endpoint": "As in a source.",
        "commit": "As in a source.",
        "tensors": "As in a source.",
        "files": "As in a source.",
        "weight": "A number. Default: 1.",
        "samples": "Instead of a weight: how many samples it was trained on.",
        "statistics": "A source: the file with statistics for `fisher` or `regmean`.",
    },
    "rule": {
        "match": "A glob for names of tensors: `*`, `?`, `[seq]`.",
        "regex": "Instead of `match`: a regular expression without repeated groups and back-references.",
        "method": "As above.",
        "take": "As above.",
        "parameters": "As above.",
    },
    "thresholds": {
        "cosine": "Of what two sides changed, below which they oppose each other. Default: -0.1.",
        "sign_disagreement": "Share of opposite signs in the magnitude of the largest changes. Default: 0.6.",
        "top": "How many of the largest changes are looked at, as a share. Default: 0.2.",
    },
    "file": {
        "name": "Its name within the source.",
        "bytes": "Its size.",
        "blake3": "The BLAKE3 hash of its content, in hexadecimal digits.",
        "sha256": "The SHA-256 hash, likewise.",
    },
}


class RecipeError(MergeError):
    """A recipe that cannot be read. ``place`` is like ``rules[2].method``."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place = place
        self.reason = reason


def read_recipe(content: bytes, label: str = "recipe") -> Recipe:
    """The recipe in YAML. Raises RecipeError, which names the line and the place."""
    if len(content) > MAX_BYTES:
        raise RecipeError(label, f"it has {len(content):,} bytes; a recipe of up to {MAX_BYTES:,} is read")
    try:
        text = content.decode("utf-8-sig")
        found, problems = yaml_values.read(text)
    except UnicodeDecodeError as error:
        raise RecipeError(label, f"it is not UTF-8 at byte {error.start:,}") from None
    except yaml_values.UnreadableYaml as error:
        raise RecipeError(label, str(error.problem)) from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise RecipeError(label, f"it is not YAML: {error}") from None
    if problems:
        raise RecipeError(label, str(problems[0]))
    try:
        return recipes.checked(_recipe(found))
    except RecipeError as error:
        line = _line(text, error.place)
        raise RecipeError(f"{label}{f', line {line}' if line else ''}, {error.place or 'top'}", error.reason) from None
    except MergeError as error:
        raise RecipeError(label, str(error)) from None


def load_recipe(path: Path) -> Recipe:
    """The recipe in a file; its paths are made to lead from the folder that it is in. Raises RecipeError, OSError."""
    if path.stat().st_size > MAX_BYTES:
        raise RecipeError(str(path), f"a recipe of up to {MAX_BYTES:,} bytes is read")
    return read_recipe(path.read_bytes(), str(path))


def write_recipe(recipe: Recipe, result: Mapping[str, Any]) -> str:
    """The YAML form, with what the merge did."""
    values = {**recipes.as_mapping(recipe), "result": dict(result)}
    text: str = yaml.dump(values, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=120)
    return text


def _recipe(found: Any) -> Recipe:
    values = _mapping(found, "", "recipe")
    version = values.get("openshelf_merge")
    if version != recipes.VERSION or isinstance(version, bool):
        raise RecipeError("openshelf_merge", f"this version reads schema {recipes.VERSION}, and it says {version!r}")
    sides = _list(values.get("sides", []), "sides", MAX_SIDES)
    rules = _list(values.get("rules", []), "rules", MAX_RULES)
    return Recipe(
        _source(values["base"], "base") if values.get("base") is not None else None,
        tuple(_side(side, f"sides[{index}]") for index, side in enumerate(sides)),
        _choice(values, ""),
        tuple(_rule(each, f"rules[{index}]") for index, each in enumerate(rules)),
        _whole(values.get("seed", 0), "seed", (1 << 64) - 1),
        _checked("dtype", recipes.check_dtype, _text(values.get("dtype", recipes.KEEP), "dtype")),
        _flag(values.get("three_way"), "three_way"),
        _thresholds(values.get("thresholds", {})),
    )


def _choice(values: Mapping[str, Any], place: str) -> Choice:
    at = f"{place}." if place else ""
    names = [key for key in ("method", "take") if values.get(key) is not None]
    if len(names) != 1:
        raise RecipeError(place, "say either method or take, and not both")
    name = _text(values[names[0]], at + names[0])
    is_side = name.startswith(("ours", "theirs", "base"))
    if names[0] == "take" and not is_side:
        raise RecipeError(at + "take", f"{name!r} is no side: write base, ours, theirs, or theirs-2 and so on")
    given = _mapping(values.get("parameters") or {}, at + "parameters", None)
    numbers = {key: _number(value, f"{at}parameters.{key}") for key, value in given.items()}
    found: Choice = _checked(at + names[0], lambda known: recipes.choice_of(known, numbers), name)
    return found


def _rule(found: Any, place: str) -> Rule:
    values = _mapping(found, place, "rule")
    patterns = [key for key in ("match", "regex") if values.get(key) is not None]
    if len(patterns) != 1:
        raise RecipeError(place, "say either match or regex, and not both")
    key = patterns[0]
    choice = _choice(values, place)
    pattern = _text(values[key], f"{place}.{key}")
    found_rule: Rule = _checked(f"{place}.{key}", lambda text: recipes.rule(text, choice, key == "regex"), pattern)
    return found_rule


def _side(found: Any, place: str) -> Side:
    values = _mapping({"path": found} if isinstance(found, str) else found, place, "side")
    weight, samples = values.get("weight"), values.get("samples")
    return Side(
        _source_of(values, place),
        None if weight is None else _number(weight, f"{place}.weight"),
        None if samples is None else _whole(samples, f"{place}.samples", 1 << 62),
        None if values.get("statistics") is None else _source(values["statistics"], f"{place}.statistics"),
    )


def _source(found: Any, place: str) -> Source:
    return _source_of(_mapping({"path": found} if isinstance(found, str) else found, place, "source"), place)


def _source_of(values: Mapping[str, Any], place: str) -> Source:
    path = _text(values.get("path"), f"{place}.path")
    endpoint, commit = values.get("endpoint"), values.get("commit")
    if endpoint is not None and not is_address(_text(endpoint, f"{place}.endpoint")):
        raise RecipeError(f"{place}.endpoint", "the address of a hub is expected here, with http:// or https://")
    if commit is not None and not re.fullmatch(r"[0-9a-f]{40,64}", _text(commit, f"{place}.commit")):
        raise RecipeError(f"{place}.commit", "a commit is expected here, in 40 hexadecimal digits or more")
    source = Source(path, None, endpoint, commit)
    if values.get("files") is None:
        return source
    files = _list(values["files"], f"{place}.files", 100_000)
    return replace(
        source,
        identity=Identity(
            _whole(values.get("tensors", 0), f"{place}.tensors", 1 << 40),
            tuple(_file(file, f"{place}.files[{index}]") for index, file in enumerate(files)),
        ),
    )


def _file(found: Any, place: str) -> FileIdentity:
    values = _mapping(found, place, "file")
    digests = [values.get(kind) for kind in ("blake3", "sha256")]
    return FileIdentity(
        _text(values.get("name"), f"{place}.name"),
        _whole(values.get("bytes"), f"{place}.bytes", 1 << 62),
        None if digests[0] is None else _digest(digests[0], f"{place}.blake3"),
        None if digests[1] is None else _digest(digests[1], f"{place}.sha256"),
    )


def _thresholds(found: Any) -> Thresholds:
    values = _mapping(found, "thresholds", "thresholds")
    plain = Thresholds()
    return Thresholds(
        _number(values.get("cosine", plain.cosine), "thresholds.cosine", -1, 1),
        _number(values.get("sign_disagreement", plain.sign_disagreement), "thresholds.sign_disagreement", 0, 1),
        _number(values.get("top", plain.top), "thresholds.top", 1e-6, 1),
    )


def _mapping(found: Any, place: str, schema: str | None) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise RecipeError(place, "names with values are expected here")
    if schema is not None:
        for key in found:
            if key not in SCHEMA[schema]:
                at = f"{place}.{key}" if place else key
                raise RecipeError(at[:200], f"this key is not known; known are: {', '.join(SCHEMA[schema])}")
    return found


def _list(found: Any, place: str, most: int) -> list[Any]:
    if not isinstance(found, list) or len(found) > most:
        raise RecipeError(place, f"a list of up to {most:,} is expected here")
    return found


def _text(found: Any, place: str) -> str:
    if not isinstance(found, str) or not found or len(found) > 4096 or "\0" in found:
        raise RecipeError(place, "a text of up to 4,096 characters is expected here")
    return found


def _digest(found: Any, place: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", _text(found, place)):
        raise RecipeError(place, "64 hexadecimal digits are expected here")
    return str(found)


def _number(found: Any, place: str, least: float = -1e30, most: float = 1e30) -> float:
    is_number = isinstance(found, int | float) and not isinstance(found, bool) and least <= found <= most
    if not is_number or not math.isfinite(found):
        raise RecipeError(place, f"a number from {least:g} to {most:g} is expected here")
    return float(found)


def _whole(found: Any, place: str, most: int) -> int:
    if type(found) is not int or not 0 <= found <= most:
        raise RecipeError(place, f"a whole number from 0 to {most:,} is expected here")
    return found


def _flag(found: Any, place: str) -> bool | None:
    if found is not None and not isinstance(found, bool):
        raise RecipeError(place, "true or false is expected here")
    return found


def _checked(place: str, check: Any, value: str) -> Any:
    try:
        return check(value)
    except RecipeError:
        raise
    except MergeError as error:
        raise RecipeError(place, str(error)) from None


def _line(text: str, place: str) -> int | None:
    """The line that a place stands on. The text was read before, so it is neither deep nor long."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError):
        return None
    line = None
    for key, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", place):
        if number and isinstance(node, yaml.SequenceNode) and int(number) < len(node.value):
            node = node.value[int(number)]
            line = node.start_mark.line + 1
        elif key and isinstance(node, yaml.MappingNode):
            held = [(k, v) for k, v in node.value if k.value == key]
            if not held:
                break
            line, node = held[0][0].start_mark.line + 1, held[0][1]
        else:
            break
    return line
