"""What the pages for operators show exists: commands, settings, metrics, addresses, units."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from dataclasses import fields
from pathlib import Path

import click
import pytest
from prometheus_client import REGISTRY
from tests.hubs import client_of, make_hub

from openshelf.interfaces.cli.main import main
from openshelf.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "how-to").glob("*.md"))
_METRIC = re.compile(r"\bopenshelf_[a-z_]+\b")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_exist_with_their_options(page: Path) -> None:
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for words in re.findall(r"(?:^|-- |/bin/)openshelf ([a-z][^|;&#<>]*)", line):
                _check(words.split(), line)


def _check(words: list[str], line: str) -> None:
    command: click.Command = main
    context = click.Context(main)
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            assert command.invoke_without_command, f"no such command: {line}"
            break
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known | {"--help"}, f"{command.name} has no {word}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_settings_exist(page: Path) -> None:
    known = {field.name for field in fields(Settings)}
    for block in blocks(page, "toml") + re.findall(r"<<'TOML'\n(.*?)TOML", page.read_text(), re.S):
        assert set(tomllib.loads(block)) <= known, page.name


def test_metrics_exist(tmp_path: Path) -> None:
    hub = make_hub(tmp_path)
    said = client_of(hub).get("/metrics").text
    hub.storage.close()
    known = set(re.findall(r"^([a-z_]+)[{ ]", said, re.M)) | {
        sample.name for family in REGISTRY.collect() for sample in family.samples
    }
    known |= {f"{family.name}_bucket" for family in REGISTRY.collect() if family.type == "histogram"}
    known |= {f"{family.name}_total" for family in REGISTRY.collect() if family.type == "counter"}
    for page in (DOCS / "how-to" / "watch.md", DOCS / "how-to" / "grafana-dashboard.json"):
        shown = set(_METRIC.findall(page.read_text()))
        assert shown
        assert shown <= known, (page.name, shown - known)


def test_the_dashboard_can_be_imported() -> None:
    board = json.loads((DOCS / "how-to" / "grafana-dashboard.json").read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) > 5
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert all(target["expr"] for target in panel["targets"]), panel["title"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    (unit,) = blocks(DOCS / "how-to" / "install-as-a-service.md", "ini")
    program = tmp_path / "openshelf"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    file = tmp_path / "openshelf-trial.service"
    file.write_text(unit.replace("/opt/openshelf/bin/openshelf", str(program)))
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, timeout=60)
    about_it = [line for line in done.stderr.splitlines() if "openshelf-trial" in line]
    assert not about_it


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), target
