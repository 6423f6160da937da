"""Where settings come from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from openshelf.errors import ConfigurationError
from openshelf.settings import FILE_NAME, load


def test_each_source_wins_over_the_one_before(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('port = 1\nhub_name = "File"\nworkers = 3\n')
    environment = {"OPENSHELF_DATA": str(tmp_path), "OPENSHELF_PORT": "2", "OPENSHELF_HUB_NAME": "Environment"}
    settings, values = load({"port": 5, "host": None}, environment)
    assert (settings.port, settings.hub_name, settings.workers, settings.host) == (5, "Environment", 3, "127.0.0.1")
    sources = {value.name: value.source for value in values}
    assert sources["port"] == "command line"
    assert sources["hub_name"] == "OPENSHELF_HUB_NAME"
    assert sources["workers"] == str(tmp_path / FILE_NAME)
    assert sources["host"] == "default"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "no setting called 'prot'"),
        ("port = 'x'", "port is 'x', but must be a whole number"),
        ("port = -1", "must be zero or more"),
        ("read_only = 'perhaps'", "must be true or false"),
        ("registration = 'all'", "must be one of open, invite, closed"),
        ("port = [", "cannot be read"),
        ("gc_grace_days = 3", "at least 22"),
        ("signed_url_seconds = 5", "at least 60"),
        ("public_url = 'hub.example'", "must begin with http"),
        ("port = 0", "between 1 and 65535"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load({"data": tmp_path}, {})


def test_every_setting_has_help() -> None:
    for value in load(environment={})[1]:
        assert value.help.endswith("."), value.name
        assert value.type_name
