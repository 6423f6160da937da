"""The table client x operation in docs/reference/clients.md, written from the outcomes of one run and nothing else.

``python -m pytest tests/conformance --publish-clients`` (``make conformance``) rewrites the page. A test adds its row
with the ``row`` fixture before it does anything, so a crash counts as a failure and not as silence.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from openshelf import __version__

PROPERTY = "conformance"
NOT_OFFERED = "not offered by this client"
NOT_IN_THE_HUB = "not in this hub"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "clients.md"
WORDS = {
    "passed": "yes",
    "failed": "**no**",
    "not offered": "not offered",
    "not in the hub": "not in the hub",
    "not run": "not run",
    "": "",
}


@dataclass
class Table:
    """Outcomes by family, then operation, then client; the order is that of the run."""

    cells: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)

    def add(self, report: pytest.TestReport) -> None:
        rows = [value for name, value in report.user_properties if name == PROPERTY]
        if report.when == "teardown" or (report.when == "setup" and report.passed):
            return
        for value in rows:
            family, client, operation = str(value).split("\n")
            outcome = _outcome(report)
            self.cells.setdefault(family, {}).setdefault(operation, {})[client] = outcome

    def page(self) -> str:
        parts = [_INTRODUCTION.format(hub=__version__, commit=_commit(), python=platform.python_version())]
        for family, operations in sorted(self.cells.items()):
            clients = _in_order(client for outcomes in operations.values() for client in outcomes)
            parts.append(f"## {family}\n")
            parts.append("| operation | " + " | ".join(clients) + " |")
            parts.append("|---|" + "---|" * len(clients))
            for operation in sorted(operations):
                words = [WORDS[operations[operation].get(client, "")] for client in clients]
                parts.append(f"| {operation} | " + " | ".join(words) + " |")
            parts.append("")
        return "\n".join(parts)


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(dict.fromkeys(names), reverse=True)


def _outcome(report: pytest.TestReport) -> str:
    if not report.skipped:
        return str(report.outcome)
    if NOT_IN_THE_HUB in str(getattr(report, "wasxfail", "")):
        return "not in the hub"
    return "not offered" if NOT_OFFERED in str(report.longrepr) else "not run"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=PAGE.parents[2], capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


_INTRODUCTION = """\
# Clients that work with the hub

Written by `make conformance` from the outcomes of its run; do not edit. Unmodified clients from PyPI and Debian ran
each operation against a live hub (Openshelf {hub}, commit {commit}, Python {python}) that they were pointed at by
`HF_ENDPOINT` or a URL, and the result was compared with what was expected, not only the exit code.

*yes*: the result was right. *no*: it was not. *not offered*: this version of the client has no such operation.
*not in the hub*: the hub answered that it does not offer this. *not run*: it needs something that the machine of the
run did not have. An empty cell: the operation is not one of this client.
"""


def _is_whole(config: pytest.Config) -> bool:
    chosen = config.option.keyword or config.option.markexpr or any(".py" in argument for argument in config.args)
    return not chosen


class Publisher:
    """The plugin that collects the outcomes where the session is controlled."""

    def __init__(self, publish: bool) -> None:
        self._publish = publish
        self.table = Table()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.table.add(report)

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
    ) -> None:
        outcomes = [o for ops in self.table.cells.values() for clients in ops.values() for o in clients.values()]
        if not outcomes:
            return
        counts = ", ".join(f"{outcomes.count(word)} {word}" for word in WORDS if word and word in outcomes)
        terminalreporter.write_line(f"client x operation: {counts}")
        if not self._publish:
            return
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not _is_whole(config):
            terminalreporter.write_line(f"{PAGE} is left as it was: this was not a whole run", red=True)
        else:
            PAGE.parent.mkdir(parents=True, exist_ok=True)
            PAGE.write_text(self.table.page(), encoding="utf-8")
            terminalreporter.write_line(f"wrote {PAGE}")
