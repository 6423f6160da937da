"""``openshelf settings``, ``gc``, ``fsck``, ``backup``, ``restore``, ``doctor`` and ``jobs``."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from openshelf.app import open_hub
from openshelf.domain.names import RepoKind
from openshelf.domain.tree import AddBlob, Blob
from openshelf.interfaces.cli.main import HUB, main
from openshelf.services import accounts, jobs, push, repos
from openshelf.services.stored import record_whole
from openshelf.settings import Settings
from tests.interfaces.cli.commands import Commands


@pytest.fixture
def stored(commands: Commands) -> Blob:
    """A blob that a repo of ada's names."""
    hub = open_hub(Settings(data=commands.data))
    try:
        actor = accounts.actor_of(hub, accounts.find(hub, "ada"))
        repo = repos.create(hub, actor, RepoKind.MODEL, "model")
        writer = hub.storage.blobs.writer()
        writer.write(b"weights" * 100)
        blob = writer.keep()
        record_whole(hub, repo, blob)
        push.commit(hub, actor, repo, "main", [AddBlob("a.bin", blob.sha256, blob.size)], "add")
        return blob
    finally:
        hub.storage.close()


def test_settings_say_where_they_come_from(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    (commands.data / "openshelf.toml").write_text('hub_name = "Our shelf"\n')
    monkeypatch.setenv("OPENSHELF_PORT", "9000")
    shown = {row["name"]: row for row in commands.try_run("settings", "--json").json}
    assert (shown["hub_name"]["value"], shown["hub_name"]["source"]) == (
        "Our shelf",
        str(commands.data / "openshelf.toml"),
    )
    assert (shown["port"]["value"], shown["port"]["source"]) == (9000, "OPENSHELF_PORT")
    assert shown["data"]["source"] == "command line"
    assert shown["workers"]["source"] == "default"
    text = commands.run("settings", "port")
    assert "port = 9000" in text
    assert "the default is 8000" in text
    assert "hub_name" not in text
    assert "no setting called" in commands.fail("settings", "colour", code=2)


def test_a_wrong_setting_is_said(commands: Commands) -> None:
    (commands.data / "openshelf.toml").write_text("colour = 1\n")
    assert "there is no setting called 'colour'" in commands.fail("fsck", code=2)


def test_gc_changes_nothing_unless_told(commands: Commands, stored: Blob) -> None:
    assert "nothing to remove" in commands.run("gc")
    counted = commands.try_run("gc", "--json").json
    assert (counted["dry_run"], counted["blobs"]) == (True, 0)
    assert commands.try_run("gc", "--run", "--json").json["dry_run"] is False


def test_fsck_finds_and_its_exit_code_says_so(commands: Commands, stored: Blob) -> None:
    assert "agree" in commands.run("fsck")
    assert commands.try_run("fsck", "--json", "--deep").json["clean"] is True
    path = commands.data / "blobs" / stored.sha256[:2] / stored.sha256[2:4] / stored.sha256
    path.write_bytes(b"w" * stored.size)
    assert commands.try_run("fsck").code == 0
    said = commands.try_run("fsck", "--deep")
    assert (said.code, "LOST" in said.out) == (1, True)
    path.unlink()
    problems = commands.try_run("fsck", "--json", "--repair").json["problems"]
    assert [(problem["kind"], problem["lost"]) for problem in problems] == [("blob", True)]


def test_fsck_that_cannot_run(commands: Commands) -> None:
    shutil.rmtree(commands.data)
    assert "could not run" in commands.fail("fsck", code=2)


@pytest.mark.parametrize("name", ["copy", "copy.tar"])
def test_a_backup_is_restored_and_verified(commands: Commands, stored: Blob, tmp_path: Path, name: str) -> None:
    target = tmp_path / "elsewhere" / name
    made = commands.try_run("backup", str(target), "--json").json
    assert (made["repositories"], made["objects"], made["copied_bytes"]) == (1, 1, stored.size)
    again = Commands(tmp_path / "restored")
    assert "agree" in again.run("restore", str(target))
    assert (
        again.try_run("admin", "user", "list", "--json").json
        == commands.try_run("admin", "user", "list", "--json").json
    )
    assert "is not empty" in again.fail("restore", str(target))
    assert list((tmp_path / "elsewhere").iterdir()) == [target]
    if name.endswith(".tar"):
        assert "is there already" in commands.fail("backup", str(target))
    else:
        assert "copied 0 objects" in commands.run("backup", str(target))


def test_a_damaged_backup_is_not_called_whole(commands: Commands, stored: Blob, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    commands.run("backup", str(target))
    (copy,) = (target / "blobs").glob(f"??/??/{stored.sha256}")
    copy.write_bytes(b"w" * stored.size)
    said = Commands(tmp_path / "restored").try_run("restore", str(target))
    assert (said.code, "another sha256" in said.out) == (1, True)
    torn = tmp_path / "torn.tar"
    torn.write_bytes(b"no archive")
    assert "not a whole backup" in Commands(tmp_path / "third").fail("restore", str(torn), code=2)


def test_doctor_tells_a_healthy_installation(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPENSHELF_PORT", str(probe.getsockname()[1]))
    found = commands.try_run("doctor", "--json")
    names = {finding["name"]: finding["state"] for finding in found.json["findings"]}
    assert found.code == 0, found.out
    for name in ("python", "git", "sqlite", "data folder", "secret key", "catalogue", "server"):
        assert names[name] == "ok", found.out


@pytest.fixture
def taken_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setenv("OPENSHELF_PORT", str(port))
        yield port


def test_doctor_tells_what_is_wrong(commands: Commands, taken_port: int) -> None:
    (commands.data / "secret.key").chmod(0o644)
    commands.data.chmod(0o755)
    (commands.data / "catalogue.db").write_bytes(b"no database" * 1000)
    said = commands.try_run("doctor")
    assert said.code == 1
    for text in ("others may read it", "chmod 600", "every user of this machine", "cannot be read", str(taken_port)):
        assert text in said.out, said.out


def test_doctor_without_a_data_folder(tmp_path: Path, taken_port: int) -> None:
    nowhere = Commands(tmp_path / "nowhere")
    assert "is none yet" in nowhere.try_run("doctor").out
    assert not nowhere.data.exists()


@pytest.mark.parametrize("arguments", [("worker",), ("gc", "--run"), ("fsck", "--repair")])
def test_a_hub_that_is_read_only_is_left_as_it_is(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("OPENSHELF_READ_ONLY", "true")
    assert "read-only" in commands.fail(*arguments, code=2 if arguments[0] == "fsck" else 1)


def test_jobs_without_a_worker(commands: Commands) -> None:
    assert "Nothing waits" in commands.run("jobs")
    assert "no job" in commands.fail("jobs", "retry", "some:job:1")
    hub = open_hub(Settings(data=commands.data))
    try:
        jobs.enqueue(hub, "repack", "x", {"repo_id": "x"})
    finally:
        hub.storage.close()
    assert commands.try_run("jobs", "--json").json == {"outbox": 1, "jobs": []}


def test_help_is_there_for_every_command() -> None:
    context = click.Context(main, info_name="openshelf")
    for name in main.list_commands(context):
        done = CliRunner().invoke(main, [name, "--help"])
        assert done.exit_code == 0, name
        said = ("--data", "COMMAND") if name in HUB else ("Examples", "--json", "COMMAND")
        assert any(word in done.output for word in said), name
        assert name in CliRunner().invoke(main, ["--help"]).output
