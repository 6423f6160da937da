"""What is asked of the `hf` command; each docstring is a row of the published table."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from .hf_command import HfCommand

LARGE = random.Random(7).randbytes(1_500_000)


def auth_whoami(hf: HfCommand) -> None:
    """`hf auth whoami`"""
    output = hf("auth", "whoami")
    assert "alice" in output
    assert "shelf" in output


def auth_login(hf: HfCommand) -> None:
    """`hf auth login --token`, `logout`"""
    token = hf.environment.pop("HF_TOKEN")
    hf("auth", "login", "--token", token)
    assert "alice" in hf("auth", "whoami")
    assert "laptop" in hf("auth", "list")
    hf("auth", "logout")
    hf("auth", "login", "--token", "hf_" + "x" * 34, fails=True)


def repos_create(hf: HfCommand) -> None:
    """`hf repos create`"""
    name, private = hf.name(), hf.name()
    hf(hf.repo_command, "create", name)
    assert hf.view.info(name)["private"] is False
    hf(hf.repo_command, "create", private, "--private", "--repo-type", "dataset")
    assert hf.view.info(private, "dataset")["private"] is True
    hf(hf.repo_command, "create", name, fails=True)
    hf(hf.repo_command, "create", name, "--exist-ok")
    flag = "--space_sdk" if hf.version < (1, 0) else "--space-sdk"
    space = hf.name()
    hf(hf.repo_command, "create", space, "--repo-type", "space", flag, "static")
    assert hf.view.info(space, "space")["sdk"] == "static"


def repos_list(hf: HfCommand) -> None:
    """`hf repos list`"""
    hf.need("repos", "list")
    name = hf.repo(private=True)
    assert name in hf("repos", "list", "--search", name, "--json")


def repos_move(hf: HfCommand) -> None:
    """`hf repos move`"""
    hf.need("repos", "move")
    old, new = hf.repo({"a.txt": b"a"}), hf.name()
    hf("repos", "move", old, new)
    assert hf.view.info(new)["id"] == new
    assert hf.view.read(old, "a.txt") == b"a"


def repos_settings(hf: HfCommand) -> None:
    """`hf repos settings`"""
    hf.need("repos", "settings")
    name = hf.repo()
    hf("repos", "settings", name, "--private")
    assert hf.view.info(name)["private"] is True


def repos_delete(hf: HfCommand) -> None:
    """`hf repos delete`"""
    hf.need("repos", "delete")
    name = hf.repo()
    hf("repos", "delete", name, *(["--yes"] if hf.version >= (1, 19) else []))
    assert not hf.view.exists(name)


def repos_duplicate(hf: HfCommand) -> None:
    """`hf repos duplicate`"""
    hf.need("repos", "duplicate")
    source, target = hf.repo({"a.txt": b"a"}), hf.name()
    hf("repos", "duplicate", source, target)
    assert hf.view.read(target, "a.txt") == b"a"


def repos_branch(hf: HfCommand) -> None:
    """`hf repos branch`"""
    hf.need("repos", "branch", "create")
    name = hf.repo()
    hf("repos", "branch", "create", name, "dev")
    assert set(hf.view.refs(name)["branches"]) == {"main", "dev"}
    hf("repos", "branch", "delete", name, "dev")
    assert set(hf.view.refs(name)["branches"]) == {"main"}


def repos_tag(hf: HfCommand) -> None:
    """`hf repos tag`"""
    name = hf.repo({"a.txt": b"a"})
    hf(hf.repo_command, "tag", "create", name, "v1", "-m", "First")
    assert hf.view.refs(name)["tags"] == {"v1": hf.view.info(name)["sha"]}
    assert "v1" in hf(hf.repo_command, "tag", "list", name)
    hf(hf.repo_command, "tag", "delete", name, "v1", "-y")
    assert hf.view.refs(name)["tags"] == {}


def delete_files(hf: HfCommand) -> None:
    """`hf repos delete-files`"""
    name = hf.repo({"a.txt": b"a", "b.log": b"b", "c/d.log": b"d"})
    command = ["repo-files", "delete"] if hf.version < (1, 0) else ["repos", "delete-files"]
    hf(*command, name, "*.log")
    assert set(hf.view.files(name)) == {".gitattributes", "a.txt"}


def upload_file(hf: HfCommand) -> None:
    """`hf upload` a file; the repo is made"""
    name = hf.name()
    hf.write("w.safetensors", LARGE)
    output = hf("upload", name, "w.safetensors")
    assert name in output
    assert hf.view.files(name)["w.safetensors"]["lfs"]["size"] == len(LARGE)
    assert hf.view.read(name, "w.safetensors") == LARGE
    hf("upload", name, "w.safetensors", "deep/er.bin", "--commit-message", "Once more")
    assert hf.view.commits(name)[0]["title"] == "Once more"
    assert hf.view.read(name, "deep/er.bin") == LARGE


def upload_folder(hf: HfCommand) -> None:
    """`hf upload` a folder, with patterns"""
    for path in ("x/a.txt", "x/sub/b.json", "x/c.log", "x/w.bin"):
        hf.write(path, LARGE if path.endswith("bin") else path.encode())
    name = hf.repo({"old.log": b"old"}, kind="dataset")
    hf("upload", name, "x", ".", "--repo-type", "dataset", "--exclude", "*.log", "--delete", "*.log")
    assert set(hf.view.files(name, "dataset")) == {".gitattributes", "a.txt", "sub/b.json", "w.bin"}
    assert hf.view.read(name, "w.bin", "dataset") == LARGE


def upload_pull_request(hf: HfCommand) -> None:
    """`hf upload --create-pr`, `--revision`"""
    name = hf.repo({"a.txt": b"a"})
    hf.write("b.txt", b"b")
    hf("upload", name, "b.txt", "--create-pr")
    assert hf.view.read(name, "b.txt", revision="refs/pr/1") == b"b"
    assert "b.txt" not in hf.view.files(name)
    hf("upload", name, "b.txt", "c.txt", "--revision", "refs/pr/1")
    assert hf.view.read(name, "c.txt", revision="refs/pr/1") == b"b"


def upload_large_folder(hf: HfCommand) -> None:
    """`hf upload-large-folder`"""
    hf.need("upload-large-folder")
    for number in range(5):
        hf.write(f"x/{number}.txt", b"%d" % number)
    hf.write("x/w.bin", LARGE)
    name = hf.repo()
    hf("upload-large-folder", name, "x", "--repo-type", "model", "--num-workers", "2", "--no-report")
    assert len(hf.view.files(name)) == 7
    assert hf.view.read(name, "w.bin") == LARGE


def download(hf: HfCommand) -> None:
    """`hf download`"""
    name = hf.repo({"a.txt": b"a", "sub/b.json": b"{}", "sub/c.txt": b"c"})
    output = hf("download", name, "a.txt", *(["--quiet"] if hf.version < (2, 0) else ["--format", "quiet"]))
    path = Path(output.strip().splitlines()[-1])
    assert path.read_bytes() == b"a", output
    hf("download", name, "--include", "*.json", "--local-dir", "here")
    found = {str(p.relative_to(hf.folder / "here")) for p in (hf.folder / "here").rglob("*.*") if p.is_file()}
    assert {path for path in found if not path.startswith(".cache")} == {"sub/b.json"}
    hf("download", name, "--revision", hf.view.info(name)["sha"], "--local-dir", "all")
    assert (hf.folder / "all/sub/c.txt").read_bytes() == b"c"


def download_dataset(hf: HfCommand) -> None:
    """`hf download --repo-type dataset`, large"""
    name = hf.repo(kind="dataset")
    hf.write("w.bin", LARGE)
    hf("upload", name, "w.bin", "--repo-type", "dataset")
    hf("download", name, "--repo-type", "dataset", "--local-dir", "here")
    assert (hf.folder / "here/w.bin").read_bytes() == LARGE


def download_missing(hf: HfCommand) -> None:
    """`hf download` says what is missing"""
    name = hf.repo(private=True)
    assert "not found" in hf("download", name, "nowhere.txt", fails=True).lower()
    hf("download", hf.name(), fails=True)
    hf.environment["HF_TOKEN"] = hf.hub.people.bob
    hf("download", name, fails=True)


def copy(hf: HfCommand) -> None:
    """`hf cp`"""
    hf.need("cp")
    name = hf.repo({"a.txt": b"a"})
    hf.write("up.bin", LARGE)
    hf("cp", "up.bin", f"hf://{name}/up.bin")
    assert hf.view.read(name, "up.bin") == LARGE
    hf("cp", f"hf://{name}/a.txt", "down.txt")
    assert (hf.folder / "down.txt").read_bytes() == b"a"


def copy_between_repos(hf: HfCommand) -> None:
    """`hf cp` from repo to repo"""
    hf.need("cp")
    name, other = hf.repo(), hf.repo()
    hf.write("up.bin", LARGE)
    hf("upload", name, "up.bin")
    hf("cp", f"hf://{name}/up.bin", f"hf://{other}/copied.bin")
    assert hf.view.read(other, "copied.bin") == LARGE


def models_info(hf: HfCommand) -> None:
    """`hf models info`, `list`, `hf datasets info`"""
    hf.need("models", "info")
    name = hf.repo({"README.md": b"---\nlicense: mit\n---\n# x\n"})
    dataset = hf.repo(kind="dataset")
    assert name in hf("models", "info", name, "--json")
    assert name in hf("models", "list", "--search", name.split("/")[1], "--json")
    assert dataset in hf("datasets", "info", dataset, "--json")


def discussions(hf: HfCommand) -> None:
    """`hf discussions`"""
    hf.need("discussions", "create")
    name = hf.repo({"a.txt": b"a"})
    hf("discussions", "create", name, "--title", "A question", "--body", "Why?")
    assert "A question" in hf("discussions", "list", name)
    hf("discussions", "comment", name, "1", "--body", "Because")
    hf("discussions", "close", name, "1", "--yes")
    hf.write("b.txt", b"b")
    hf("upload", name, "b.txt", "--create-pr")
    hf("discussions", "merge", name, "2", "--yes")
    assert hf.view.read(name, "b.txt") == b"b"


def cache_verify(hf: HfCommand) -> None:
    """`hf cache verify`"""
    hf.need("cache", "verify")
    name = hf.repo({"a.txt": b"a"})
    hf.write("w.bin", LARGE)
    hf("upload", name, "w.bin")
    hf("download", name)
    hf("cache", "verify", name, "--fail-on-missing-files")
    assert name in hf("cache", "list", *(["--no-truncate"] if hf.version >= (2, 0) else []))


OPERATIONS: list[Callable[[HfCommand], None]] = [
    found
    for name, found in list(globals().items())
    if callable(found) and getattr(found, "__module__", "") == __name__ and not name.startswith("_")
]
