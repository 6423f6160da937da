"""``openshelf.diff`` of two models, beside a plain loop of torch that finds the same figures."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.figures import Figure, Result, Rounds, Table, Verdict, contest, failing, times
from bench.weights.models import TINY_LAYER, Values, shapes_of, write
from bench.weights.running import Options, megabytes, python_with_torch, rates, run

CORES_NEEDED = 1.9
OURS = """
import json, sys, time
import openshelf
one, two, warm, threads, low_rank = sys.argv[1:]
openshelf.diff(warm, warm + ".after", threads=1)
began, wall = time.process_time(), time.perf_counter()
found = openshelf.diff(one, two, threads=int(threads), low_rank=low_rank)
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, found.totals.relative_l2]))
"""
TORCH = """
import json, sys, time, math, torch
from safetensors import safe_open
def compare(before, after):
    base = change = 0.0
    with safe_open(before, "pt") as one, safe_open(after, "pt") as two:
        for name in one.keys():
            a, b = one.get_tensor(name), two.get_tensor(name)
            changed = (a != b).float().mean().item()
            a, b = a.float().flatten(), b.float().flatten()
            d = b - a
            figures = [
                changed, (d.norm() / a.norm()).item(), torch.nn.functional.cosine_similarity(a, b, dim=0).item(),
                d.abs().max().item(), (a.sign() * b.sign() < 0).float().mean().item(), d.mean().item(),
                a.isnan().sum().item(), b.isnan().sum().item(), a.isinf().sum().item(), b.isinf().sum().item(),
            ]
            base += a.norm().item() ** 2
            change += d.norm().item() ** 2
    return math.sqrt(change / base)
one, two, warm = sys.argv[1:]
compare(warm, warm + ".after")
began, wall = time.process_time(), time.perf_counter()
found = compare(one, two)
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, found]))
"""
CONTROL = """
import json, time
import numpy as np
values = np.ones(1 << 18, np.float32)
began, wall = time.process_time(), time.perf_counter()
for _ in range(20_000):
    np.add(values, 1, out=values)
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, 0]))
"""
ONE, TWO = "openshelf.diff, 1 thread", "openshelf.diff, 2 threads"
CONTROL_ONE, CONTROL_TWO = "control: a NumPy program", "control: two at once"


def measure(options: Options, folder: Path) -> Result:
    """Every entrant reads the same two files, in turns."""
    shapes = shapes_of(options.size)
    before, after, half = (folder / f"{name}.safetensors" for name in ("before", "after", "half"))
    size = write(before, shapes, Values())
    write(after, shapes, Values(2e-4))
    layers = sum(name.startswith("model.layers.") for name in shapes) // 9
    write(half, shapes, lambda name, count: Values(2e-4 if _number(name) >= layers / 2 else 0)(name, count))
    amount, private, answers = 2 * size / 1e9, dict[str, list[int]](), dict[str, float]()

    def entrant(name: str, program: str, *arguments: object, python: str = "") -> Callable[[], Figure]:
        def work() -> Figure:
            found = run(program, *arguments, **({"python": python} if python else {}), amount=amount)
            private.setdefault(name, []).append(found.private)
            answers[name] = found.answer
            return found.figure

        return work

    warm = folder / "warm.safetensors"
    tiny = shapes_of(0, TINY_LAYER, 16)
    write(warm, tiny, Values())
    write(folder / f"{warm.name}.after", tiny, Values(2e-4))
    copy = folder / "copy.safetensors"
    entrants = {
        ONE: entrant(ONE, OURS, before, after, warm, 1, "none"),
        CONTROL_ONE: lambda: run(CONTROL).figure,
        TWO: entrant(TWO, OURS, before, after, warm, 2, "none"),
        CONTROL_TWO: _two_controls,
        **{
            name: entrant(name, OURS, before, other, warm, 1, low_rank)
            for name, other, low_rank in (
                ("with 3 matrices looked at for low rank", after, "sample"),
                ("half of the layers unchanged", half, "none"),
                ("equal files", copy, "none"),
            )
        },
    }
    copy.write_bytes(before.read_bytes())
    try:
        python = str(python_with_torch())
        entrants["torch loop"] = entrant("torch loop", TORCH, before, after, warm, python=python)
    except Exception as error:
        entrants["torch loop"] = failing(error)
    found = contest(options.rounds, entrants)
    return _result(found, private, answers, size, len(shapes))


def _two_controls() -> Figure:
    """The slower of two programs that run at once and share nothing."""
    with ThreadPoolExecutor(2) as pool:
        found = [one.figure for one in pool.map(run, [CONTROL] * 2)]
    return Figure(2, max(figure.seconds for figure in found), sum(figure.cpu for figure in found))


def _number(name: str) -> int:
    parts = name.split(".")
    return int(parts[2]) if parts[1] == "layers" else -1


def _faster(one: Rounds, two: Rounds) -> float | None:
    """How many times as long the first took."""
    if not one.figures or not two.figures:
        return None
    return one.of(lambda figure: figure.seconds) / two.of(lambda figure: figure.seconds)


def _result(
    found: dict[str, Rounds], private: dict[str, list[int]], answers: dict[str, float], size: int, tensors: int
) -> Result:
    torch = found["torch loop"]
    alone = _faster(found[CONTROL_ONE], found[CONTROL_TWO])
    free = 2 * alone if alone is not None else 0.0
    told = f"Two NumPy programs that share nothing did {free:.2f} times the work of one at once."
    rows = [
        (
            name,
            rates(rounds),
            rounds.spread(lambda figure: figure.seconds, ".2f") if rounds.figures else "",
            times(torch.ratio(rounds), ".1f"),
            megabytes(private.get(name, [])),
            f"{answers[name]:.6f}" if name in answers else "",
        )
        for name, rounds in found.items()
        if name not in (CONTROL_ONE, CONTROL_TWO)
    ]
    columns = ("what", "GB for each CPU-second", "wall s", "times less CPU than torch", "private memory", "relative L2")
    table = Table(
        f"Difference of {size / 1e9:.2f} GB from {size / 1e9:.2f} GB, bfloat16, {tensors} tensors",
        columns,
        rows,
        "Both files count. All figures of a diff but rows and low rank, where not said otherwise.",
        told,
    )
    one, two = found[ONE], found[TWO]
    speed = one.of(lambda figure: figure.amount / figure.cpu) if one.figures else None
    faster = _faster(one, two)
    why = told if free >= CORES_NEEDED else f"{told} So two cores were not free: this says nothing."
    return Result(
        [table],
        [
            Verdict("diff, all values changed", speed, 1.0, "GB for each CPU-second", at_least=True),
            Verdict("diff beside a torch loop", torch.ratio(one), 4.0, "times less CPU", at_least=True),
            Verdict("diff with two threads", faster, 1.7, "times faster", at_least=True, why_missed=why),
        ],
    )
