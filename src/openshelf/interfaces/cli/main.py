"""``openshelf``: the group of all commands. Each is loaded only when it is asked for, so that help comes at once."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NoReturn

import click

from openshelf import __version__
from openshelf.errors import ConfigurationError, OpenshelfError

HUB = {
    "serve": "Start the hub.",
    "worker": "Run background jobs in a process of their own.",
    "admin": "Users, organisations, tokens, quotas and invitations.",
    "jobs": "What runs in the background, and what failed.",
    "doctor": "Find what is wrong with the installation, and say how to mend it.",
    "fsck": "Prove that refs, catalogue and stored bytes agree.",
    "scrub": "Read again all that is stored, and say what is damaged.",
    "gc": "Remove bytes that nothing refers to any more.",
    "backup": "Copy the data folder while the hub runs.",
    "restore": "Make a data folder from a backup, and verify it.",
    "maintenance": "Print the page that a proxy shows while the hub is down.",
    "settings": "Show the settings in force and where each came from.",
}
MODELS = {
    "inspect": "List the tensors of a model, without running it.",
    "diff": "Say what changed between two models, tensor by tensor.",
    "merge": "Make one model of several that descend from another.",
    "convert": "Write the weights of a model in another format.",
    "delta": "Make, apply and show what turns one model into another.",
}
_COMMANDS = HUB | MODELS


class Commands(click.Group):
    """Loads ``openshelf.interfaces.cli.NAME`` for the command NAME."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        found: click.Command = import_module(f"openshelf.interfaces.cli.{cmd_name}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in (("Commands of the hub", HUB), ("Commands for models, with or without a hub", MODELS)):
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            _fail(error.message, 2)
        except OpenshelfError as error:
            _fail(error.message, 1)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            where = f"{error.filename}: " if error.filename else ""
            _fail(f"{where}{error.strerror or error}", 1)


def _fail(message: str, exit_code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    raise click.exceptions.Exit(exit_code)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command of the hub takes --data DIR, or OPENSHELF_DATA, and works beside a running server.",
)
@click.version_option(__version__, prog_name="openshelf")
def main() -> None:
    """Openshelf: a home for models, datasets and code that you run yourself."""
