"""Goes through what a pickle describes and names what it finds: keys, indices and attributes joined by dots.

Values may share parts and refer to themselves, so the walk has a depth, and a part without finds is seen once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from openshelf.analysis.checkpoints.checkpoint import Role
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.pickles.values import MAX_LOOKED_AT, Collection, Opaque, Pairs, Reference, Value

Found = TypeVar("Found")

MAX_DEPTH = 150
MAX_VISITS = 3_000_000
MAX_FOUND = 500_000
MAX_NAMES = 32 * 1024 * 1024
MAX_VALUES = 500
MAX_OBJECTS = 1000
_DICTS = frozenset(
    ("collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict", "collections.Counter")
)
_OPTIMIZER = re.compile(r"(?i:optim|opt_state|lr_schedul|grad_scaler|loss_scaler)")
_RANDOM = re.compile(r"(?i:(\w+_)?rng)")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something of the kind that is looked for, of which no more can be said than ``reason``."""

    reason: str


@dataclass(slots=True)
class Walk(Generic[Found]):
    """``recognise`` says of a node what it is, None where it is to be gone into; ``file`` is for errors.

    ``found`` gets names, roles and finds; ``values`` plain leaves of dicts and lists; ``objects`` the objects met.
    """

    file: str
    recognise: Callable[[Opaque | Reference], Found | Unknown | None]
    attribute_role: Callable[[Opaque, str, Value, Role], Role] | None = None
    found: list[tuple[str, Role, Found]] = field(default_factory=list)
    values: dict[str, bool | int | float | str] = field(default_factory=dict)
    objects: dict[str, Opaque] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _names: dict[str, int] = field(default_factory=dict)
    _path: set[int] = field(default_factory=set)
    _known: dict[int, Found] = field(default_factory=dict)
    _barren: set[int] = field(default_factory=set)
    _visits: int = 0
    _letters: int = 0

    def go(self, value: Value, name: str = "", role: Role = Role.WEIGHT, *, is_plain: bool = True) -> bool:
        """Whether anything was found. Raises UnreadableCheckpoint where there is too much to go through."""
        if isinstance(value, (Opaque, Reference)):
            what = self._known.get(id(value)) or self.recognise(value)
            if isinstance(what, Unknown):
                self.problem(f"{name or 'the value'}: {what.reason}")
                return True
            if what is not None:
                self._known[id(value)] = what
                self._keep(name or "tensor", role, what)
                return True
        if value is None or isinstance(value, (bool, int, float, str)):
            if is_plain and name and value is not None:
                self._leaf(name, value)
            return False
        return self._into(value, name, role, is_plain)

    def _into(self, value: Value, name: str, role: Role, is_plain: bool) -> bool:
        if id(value) in self._path or id(value) in self._barren or not isinstance(value, _CONTAINERS):
            return False
        if len(self._path) >= MAX_DEPTH:
            self.problem(f"{name[:100]}: it is nested more than {MAX_DEPTH} deep and not looked into further")
            return True
        if isinstance(value, Opaque) and value.name not in _DICTS:
            is_plain = False
            if len(self.objects) < MAX_OBJECTS:
                self.objects.setdefault(name, value)
        self._path.add(id(value))
        some = False
        for part, child, child_role in _children(value, role):
            self._visits += 1
            if self._visits > MAX_VISITS:
                raise UnreadableCheckpoint(self.file, f"it describes more than {MAX_VISITS:,} values in each other")
            if self.attribute_role is not None and isinstance(value, Opaque):
                child_role = self.attribute_role(value, part, child, child_role)
            if child is not None:
                some |= self.go(child, f"{name}.{part}" if name else part, child_role, is_plain=is_plain)
        self._path.discard(id(value))
        if not some:
            self._barren.add(id(value))
        return some

    def _keep(self, name: str, role: Role, what: Found) -> None:
        times = self._names.get(name, 0)
        self._names[name] = times + 1
        if times:
            while f"{name}#{times + 1}" in self._names:
                times += 1
            self._names[name] = times + 1
            self.problem(
                f"the name {name[:200]!r} stands for several values; number {times + 1} is called #{times + 1}"
            )
            name = f"{name}#{times + 1}"
            self._names[name] = 1
        self._letters += len(name)
        if len(self.found) >= MAX_FOUND or self._letters > MAX_NAMES:
            raise UnreadableCheckpoint(self.file, f"it describes more than {MAX_FOUND:,} tensors, or too long names")
        self.found.append((name, role, what))

    def _leaf(self, name: str, value: bool | int | float | str) -> None:
        if len(self.values) < MAX_VALUES and len(name) < 200:
            is_short = not isinstance(value, str) or len(value) <= 1000
            is_small = not isinstance(value, int) or abs(value) < 1 << 64
            if is_short and is_small:
                self.values.setdefault(name, str(value) if isinstance(value, str) else value)

    def problem(self, reason: str) -> None:
        if len(self.problems) < 100:
            self.problems.append(reason[:500])


_CONTAINERS = (Opaque, Pairs, list, tuple, Collection)


def _children(value: Value, role: Role) -> Iterator[tuple[str, Value, Role]]:
    if isinstance(value, (list, tuple)):
        yield from ((str(number), child, role) for number, child in enumerate(value))
    elif isinstance(value, Collection):
        yield from ((str(number), child, role) for number, child in enumerate(value.items))
    elif isinstance(value, Pairs):
        yield from _of_pairs(value.pairs, role)
    elif isinstance(value, Opaque):
        yield from _of_object(value, role)


def _of_pairs(pairs: list[tuple[Value, Value]], role: Role) -> Iterator[tuple[str, Value, Role]]:
    keys = {text(key): number for number, (key, _) in enumerate(pairs) if isinstance(key, str)}
    if "param_groups" in keys and "state" in keys:
        role = Role.OPTIMIZER
    for number, (key, child) in enumerate(pairs):
        called = text(key) if isinstance(key, (str, int, float)) else f"key{number}"
        # Of two equal keys a dict keeps the later value.
        if keys.get(called, number) == number or not isinstance(key, str):
            yield called, child, _role(called, role)


def text(key: str | float) -> str:
    """A key of a dict as a part of a name."""
    return key[:4096] if type(key) is str else str(key)[:4096]


def _role(part: str, role: Role) -> Role:
    if role is Role.WEIGHT and _OPTIMIZER.match(part):
        return Role.OPTIMIZER
    return Role.STATE if role is Role.WEIGHT and _RANDOM.match(part) else role


def _of_object(value: Opaque, role: Role) -> Iterator[tuple[str, Value, Role]]:
    is_dict = value.name in _DICTS
    if is_dict and isinstance(value.args, tuple) and value.args and isinstance(value.args[-1], list):
        pairs = [pair for pair in value.args[-1] if isinstance(pair, (tuple, list)) and len(pair) == 2]
        yield from _of_pairs([(pair[0], pair[1]) for pair in pairs], role)
    if value.pairs is not None:
        yield from _of_pairs(value.pairs.pairs, role)
    if value.items is not None:
        yield from ((str(number), child, role) for number, child in enumerate(value.items))
    if is_dict:
        return
    for state in value.states or ():
        yield from _of_state(state, role)
    if isinstance(value.args, tuple):
        yield from ((f"args.{number}", child, role) for number, child in enumerate(value.args))


def _of_state(state: Value, role: Role) -> Iterator[tuple[str, Value, Role]]:
    if isinstance(state, tuple) and len(state) == 2 and all(isinstance(one, (Pairs, type(None))) for one in state):
        for part in state:
            yield from _of_state(part, role)
    elif isinstance(state, Pairs):
        yield from _of_module(state, role) if _is_module(state) else _of_pairs(state.pairs, role)
    elif state is not None:
        yield "state", state, role


def _is_module(state: Pairs) -> bool:
    if len(state.pairs) > MAX_LOOKED_AT:
        return False
    names = {key for key, _ in state.pairs if isinstance(key, str)}
    return {"_parameters", "_buffers", "_modules"} <= names


_HOOKS = re.compile(r"_(parameters|buffers|modules|non_persistent_buffers_set|\w*hooks\w*|is_full_backward_hook)\Z")


def _of_module(state: Pairs, role: Role) -> Iterator[tuple[str, Value, Role]]:
    """What ``Module.state_dict()`` of torch lists, by its names, then whatever else the module holds."""
    yield from _entries(state.get("_parameters"), role)
    passing = _texts(state.get("_non_persistent_buffers_set"))
    for name, child, _ in _entries(state.get("_buffers"), role):
        yield name, child, Role.STATE if name in passing and role is Role.WEIGHT else role
    yield from _entries(state.get("_modules"), role)
    others = [pair for pair in state.pairs if not (isinstance(pair[0], str) and _HOOKS.match(pair[0]))]
    yield from _of_pairs(others, Role.STATE if role is Role.WEIGHT else role)


def _entries(value: Value, role: Role) -> Iterator[tuple[str, Value, Role]]:
    if isinstance(value, (Pairs, Opaque)):
        yield from _children(value, role)


def _texts(value: Value) -> set[str]:
    items: Value = value.items if isinstance(value, Collection) else None
    if isinstance(value, Opaque):
        given = value.args[0] if isinstance(value.args, tuple) and value.args else None
        items = value.items or given
    return {str(item) for item in items if isinstance(item, str)} if isinstance(items, list) else set()
