"""git works for the hub with the hub's settings alone, whatever is pushed and whatever the environment says."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import httpx
import pytest

from openshelf.domain.repos import Repo
from openshelf.storage.repositories import processes
from tests.interfaces.conftest import World
from tests.interfaces.git.push_request import TYPE, ZERO, Report, body, pack_of, read_report
from tests.interfaces.git.working_copy import WorkingCopy


def _push(world: World, repo: Repo, copy: WorkingCopy, new: str, name: str, old: str = ZERO) -> Report:
    answer = httpx.post(
        f"{world.served.url}/{repo.url_path}.git/git-receive-pack",
        content=body([(old, new, name)], pack_of(copy, new)),
        headers={**TYPE, "authorization": f"Bearer {world.alice}"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return read_report(answer.content)


def _outside_of_objects(folder: Path) -> dict[str, str]:
    """Every file of a repository that is no object, with its checksum."""
    files = (path for path in folder.rglob("*") if path.is_file() and "objects" not in path.relative_to(folder).parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_git_sees_nothing_of_the_servers_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[alias]\nplanted = !touch planted\n")
    for name, value in (
        ("HOME", str(home)),
        ("XDG_CONFIG_HOME", str(home)),
        ("GIT_DIR", "/nonexistent"),
        ("GIT_CONFIG_PARAMETERS", "'core.fsmonitor=/bin/false'"),
        ("GIT_SSH_COMMAND", "/bin/false"),
        ("GIT_EXTERNAL_DIFF", "/bin/false"),
        ("OPENSHELF_DATA", "a secret place"),
        ("LD_PRELOAD", ""),
    ):
        monkeypatch.setenv(name, value)
    subprocess.run(["git", "init", "-q", "--bare", "r.git"], cwd=tmp_path, env=processes.environment(), check=True)
    seen = processes.run(["config", "--list", "--show-origin"], tmp_path / "r.git").decode()
    assert "planted" not in seen
    assert "fsmonitor" not in seen
    assert "core.hookspath=/dev/null" in seen
    assert processes.run(["rev-parse", "--git-dir"], tmp_path / "r.git").strip() == b"."
    given = processes.environment()
    assert not {"GIT_DIR", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "OPENSHELF_DATA", "LD_PRELOAD"} & given.keys()
    assert "a secret place" not in given.values()


def test_nothing_pushed_becomes_a_setting_or_a_hook(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    folder = world.hub.storage.repositories.path(repo.id)
    copy = here.clone(world.remote(repo), "copy")
    before = _outside_of_objects(folder)
    planted = f"#!/bin/sh\ntouch {here.folder}/planted\n"
    files: dict[str, str | bytes] = {
        "config": "[core]\nfsmonitor = /bin/false\n",
        "hooks/pre-receive": planted,
        "hooks/post-update": planted,
        ".gitattributes": "* filter=planted diff=planted\n",
        ".lfsconfig": "[lfs]\nurl = https://evil.example\n",
    }
    copy.commit_files(files)
    copy.git("push", "-q")
    again = here.clone(world.remote(repo), "again")
    assert (again.folder / "config").exists()
    after = _outside_of_objects(folder)
    moved = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert not {name for name in moved if not name.startswith(("refs/", "logs/", "packed-refs"))}, moved
    assert not (here.folder / "planted").exists()


@pytest.mark.parametrize(
    "name",
    [
        "config",
        "HEAD",
        "hooks/post-update",
        "objects/info/alternates",
        "refs/heads/../../config",
        "refs/heads/../main",
        "refs/heads/a//b",
        "refs/heads/@{u}",
        "refs/heads/a..b",
        "refs/heads/--upload-pack=x",
        "refs/heads/a\x01b",
        "refs/heads/a\\b",
        "refs/heads/main.lock",
        "refs/heads/.hidden",
        "refs/replace/" + "1" * 40,
        "refs/pr/1",
        "/etc/passwd",
    ],
)
def test_refs_that_git_would_not_send_are_refused(world: World, here: WorkingCopy, name: str) -> None:
    repo = world.repo()
    folder = world.hub.storage.repositories.path(repo.id)
    copy = here.clone(world.remote(repo), "copy")
    new = copy.commit(a="1")
    before = _outside_of_objects(folder)
    report = _push(world, repo, copy, new, name)
    assert report.refs.get(name), report
    assert _outside_of_objects(folder) == before


@pytest.mark.parametrize(
    "what", ["twice", "unsorted", "nothing", "padded", "modules", "modules-link", "slash", "huge-mode"]
)
def test_trees_that_no_git_writes_are_refused(world: World, here: WorkingCopy, what: str) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    blob = copy.git("hash-object", "-w", "--stdin", stdin="x")
    hostile = copy.git(
        "hash-object", "-w", "--stdin", stdin='[submodule "x"]\n\tpath = x\n\turl = --upload-pack=evil\n'
    )
    link = copy.git("hash-object", "-w", "--stdin", stdin="../../.git/config")
    entries = {
        "twice": [("100644", blob, "a"), ("100644", blob, "a")],
        "unsorted": [("100644", blob, "b"), ("100644", blob, "a")],
        "nothing": [("100644", ZERO, "a")],
        "padded": [("0100644", blob, ".git")],
        "modules": [("100644", hostile, ".gitmodules")],
        "modules-link": [("120000", link, ".gitmodules")],
        "slash": [("100644", blob, "a/b")],
        "huge-mode": [("177777777777100644", blob, "a")],
    }[what]
    content = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(oid) for mode, oid, name in entries)
    made = subprocess.run(
        ["git", "hash-object", "-w", "-t", "tree", "--stdin", "--literally"],
        cwd=copy.folder,
        env=copy.environment(),
        input=content,
        capture_output=True,
        check=True,
    )
    commit = copy.git("commit-tree", made.stdout.decode().strip(), "-p", "HEAD", "-m", "raw")
    head = world.hub.storage.repositories.open(repo.id).resolve("main").commit
    said = copy.try_git("push", "origin", f"{commit}:refs/heads/bad")
    assert not said.ok, said.output
    assert world.hub.storage.repositories.open(repo.id).resolve("main").commit == head
    assert "refs/heads/bad" not in world.hub.storage.repositories.open(repo.id).targets()
