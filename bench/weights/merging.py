"""``openshelf.merge`` beside mergekit, which runs as a program of its own: the same inputs, the same methods.

mergekit (LGPL) is never imported here; it lives in an environment of its own (requirements/clients/mergekit.lock).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import ml_dtypes
import numpy as np

from bench.figures import Figure, Result, Rounds, Table, Verdict, contest, failing, times
from bench.weights.models import TINY_LAYER, Shapes, Values, shapes_of, write
from bench.weights.running import Options, Run, megabytes, python_with_torch, run
from openshelf.analysis.checkpoints.checkpoint import Array, Checkpoint
from openshelf.analysis.checkpoints.opening import open_checkpoint

OURS = """
import json, sys, time
import openshelf
folder, warm, method, threads, out, given = sys.argv[1:]
given = {"method": method, "threads": int(threads), **json.loads(given)}
def merge(folder, out):
    return openshelf.merge(f"{folder}/base", f"{folder}/a", f"{folder}/b", out=out, **given)
merge(warm, f"{out}-warm")
began, wall = time.process_time(), time.perf_counter()
report = merge(folder, out)
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, report.tensors]))
"""
MERGEKIT = """
import json, sys, time, torch, transformers
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
torch.set_num_threads(2)
folder, warm, config, out = sys.argv[1:]
def merge(folder, out):
    told = MergeConfiguration.model_validate(json.loads(config.replace("FOLDER", folder)))
    run_merge(told, out, MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True))
merge(warm, f"{out}-warm")
began, wall = time.process_time(), time.perf_counter()
merge(folder, out)
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, 0]))
"""
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 1536, "intermediate_size": 4096,
    "num_attention_heads": 12, "num_key_value_heads": 2, "head_dim": 128, "vocab_size": 16000,
    "tie_word_embeddings": True, "torch_dtype": "bfloat16", "rms_norm_eps": 1e-5, "max_position_embeddings": 2048,
}  # fmt: skip
# Method of mergekit, ours, and our parameters for what mergekit is told.
NO_HASHES = "1 thread, parents not hashed"
OUR_WAYS = ((NO_HASHES, 1, "none"), ("1 thread", 1, "blake3"), ("2 threads", 2, "blake3"))
WHY = (
    "About half of our time is the system's: mapping what is read, taking and filling the room for what is written. "
    "The target was set from whole programs, with their start."
)
Told = Mapping[str, float]
Given = Mapping[str, object]
METHODS: dict[str, tuple[str, str, Given, Told]] = {
    "task arithmetic": ("task_arithmetic", "task-arithmetic", {"weights": [0.5, 0.5]}, {"weight": 0.5}),
    "TIES": ("ties", "ties", {"density": 0.5}, {"weight": 1.0, "density": 0.5, "normalize": 1}),
}


def measure(options: Options, folder: Path) -> Result:
    """Each method on the same three models; each program has merged small ones before, and so imported all."""
    size = models(folder / "in", shapes_of(options.size))
    models(folder / "warm", shapes_of(0, TINY_LAYER, 16))
    runs: dict[str, list[Run]] = {}
    entrants: dict[str, Callable[[], Figure]] = {}
    for title, (theirs, ours, given, told) in METHODS.items():
        for label, threads, hashing in OUR_WAYS:
            name = f"openshelf, {title}, {label}"
            entrants[name] = _ours(name, folder, ours, threads, {**given, "hashing": hashing}, size, runs)
        for dtype in ("float32", "bfloat16"):
            name = f"mergekit, {title}, in {dtype}"
            entrants[name] = _theirs(name, folder, theirs, dtype, told, size, runs)
    found = contest(options.rounds, entrants)
    agreement = _agreement(folder, found)
    for made in folder.glob("out-*"):
        shutil.rmtree(made)
    shutil.rmtree(folder / "in")
    return _result(found, runs, agreement, size)


def models(folder: Path, shapes: Shapes) -> int:
    """A base and two descendants, every value moved; the size of one in bytes."""
    layers = sum(name.endswith("input_layernorm.weight") for name in shapes)
    made = 0
    for name, values in (("base", Values()), ("a", Values(1e-3, 1)), ("b", Values(1e-3, 2))):
        (folder / name).mkdir(parents=True)
        made = write(folder / name / "model.safetensors", shapes, values)
        config = json.dumps({**CONFIG, "num_hidden_layers": layers})
        (folder / name / "config.json").write_text(config)
    return made


def _ours(
    name: str,
    folder: Path,
    method: str,
    threads: int,
    given: Given,
    size: int,
    runs: dict[str, list[Run]],
) -> Callable[[], Figure]:
    def work() -> Figure:
        out = folder / f"out-{method}"
        _clear(out)
        found = run(OURS, folder / "in", folder / "warm", method, threads, out, json.dumps(given), amount=size / 1e9)
        runs.setdefault(name, []).append(found)
        return found.figure

    return work


def _theirs(
    name: str, folder: Path, method: str, dtype: str, told: Told, size: int, runs: dict[str, list[Run]]
) -> Callable[[], Figure]:
    try:
        python = python_with_torch()
    except Exception as error:
        return failing(error)
    normalize = {"normalize": bool(told["normalize"])} if "normalize" in told else {}
    config = {
        "merge_method": method, "base_model": "FOLDER/base", "dtype": dtype, "out_dtype": "bfloat16",
        "models": [
            {"model": f"FOLDER/{side}", "parameters": {k: v for k, v in told.items() if k != "normalize"}}
            for side in ("a", "b")
        ],
        "parameters": normalize,
    }  # fmt: skip

    def work() -> Figure:
        out = folder / f"out-mergekit-{method}-{dtype}"
        _clear(out)
        inputs = folder / "in", folder / "warm"
        found = run(MERGEKIT, *inputs, json.dumps(config), out, python=python, amount=size / 1e9)
        runs.setdefault(name, []).append(found)
        return found.figure

    return work


def _whole(made: Sequence[Run]) -> float:
    return median(one.whole for one in made)


def _clear(out: Path) -> None:
    for made in (out, out.with_name(f"{out.name}-warm")):
        shutil.rmtree(made, ignore_errors=True)


def _agreement(folder: Path, found: dict[str, Rounds]) -> list[tuple[str, ...]]:
    """How the two results differ, over all elements."""
    rows: list[tuple[str, ...]] = []
    for title, (theirs, ours, given, _) in METHODS.items():
        for dtype in ("float32", "bfloat16"):
            other = folder / f"out-mergekit-{theirs}-{dtype}"
            if found[f"mergekit, {title}, in {dtype}"].figures and other.exists():
                rows.append((title, dtype, *compare(folder, folder / f"out-{ours}", other, given.get("density"))))
    return rows


def compare(folder: Path, one: Path, two: Path, density: object) -> tuple[str, str, str, str]:
    """Elements that differ at all; by more than a step of bfloat16; of these, those away from a threshold; the largest.

    An element is at a threshold where the change of a side is in magnitude the last one that TIES keeps.
    """
    differ = far = away = count = 0
    largest = 0.0
    with ExitStack() as stack:
        first, second, *parents = (
            stack.enter_context(open_checkpoint(each))
            for each in (one, two, *(folder / "in" / side for side in ("base", "a", "b")))
        )
        for tensor in first:
            x, y = (each.array(tensor.name).astype(np.float32).ravel() for each in (first, second))
            step = np.spacing(np.maximum(np.abs(x), np.abs(y)).astype(ml_dtypes.bfloat16)).astype(np.float32)
            gap = np.abs(x - y)
            beyond = gap > np.abs(step) * 1.5
            differ += int(np.count_nonzero(gap))
            far += int(np.count_nonzero(beyond))
            largest = max(largest, float(gap.max()))
            count += tensor.elements
            if isinstance(density, float) and beyond.any():
                beyond &= ~_at_threshold(parents, tensor.name, density)
            away += int(np.count_nonzero(beyond))
    return f"{differ:,} of {count:,} ({differ / count:.4%})", f"{far:,}", f"{away:,}", f"{largest:.2g}"


def _at_threshold(parents: list[Checkpoint], name: str, density: float) -> Array:
    base, *sides = (each.array(name).astype(np.float32).ravel() for each in parents)
    found = np.zeros(len(base), bool)
    for side in sides:
        size = np.abs(side - base)
        keep = max(1, int(density * len(size)))
        found |= size == np.partition(size, len(size) - keep)[len(size) - keep]
    return found


def _result(
    found: dict[str, Rounds],
    runs: dict[str, list[Run]],
    agreement: list[tuple[str, ...]],
    size: int,
) -> Result:
    rows = []
    verdicts = []
    for title in METHODS:
        alone, hashed = found[f"openshelf, {title}, {NO_HASHES}"], found[f"openshelf, {title}, 1 thread"]
        for name, rounds in found.items():
            if f", {title}, " in name:
                spread = (lambda f: f.cpu, ".2f"), (lambda f: f.seconds, ".2f")
                told = [rounds.spread(*each) if rounds.figures else f"failed: {rounds.failure}" for each in spread]
                made = runs.get(name, [])
                start = f"{_whole(made):.1f}" if made else ""
                beside = times(rounds.ratio(alone), ".1f")
                rows.append((name, *told, beside, start, megabytes([one.private for one in made])))
        target = 5.0 if title == "task arithmetic" else 4.0
        for dtype in ("float32", "bfloat16"):
            theirs = found[f"mergekit, {title}, in {dtype}"]
            for one, how in ((alone, "neither hashes its inputs"), (hashed, "ours hashes them")):
                what = f"{title} beside mergekit in {dtype}, {how}"
                verdicts.append(
                    Verdict(what, theirs.ratio(one), target, "times less CPU", at_least=True, why_missed=WHY)
                )
            programs = runs.get(f"openshelf, {title}, 1 thread", []), runs.get(f"mergekit, {title}, in {dtype}", [])
            ratio = _whole(programs[1]) / _whole(programs[0]) if all(programs) else None
            what = f"{title} as a whole program beside mergekit in {dtype}, ours hashes its inputs"
            verdicts.append(Verdict(what, ratio, target, "times less CPU", at_least=True))
    columns = (
        "what",
        "CPU-seconds",
        "wall s",
        "CPU beside the first row",
        "CPU-seconds with the start",
        "private memory",
    )
    note = (
        "Three models in, one out. Openshelf computes in float32 and rounds once; where not said otherwise it hashes "
        "its inputs (BLAKE3) for the record, which mergekit does not. mergekit computes in the type named."
    )
    why = (
        "Both in float32 differ for TIES at the threshold alone: equal magnitudes there are all kept by Openshelf, as "
        "in the authors' code, and cut at an exact number by mergekit. In bfloat16 mergekit rounds every step."
    )
    return Result(
        [
            Table(f"Merge of two descendants of {size / 1e9:.2f} GB, bfloat16", columns, rows, note),
            Table(
                "Results of Openshelf and mergekit set against each other",
                (
                    "method",
                    "mergekit in",
                    "elements that differ",
                    "by more than a step",
                    "of these not at a threshold",
                    "largest",
                ),
                agreement,
                why,
            ),
        ],
        verdicts,
    )
