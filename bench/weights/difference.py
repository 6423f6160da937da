"""``openshelf.diff`` of two models, beside a plain loop of torch that finds the same figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.figures import Figure, Result, Rounds, Table, Verdict, contest, failing, times
from bench.weights.models import Values, shapes_of, write
from bench.weights.running import Options, megabytes, python_with_torch, rates, run

OURS = """
import json, sys, time
import openshelf
diff = openshelf.diff
began, wall = time.process_time(), time.perf_counter()
found = diff(sys.argv[1], sys.argv[2], threads=int(sys.argv[3]), low_rank=sys.argv[4])
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, found.totals.relative_l2]))
"""
TORCH = """
import json, sys, time, math, torch
from safetensors import safe_open
began, wall = time.process_time(), time.perf_counter()
base = change = 0.0
with safe_open(sys.argv[1], "pt") as one, safe_open(sys.argv[2], "pt") as two:
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
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, math.sqrt(change / base)]))
"""


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

    entrants = {
        "openshelf.diff, 1 thread": entrant("openshelf.diff, 1 thread", OURS, before, after, 1, "none"),
        "openshelf.diff, 2 threads": entrant("openshelf.diff, 2 threads", OURS, before, after, 2, "none"),
        "with 3 matrices looked at for low rank": entrant(
            "with 3 matrices looked at for low rank", OURS, before, after, 1, "sample"
        ),
        "half of the layers unchanged": entrant("half of the layers unchanged", OURS, before, half, 1, "none"),
        "equal files": entrant("equal files", OURS, before, folder / "copy.safetensors", 1, "none"),
    }
    (folder / "copy.safetensors").write_bytes(before.read_bytes())
    try:
        python = str(python_with_torch())
        entrants["torch loop"] = entrant("torch loop", TORCH, before, after, python=python)
    except Exception as error:
        entrants["torch loop"] = failing(error)
    found = contest(options.rounds, entrants)
    return _result(found, private, answers, size, len(shapes))


def _number(name: str) -> int:
    parts = name.split(".")
    return int(parts[2]) if parts[1] == "layers" else -1


def _result(
    found: dict[str, Rounds], private: dict[str, list[int]], answers: dict[str, float], size: int, tensors: int
) -> Result:
    torch = found["torch loop"]
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
    ]
    columns = ("what", "GB for each CPU-second", "wall s", "times less CPU than torch", "private memory", "relative L2")
    table = Table(
        f"Difference of {size / 1e9:.2f} GB from {size / 1e9:.2f} GB, bfloat16, {tensors} tensors",
        columns,
        rows,
        "Both files count. All figures of a diff but rows and low rank, where not said otherwise.",
    )
    one, two = found["openshelf.diff, 1 thread"], found["openshelf.diff, 2 threads"]
    speed = one.of(lambda figure: figure.amount / figure.cpu) if one.figures else None
    both = bool(one.figures and two.figures)
    faster = one.of(lambda f: f.seconds) / two.of(lambda f: f.seconds) if both else None
    busy = "It needs two cores that nobody else uses."
    return Result(
        [table],
        [
            Verdict("diff, all values changed", speed, 1.0, "GB for each CPU-second", at_least=True),
            Verdict("diff beside a torch loop", torch.ratio(one), 4.0, "times less CPU", at_least=True),
            Verdict("diff with two threads", faster, 1.7, "times faster", at_least=True, why_missed=busy),
        ],
    )
