"""What a measurement yields: rounds of figures, tables made of them, and verdicts on targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

NONE = "–"


@dataclass(frozen=True)
class Figure:
    """One round: an amount (GB, requests or times), wall seconds, CPU-seconds of the server and of the client."""

    amount: float
    seconds: float
    cpu: float
    client_cpu: float = 0.0

    @property
    def each(self) -> float:
        """The server's CPU-seconds for one of the amount."""
        return self.cpu / self.amount

    @property
    def rate(self) -> float:
        """The amount in a second of wall time."""
        return self.amount / self.seconds


@dataclass
class Rounds:
    """All rounds of one entrant, or why there are none."""

    figures: list[Figure] = field(default_factory=list)
    failure: str = ""

    def of(self, value: Callable[[Figure], float]) -> float:
        """The median over the rounds."""
        return median(value(figure) for figure in self.figures)

    def spread(self, value: Callable[[Figure], float], form: str, scale: float = 1) -> str:
        """The median and, where there were several rounds, the least and the most."""
        values = sorted(value(figure) * scale for figure in self.figures)
        middle = format(median(values), form)
        return middle if len(values) == 1 else f"{middle} ({values[0]:{form}}–{values[-1]:{form}})"

    def ratio(self, other: Rounds | None) -> float | None:
        """Times the server CPU of ``other`` for each of the amount: each round to its own, then the median."""
        if other is None or not other.figures or not self.figures:
            return None
        pairs = zip(self.figures, other.figures, strict=False)
        ratios = [one.each / two.each for one, two in pairs if two.each > 0]
        return median(ratios) if ratios else None


def contest(rounds: int, entrants: Mapping[str, Callable[[], Figure]]) -> dict[str, Rounds]:
    """Let the entrants take turns, so that a slow minute of the machine meets all of them.

    One that fails is left out of the rounds to come, and its row says why.
    """
    found = {name: Rounds() for name in entrants}
    for _ in range(rounds):
        for name, run in entrants.items():
            if not found[name].failure:
                try:
                    found[name].figures.append(run())
                except Exception as error:
                    found[name].failure = first_line(error)
    for result in found.values():
        if result.failure:
            result.figures.clear()
    return found


def failing(error: Exception) -> Callable[[], Figure]:
    """An entrant whose preparation failed: its row says why."""

    def run() -> Figure:
        raise error

    return run


def first_line(error: Exception) -> str:
    """The beginning of a message, short enough for a table."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {(text or [''])[0][:160]}"


def times(ratio: float | None, form: str = ".2f") -> str:
    return NONE if ratio is None else format(ratio, form)


@dataclass(frozen=True)
class Table:
    """A Markdown table with what must be known to read it."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    before: str = ""
    after: str = ""

    def markdown(self) -> str:
        lines = [f"### {self.title}\n"]
        if self.before:
            lines.append(self.before + "\n")
        lines += ["| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        lines += ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in self.rows]
        return "\n".join(lines) + "\n" + (f"\n{self.after}\n" if self.after else "")


@dataclass(frozen=True)
class Verdict:
    """A target beside its figure; ``limit`` is the most, or the least where ``at_least``."""

    what: str
    figure: float | None
    limit: float
    unit: str
    at_least: bool = False
    why_missed: str = ""

    @property
    def is_met(self) -> bool:
        if self.figure is None:
            return False
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def row(self) -> tuple[str, ...]:
        bound = f"{'at least' if self.at_least else 'at most'} {self.limit:g} {self.unit}"
        if self.figure is None:
            return (self.what, bound, NONE, f"not measured. {self.why_missed}".strip())
        shown = f"{self.figure:.3g}" if self.figure < 1000 else f"{self.figure:.0f}"
        if self.is_met:
            return (self.what, bound, f"{shown} {self.unit}", "met")
        far = abs(self.figure / self.limit - 1)
        return (self.what, bound, f"{shown} {self.unit}", f"missed by {far:.0%}. {self.why_missed}".strip())


@dataclass
class Result:
    """What one measurement adds to the page."""

    tables: list[Table] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
