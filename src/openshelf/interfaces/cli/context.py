"""What commands share: the data folder, the open hub, output for people and for scripts, progress bars."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from openshelf import settings as settings_module
from openshelf.settings import Settings, SettingValue

T = TypeVar("T")


data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The data folder. [default: OPENSHELF_DATA, else ./var]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def load_settings(data: Path | None, **overrides: Any) -> tuple[Settings, tuple[SettingValue, ...]]:
    """The effective settings, and logging set up by them (commands log warnings and worse)."""
    from openshelf.interfaces import logs

    settings, values = settings_module.load({"data": data, **overrides})
    logs.configure(replace(settings, log_level="warning") if settings.log_level == "info" else settings)
    return settings, values


@contextmanager
def opened_hub(data: Path | None, *, create: bool = False) -> Iterator[Any]:
    """The hub in the data folder, closed at the end. Raises ConfigurationError where there is none."""
    from openshelf.app import open_hub

    settings, _ = load_settings(data)
    hub = open_hub(settings, create=create)
    try:
        yield hub
    finally:
        hub.storage.close()


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns of text, each as wide as its widest value."""
    texts = [tuple(header), *(tuple("" if value is None else str(value) for value in row) for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    for row in texts:
        line = "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def track(label: str, items: Sequence[T]) -> Iterator[T]:
    """``items`` with a progress bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty() or not items:
        yield from items
        return
    with click.progressbar(items, label=label, file=sys.stderr, show_pos=True) as bar:
        yield from bar
