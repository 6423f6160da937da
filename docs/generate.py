"""Writes the reference pages from the code itself: settings, commands, the JSON API, the library.

``python docs/generate.py`` rewrites them, ``--check`` says which are out of date and exits with 1.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from library import library_page

from openshelf import settings as settings_module
from openshelf.analysis.weights.merging.methods.method import methods
from openshelf.analysis.weights.merging.recipe_file import SCHEMA
from openshelf.app import open_hub
from openshelf.interfaces.asgi import build
from openshelf.interfaces.cli.main import main as command_line
from openshelf.settings import Settings

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/generate.py; change the code, then run `make docs`. -->\n\n"


def settings_page() -> str:
    """Every setting: name, values, default, help."""
    lines = [
        "# Settings\n\n",
        "A setting comes from the command line, else the environment (`OPENSHELF_` and its name in capitals), else ",
        "`openshelf.toml` in the data folder, else its default. `openshelf settings` shows the values in force and ",
        "where each came from.\n\n",
    ]
    _, values = settings_module.load(environment={})
    for value in values:
        default = f"`{value.default}`" if value.default != "" else "empty"
        lines += [
            f"## `{value.name}`\n\n{value.help}\n\n",
            f"Value: {value.type_name}. Default: {default}. Environment: `OPENSHELF_{value.name.upper()}`.\n\n",
        ]
    return "".join(lines)


def commands_page() -> str:
    """The help text of every command."""
    lines = ["# Commands\n\n", "`openshelf COMMAND --help` shows the same on the terminal.\n\n"]
    for path, command in _commands(command_line, "openshelf"):
        context = click.Context(command, info_name=path, max_content_width=100)
        lines.append(f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n\n")
    return "".join(lines)


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in sorted(command.list_commands(context)):
            below = command.get_command(context, name)
            if below is not None:
                yield from _commands(below, f"{path} {name}")


def api_page() -> str:
    """Every route of the OpenAPI description."""
    with tempfile.TemporaryDirectory() as folder:
        hub = open_hub(Settings(data=Path(folder)))
        try:
            description = build(hub).openapi()
        finally:
            hub.storage.close()
    lines = [
        "# JSON API\n\n",
        "A running hub serves this description at `/openapi.json` and as a page at `/docs/api`. `{kind}` is one of ",
        'models, datasets, spaces, kernels. Errors are `{"error": message}` with a status, and `X-Error-Code` where ',
        "clients know one.\n\n",
    ]
    by_tag: dict[str, list[str]] = {}
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            tag = operation.get("tags", ["other"])[0]
            by_tag.setdefault(tag, []).append(_operation(method, path, operation))
    for tag, entries in sorted(by_tag.items()):
        lines += [f"## {tag.capitalize()}\n\n", *entries]
    return "".join(lines)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    text = f"### `{method.upper()} {path}`\n\n{operation.get('summary', '').rstrip('.')}.\n\n"
    description = operation.get("description", "").strip()
    if description:
        text += f"{description}\n\n"
    parameters = [p for p in operation.get("parameters", []) if p["in"] == "query"]
    if parameters:
        text += "Query: " + ", ".join(f"`{parameter['name']}`" for parameter in parameters) + ".\n\n"
    return text


def merge_recipe_page() -> str:
    """The schema of merge recipes, and every method with its formula."""
    lines = [
        "# Merge recipes\n\n",
        "A recipe is YAML of at most 4 MiB. It says everything that decides a merged value: `openshelf merge --recipe ",
        "FILE --out DIR`, or `openshelf.merge(recipe=FILE, out=DIR)`. Every merge writes its own as ",
        "`openshelf-merge.yaml` beside the weights; its text without paths is also in the metadata of the safetensors ",
        "files, as `openshelf_merge`. A key that is not listed here is refused, with its line. How to use it: ",
        "[merge models](../how-to/merge-models.md).\n\n",
    ]
    for name, keys in SCHEMA.items():
        lines.append(f"## {_PARTS[name]}\n\n")
        lines += [f"- `{key}`: {said}\n" for key, said in keys.items()]
        lines.append("\n")
    lines += [
        "## Methods\n\n",
        "O is the base, S_i are the sides that count, d_i = S_i - O what they changed, w_i their weights. Arithmetic ",
        "is in float32 (float64 for tensors of float64), rounded once to the type of the output, to nearest, ties to ",
        "even. Norms, angles and thresholds are of one tensor each.\n\n",
    ]
    for found in methods().values():
        lines.append(f"### `{found.name}`\n\n{found.title}. {_formula(found.prepare)}\n\n")
        for name, each in found.parameters.items():
            default = "" if each.default is None else f" Default: {each.default:g}."
            lines.append(f"- `{name}`: {each.help}, from {each.least:g} to {each.most:g}.{default}\n")
        notes = [
            "It needs the base." if found.needs_base else "It needs no base.",
            "The order of the sides makes no difference, to the last bit." if found.symmetric else "",
            "With three sides or more, one that changed nothing counts too." if found.votes else "",
        ]
        lines.append(f"\n{' '.join(note for note in notes if note)}\n\n")
    return "".join(lines)


def _formula(prepare: Callable[..., Any]) -> str:
    """The docstring of a method: its first line is the formula."""
    first, *rest = (inspect.getdoc(prepare) or "").split("\n\n")
    formula, dot, source = first.partition(". ")
    text = " ".join(" ".join([source, *rest]).split()).replace("``", "`")
    return f"`{' '.join(formula.replace('``', '').split()).rstrip('.')}`" + (f". {text}" if dot or rest else ".")


_PARTS = {
    "recipe": "The recipe", "source": "A source", "side": "A side", "rule": "A rule", "thresholds": "Thresholds",
    "file": "A file of a source",
}  # fmt: skip
PAGES: dict[str, Callable[[], str]] = {
    "merge-recipe.md": merge_recipe_page,
    "settings.md": settings_page,
    "commands.md": commands_page,
    "api.md": api_page,
    "library.md": library_page,
}


# Every new reader changes it, so that branches would stand in each other's way: tests/unit/test_library_page.py.
CHECKED_BY_TESTS = ("library.md",)


def main(arguments: list[str]) -> int:
    stale = []
    for name, render in PAGES.items():
        if "--check" in arguments and name in CHECKED_BY_TESTS:
            continue
        path, text = REFERENCE / name, _NOTE + render().rstrip() + "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    if "--check" in arguments and stale:
        print(f"out of date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
