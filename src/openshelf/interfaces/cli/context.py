"""What commands share: the data folder, the open hub, output for people and for scripts, progress bars."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openshelf import settings as settings_module
from openshelf.settings import Settings, SettingValue

if TYPE_CHECKING:
    from openshelf.services.hub import Hub


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
def opened_hub(data: Path | None, *, create: bool = False) -> Iterator[Hub]:
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


class Progress:
    """Called as ``progress(what, number, total)``: a bar on standard error, where that is a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._label = ""
        self._bar: Any = None

    def __call__(self, label: str, number: int, total: int) -> None:
        if not self._shown:
            return
        if label != self._label:
            self.finish()
            self._label = label
            self._bar = click.progressbar(
                length=max(total, 1), label=label.capitalize(), file=sys.stderr, show_pos=True
            )
        self._bar.length = max(total, number, 1)
        self._bar.update(number - self._bar.pos)

    def finish(self) -> None:
        """End the bar, so that the next line begins at the left."""
        if self._bar is not None:
            self._bar.finish()
            self._bar.render_finish()
            self._bar = None


@contextmanager
def progress_bar() -> Iterator[Progress]:
    progress = Progress()
    try:
        yield progress
    finally:
        progress.finish()
