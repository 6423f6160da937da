"""A recipe: everything that decides the bytes of a merge. Its YAML form is read by ``recipe_file``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any

from openshelf.analysis.weights.merging.conflicts import MergeError
from openshelf.analysis.weights.merging.methods.method import method
from openshelf.analysis.weights.merging.operands import MERGED_TYPES

VERSION = 1
KEEP = "keep"
_SIDE = re.compile(r"base|ours|theirs(?:-[1-9]\d{0,3})?\Z")
_MAX_PATTERN = 200
_MAX_REPEATS = 3


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """One file of an input. ``sha256`` where the file is small or it was asked for; both are None where nothing was."""

    name: str
    bytes: int
    blake3: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What an input was: the files that its tensors came from, and how many those were."""

    tensors: int
    files: tuple[FileIdentity, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """An input by its path, reference or address. With an ``identity`` it must be that very one.

    ``endpoint`` and ``commit`` are the hub and the commit that a reference led to when it was recorded.
    """

    path: str
    identity: Identity | None = None
    endpoint: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """A descendant of the base: a checkpoint, or a folder with a PEFT adapter. ``samples`` stands in for ``weight``."""

    source: Source
    weight: float | None = None
    samples: int | None = None
    statistics: Source | None = None

    @property
    def share(self) -> float:
        return self.weight if self.weight is not None else float(self.samples) if self.samples is not None else 1.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A method with all its parameters, or (``side``) whose tensor is taken as it is."""

    method: str | None
    parameters: Mapping[str, float] = field(default_factory=dict)
    side: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """For tensors whose whole name matches: a glob, or a regular expression of a safe kind."""

    pattern: str
    choice: Choice
    is_regex: bool = False

    def matches(self, name: str) -> bool:
        return re.fullmatch(self.pattern if self.is_regex else translate(self.pattern), name) is not None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a tensor is reported as a soft conflict: beyond what unrelated changes come to (0 and 0.5)."""

    cosine: float = -0.1
    sign_disagreement: float = 0.6
    top: float = 0.2


@dataclass(frozen=True, slots=True)
class Recipe:
    """``sides``: ours first. ``dtype``: ``keep``, or the type that every tensor of floating point is written in.

    ``three_way``: whether a tensor that one side alone changed is that side's, byte for byte; None leaves it to the
    method (yes, but not for those that vote, with three sides or more).
    """

    base: Source | None
    sides: tuple[Side, ...]
    choice: Choice
    rules: tuple[Rule, ...] = ()
    seed: int = 0
    dtype: str = KEEP
    three_way: bool | None = None
    thresholds: Thresholds = Thresholds()

    def choice_for(self, name: str) -> Choice:
        """The first rule that matches, else the choice for all."""
        return next((rule.choice for rule in self.rules if rule.matches(name)), self.choice)


def checked(recipe: Recipe) -> Recipe:
    """The recipe, where it makes sense as a whole. Raises MergeError."""
    if not recipe.sides:
        raise MergeError("there is nothing to merge: name at least one side beside the base")
    for choice in (recipe.choice, *(rule.choice for rule in recipe.rules)):
        if choice.method is not None:
            known = method(choice.method)
            if not known.least <= len(recipe.sides) <= known.most:
                wanted = f"exactly {known.least}" if known.least == known.most else f"at least {known.least}"
                raise MergeError(f"{known.name} merges {wanted} sides; there are {len(recipe.sides)}")
        elif choice.side is not None:
            side_index(choice.side, recipe)
    for side in recipe.sides:
        if side.weight is not None and side.samples is not None:
            raise MergeError(f"{side.source.path}: give a weight or a number of samples, not both")
    return recipe


def choice_of(name: str, parameters: Mapping[str, float] | None = None) -> Choice:
    """A method by its name, or a side: ``base``, ``ours``, ``theirs``, ``theirs-2``. Raises MergeError."""
    if _SIDE.match(name):
        if parameters:
            raise MergeError(f"a tensor taken from {name} takes no parameters")
        return Choice(None, {}, name)
    known = method(name)
    return Choice(known.name, known.complete(parameters or {}))


def side_index(side: str, recipe: Recipe) -> int:
    """The place in ``recipe.sides`` of a side by its word; -1 for the base. Raises MergeError where there is none."""
    if side == "base":
        if recipe.base is None:
            raise MergeError("a rule takes tensors from the base, and there is none")
        return -1
    index = 0 if side == "ours" else int(side.partition("-")[2] or 1)
    if index >= len(recipe.sides):
        raise MergeError(f"a rule takes tensors from {side}, and there are {len(recipe.sides) - 1} sides beside ours")
    return index


def rule(pattern: str, choice: Choice, is_regex: bool = False) -> Rule:
    """A rule whose pattern is sure to be matched quickly. Raises MergeError."""
    if not pattern or len(pattern) > _MAX_PATTERN:
        raise MergeError(f"a pattern has 1 to {_MAX_PATTERN} characters")
    if is_regex:
        check_regex(pattern)
    return Rule(pattern, choice, is_regex)


def check_regex(pattern: str) -> None:
    """Refuse what can take a matcher that backtracks very long: repeated groups, back-references, many repeats."""
    plain = re.sub(r"\\[^0-9]", "x", pattern)
    plain = re.sub(r"\[\^?\]?[^\]]*\]", "x", plain)
    if re.search(r"\)[*+{]|\\[0-9]|\(\?[^:]", plain):
        raise MergeError(f"the expression {pattern!r} repeats a group, refers back or looks around; write it plainer")
    if len(re.findall(r"[*+{]", plain)) > _MAX_REPEATS:
        raise MergeError(f"the expression {pattern!r} repeats in more than {_MAX_REPEATS} places; write it plainer")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise MergeError(f"{pattern!r} is not a regular expression: {error}") from None


def word(index: int) -> str:
    """What the side at ``index`` is called; the base is at -1."""
    return {-1: "base", 0: "ours", 1: "theirs"}.get(index, f"theirs-{index}")


def check_dtype(dtype: str) -> str:
    """``dtype`` where tensors can be written in it. Raises MergeError."""
    if dtype != KEEP and dtype not in MERGED_TYPES:
        raise MergeError(f"tensors cannot be written as {dtype!r}; there are: keep, {', '.join(MERGED_TYPES)}")
    return dtype


def as_mapping(recipe: Recipe, *, paths: bool = True) -> dict[str, Any]:
    """The recipe as plain values: what the YAML form holds. Without ``paths`` it is the same wherever inputs lie."""
    found: dict[str, Any] = {"openshelf_merge": VERSION, **_choice(recipe.choice)}
    found |= {"seed": recipe.seed, "dtype": recipe.dtype}
    if recipe.three_way is not None:
        found["three_way"] = recipe.three_way
    limits = recipe.thresholds
    found["thresholds"] = {
        "cosine": limits.cosine, "sign_disagreement": limits.sign_disagreement, "top": limits.top
    }  # fmt: skip
    if recipe.base is not None:
        found["base"] = _source(recipe.base, paths)
    found["sides"] = [_side(side, paths) for side in recipe.sides]
    if recipe.rules:
        found["rules"] = [
            {"regex" if rule.is_regex else "match": rule.pattern, **_choice(rule.choice)} for rule in recipe.rules
        ]
    return found


def _choice(choice: Choice) -> dict[str, Any]:
    if choice.side is not None:
        return {"take": choice.side}
    return {"method": choice.method, **({"parameters": dict(choice.parameters)} if choice.parameters else {})}


def _side(side: Side, paths: bool) -> dict[str, Any]:
    found = _source(side.source, paths)
    if side.weight is not None:
        found["weight"] = side.weight
    if side.samples is not None:
        found["samples"] = side.samples
    if side.statistics is not None:
        found["statistics"] = _source(side.statistics, paths)
    return found


def _source(source: Source, paths: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"path": source.path} if paths else {}
    if paths and source.commit is not None:
        found |= {"endpoint": source.endpoint, "commit": source.commit}
    if source.identity is not None:
        found["tensors"] = source.identity.tensors
        found["files"] = [_file(file) for file in source.identity.files]
    return found


def _file(file: FileIdentity) -> dict[str, Any]:
    digests = {"blake3": file.blake3, "sha256": file.sha256}
    return {"name": file.name, "bytes": file.bytes, **{kind: said for kind, said in digests.items() if said}}


def weights_of(sides: Sequence[Side]) -> tuple[float, ...]:
    return tuple(side.share for side in sides)
