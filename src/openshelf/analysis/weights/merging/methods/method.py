"""What a method is, and all of them by name.

A method looks at a whole tensor where it must (``prepare``) and gives a kernel, which computes a tile of the result.
In the formulas O is the base, S_i the sides that count, d_i = S_i - O what they changed, w_i their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module

from openshelf.analysis.weights.merging.conflicts import MergeError
from openshelf.analysis.weights.merging.operands import Array
from openshelf.analysis.weights.merging.tiles import Tile, Work

Kernel = Callable[[Tile], Array]
"""The merged values of a tile, in ``held``; usually one of its scratch arrays."""


@dataclass(frozen=True, slots=True)
class Takes:
    """What ``prepare`` gives instead of a kernel where the result is one side, byte for byte."""

    side: int


@dataclass(frozen=True, slots=True)
class Aligned:
    """A kernel whose tiles must begin at a multiple of ``align`` elements: whole rows."""

    kernel: Kernel
    align: int


Prepared = Kernel | Takes | Aligned


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a method takes. Where ``default`` is None it may be left out, and ``help`` says what then."""

    default: float | None
    least: float
    most: float
    help: str


@dataclass(frozen=True, slots=True)
class Method:
    """``prepare`` is called once a tensor, with the sides that count.

    ``votes``: with three sides or more, one that changed nothing counts too. ``runs_alone``: also a tensor that one
    side alone changed is computed. ``statistics``: the kind that every side must bring. ``least`` and ``most``: sides
    that it can merge.
    """

    name: str
    title: str
    prepare: Callable[[Work], Prepared]
    needs_base: bool = True
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    votes: bool = False
    runs_alone: bool = False
    statistics: str | None = None
    least: int = 1
    most: int = 1_000
    shows_non_finite: bool = False
    """Whether a NaN or infinity in any operand always shows in the result, so that operands need no look beforehand."""
    symmetric: bool = True
    """Whether the order of the sides makes no difference, to the last bit."""

    def complete(self, given: Mapping[str, float]) -> dict[str, float]:
        """The parameters with defaults filled in. Raises MergeError for unknown ones and such as are out of bounds."""
        for name, value in given.items():
            known = self.parameters.get(name)
            if known is None:
                names = ", ".join(self.parameters) or "none"
                raise MergeError(f"{self.name} has no parameter {name!r}; it has: {names}")
            if not known.least <= value <= known.most:
                raise MergeError(
                    f"{name} of {self.name} is {value:g}; from {known.least:g} to {known.most:g} it may be"
                )
        defaults = {name: each.default for name, each in self.parameters.items() if each.default is not None}
        return {**defaults, **given}


_FAMILIES = ("linear", "spherical", "sparse", "stock", "statistical", "robust")
_OTHER_NAMES = {"dare": "dare-linear", "fedavg": "average", "norm-clipping": "norm-clip", "coordinate-median": "median"}
_loaded: dict[str, Method] = {}


def methods() -> Mapping[str, Method]:
    """All methods by name."""
    if not _loaded:
        for family in _FAMILIES:
            module = import_module(f"openshelf.analysis.weights.merging.methods.{family}")
            _loaded.update({found.name: found for found in module.METHODS})
    return _loaded


def method(name: str) -> Method:
    """The method of that name; ``_`` and capitals are forgiven, and so are usual other names. Raises MergeError."""
    plain = name.lower().replace("_", "-")
    found = methods().get(_OTHER_NAMES.get(plain, plain))
    if found is None:
        raise MergeError(f"there is no method {name!r}; there are: {', '.join(methods())}")
    return found
