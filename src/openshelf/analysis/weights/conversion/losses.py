"""What a conversion would lose, by kind; each kind must be allowed by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Loss(StrEnum):
    DTYPE = "dtype"
    """Values are rounded to a type that cannot hold all of them."""
    OPTIMIZER = "optimizer"
    """State of an optimiser is left out."""
    STATE = "state"
    """Counters, random states and other tensors that are neither weights nor constants are left out."""
    STRINGS = "strings"
    """Tensors of texts or objects are left out."""
    METADATA = "metadata"
    """What the file says beside its tensors is left out, where the other format has no place for it."""
    GRAPH = "graph"
    """What the model computes is left out; the other format holds values alone."""
    TEMPLATE = "template"
    """Weights of the template that the source does not have stay as they are there."""


MEANING: Mapping[Loss, str] = {
    Loss.DTYPE: "values are rounded",
    Loss.OPTIMIZER: "state of the optimiser is left out",
    Loss.STATE: "tensors that are no weights, such as counters, are left out",
    Loss.STRINGS: "tensors of texts are left out",
    Loss.METADATA: "metadata that has no place there is left out",
    Loss.GRAPH: "what the model computes is left out, its values alone are kept",
    Loss.TEMPLATE: "weights that the source does not have stay those of the template",
}
_SHOWN = 5


class ConversionRefused(ValueError):
    """A conversion that cannot be made, or would lose what was not allowed to be; nothing was written."""


@dataclass(slots=True)
class Losses:
    """What is lost, by kind: the names of tensors or of metadata, with why."""

    found: dict[Loss, list[str]] = field(default_factory=dict)

    def add(self, loss: Loss, what: str) -> None:
        self.found.setdefault(loss, []).append(what)

    def check(self, allowed: Iterable[Loss]) -> None:
        """Raises ConversionRefused, naming all that is lost and not allowed, and how to allow it."""
        allowed = set(allowed)
        wrong = {loss: names for loss, names in self.found.items() if loss not in allowed}
        if not wrong:
            return
        lines = [f"{MEANING[loss]} ({_named(names)})" for loss, names in wrong.items()]
        options = " ".join(f"--allow-lossy {loss}" for loss in wrong)
        raise ConversionRefused(f"this would lose something: {'; '.join(lines)}. To go on all the same, add {options}")


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(name[:120] for name in names[:_SHOWN]) + more
