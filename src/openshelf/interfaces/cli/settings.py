"""``openshelf settings``: the values in force, and where each came from."""

from __future__ import annotations

from pathlib import Path

import click

from openshelf.interfaces.cli.context import data_option, json_option, load_settings, print_json


@click.command(
    epilog="A setting comes from the command line, else the environment (OPENSHELF_ and its name in capitals), else "
    "openshelf.toml in the data folder, else its default."
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@data_option
@json_option
def command(names: tuple[str, ...], data: Path | None, as_json: bool) -> None:
    """Show the settings in force and where each came from; all of them, or those named."""
    _, values = load_settings(data)
    known = {value.name for value in values}
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no setting called {name!r}; `openshelf settings` lists them.")
    chosen = [value for value in values if not names or value.name in names]
    if as_json:
        rows = [
            {
                "name": value.name,
                "value": _plain(value.value),
                "source": value.source,
                "default": _plain(value.default),
                "type": value.type_name,
                "help": value.help,
            }
            for value in chosen
        ]
        print_json(rows)
        return
    for value in chosen:
        click.echo(f"{value.name} = {_text(value.value)}")
        changed = "" if value.value == value.default else f"; the default is {_text(value.default)}"
        click.echo(f"    from {value.source}{changed}\n    {value.help}")


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return '""' if value == "" else str(value)
