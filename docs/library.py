"""The reference of the library, from the docstrings of all that ``openshelf`` names, and the list of formats."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from importlib import import_module
from types import FunctionType
from typing import Any

import msgspec

import openshelf
from openshelf.analysis.checkpoints.checkpoint import ModelFacts, Role
from openshelf.analysis.checkpoints.dtypes import BLOCK_TYPES, FLOATS
from openshelf.analysis.checkpoints.errors import NoSuchTensor, UnknownFormat, UnreadableValues
from openshelf.analysis.checkpoints.formats import formats

_WIDTH = 100
_INTRODUCTION = """# The library

`import openshelf` reads, compares and merges weights without a hub, and without the frameworks that wrote them. Nothing
in a file is executed or unpickled. What is named here is loaded when it is first used.

```python
import openshelf

with openshelf.open_checkpoint("my-model") as model:  # a path, owner/name@revision, or an address
    print(model.format, model.facts.parameters)
    for tensor in model:
        print(tensor.name, tensor.dtype, tensor.shape, tensor.file, tensor.offset)
    weights = model.array("model.norm.weight")  # a NumPy array, read now
```

Opening reads headers alone; over HTTP by ranges. Values are read when they are asked for, and where they lie in one
piece of a local file they are a view of it: do not write to them.

"""


_ALSO = (ModelFacts, UnknownFormat, UnreadableValues, NoSuchTensor)
"""What the names of the library give or raise, and where it lives."""


def library_page() -> str:
    """Every name of the library with its signature, fields, methods and docstring; then formats and types."""
    lines = [_INTRODUCTION]
    for name in sorted(openshelf.__all__, key=lambda name: (name[0].isupper(), name.lower())):
        if not name.startswith("__"):
            lines.append(_entry(f"openshelf.{name}", getattr(openshelf, name)))
    lines += [_entry(f"{value.__module__}.{value.__name__}", value) for value in _ALSO]
    return "".join([*lines, _formats(), _types()])


def _entry(name: str, value: Any) -> str:
    if inspect.isclass(value):
        return f"## `{name}`\n\n{_text(value)}\n\n{_fields(value)}{_methods(value)}"
    return f"## `{name}`\n\n{_signature(name.rpartition('.')[2], value)}{_text(value)}\n\n"


def _fields(value: type) -> str:
    if issubclass(value, msgspec.Struct):
        own = {name: value.__annotations__[name] for name in value.__struct_fields__}
    elif is_dataclass(value):
        own = {field.name: field.type for field in fields(value) if field.init and field.name[0] != "_"}
    else:
        return ""
    shown = [f"- `{name}: {kind}`\n" for name, kind in own.items()]
    return f"Fields:\n\n{''.join(shown)}\n"


def _methods(value: type) -> str:
    shown = []
    for name, member in vars(value).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property) and inspect.getdoc(member):
            shown.append(f"### `{value.__name__}.{name}`\n\n{_text(member)}\n\n")
        elif isinstance(member, FunctionType) and inspect.getdoc(member):
            shown.append(f"### `{value.__name__}.{name}`\n\n{_signature(name, member)}{_text(member)}\n\n")
    return "".join(shown)


def _signature(name: str, value: Any) -> str:
    signature = inspect.signature(value)
    shown: list[str] = []
    is_keyword = False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            shown, is_keyword = [*shown, "*"], True
        star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        shown.append(f"{star}{parameter.name}: {parameter.annotation}{default}")
    text = f"{name}({', '.join(shown)}) -> {signature.return_annotation}"
    if len(text) > _WIDTH:
        text = f"{name}(\n" + "".join(f"    {one},\n" for one in shown) + f") -> {signature.return_annotation}"
    return f"```python\n{text}\n```\n\n"


def _text(value: Any) -> str:
    return _plain(inspect.getdoc(value) or "")


def _plain(text: str) -> str:
    return text.replace("``", "`")


def _formats() -> str:
    """The formats, in the order in which content is tried; those of one reader together."""
    lines = ["## Formats\n\n", "Content decides which it is, never the name of the file.\n\n"]
    names: dict[str, list[str]] = {}
    for found in formats():
        names.setdefault(found.read.__module__, []).append(f"`{found.name}`")
    for module, own in names.items():
        lines.append(f"### {', '.join(own)}\n\n{_plain(inspect.getdoc(import_module(module)) or '')}\n\n")
    return "".join(lines)


def _types() -> str:
    floats = ", ".join(f"`{name}`" for name in sorted(FLOATS))
    blocks = ", ".join(f"`{name}`" for name in sorted(BLOCK_TYPES))
    roles = ", ".join(f"`{role.value}`" for role in Role)
    return (
        "## Types and roles\n\n"
        "Integers, `bool` and `complex64` bear the names that NumPy gives them, and so do floating-point numbers: "
        f"{floats}. `string` and `object` have no fixed width. Blocks of GGUF keep the names of ggml and come as "
        f"`float32`: {blocks}.\n\n"
        f"The role of a tensor is one of {roles}; only weights count as parameters.\n"
    )
