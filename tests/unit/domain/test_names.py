"""Names and paths: what may be, and what may not."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.domain.names import (
    RepoId,
    RepoKind,
    check_account_name,
    check_path,
    check_ref_name,
    check_repo_name,
    pull_number,
)
from openshelf.errors import InvalidName, InvalidPath


@pytest.mark.parametrize("name", ["m", "gpt-2", "a_b.c", "Model1", "x" * 90, "0.5B"])
def test_repo_names_that_may_be(name: str) -> None:
    check_repo_name("alice", name)


@pytest.mark.parametrize(
    "name",
    ["", "-a", ".a", "a.", "a-", "a--b", "a..b", "a.git", "A.GIT", "a b", "a/b", "ä", "x" * 91, "a\n", "a.ipynb"],
)
def test_repo_names_that_may_not_be(name: str) -> None:
    with pytest.raises(InvalidName, match="cannot name a repository"):
        check_repo_name("alice", name)


@pytest.mark.parametrize("name", ["alice", "open-lab", "A1", "x" * 42])
def test_account_names_that_may_be(name: str) -> None:
    check_account_name(name)


@pytest.mark.parametrize("name", ["a", "api", "Models", "settings", "a--b", "-ab", "ab-", "a.b", "x" * 43, "a_b"])
def test_account_names_that_may_not_be(name: str) -> None:
    with pytest.raises(InvalidName, match="cannot name a user"):
        check_account_name(name)


@pytest.mark.parametrize("path", ["README.md", "a/b/c.txt", "ü/ñ 文件.bin", ".gitattributes", "a" * 255, "..a", "a..b"])
def test_paths_that_may_be(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/./b",
        "..\\ddd",
        ".git/config",
        "a/.GIT/x",
        ".git ",
        "GIT~1/x",
        "a\0b",
        "a\nb",
        "C:x",
        "a" * 256,
        "/".join("a" * 65),
        "\ud800",
    ],
)
def test_paths_that_may_not_be(path: str) -> None:
    with pytest.raises(InvalidPath, match="cannot be the path of a file"):
        check_path(path)


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_a_clear_refusal(text: str) -> None:
    try:
        check_path(text)
    except InvalidPath as error:
        assert repr(text) in error.message
    else:
        assert not text.startswith("/")
        assert not {"", ".", ".."} & set(text.split("/"))


@given(st.text(alphabet="ab/.-_@{~^:?*[\\ \x7f", min_size=1, max_size=12))
def test_ref_names_follow_git(name: str) -> None:
    theirs = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False).returncode == 0
    try:
        check_ref_name(name)
        ours = True
    except InvalidName:
        ours = False
    # We refuse more than git does, never less.
    assert theirs or not ours


def test_kinds_are_read_in_both_numbers() -> None:
    assert RepoKind.of("datasets") is RepoKind.of("dataset") is RepoKind.DATASET
    assert RepoKind.of(None) is RepoKind.MODEL
    with pytest.raises(InvalidName, match="use one of model, dataset, space, kernel"):
        RepoKind.of("bucket")


def test_repo_ids() -> None:
    assert RepoId.parse("Alice/Model").key == "alice/model"
    for text in ("gpt2", "a/b/c"):
        with pytest.raises(InvalidName, match="owner/name"):
            RepoId.parse(text)


@pytest.mark.parametrize(
    ("ref", "number"), [("refs/pr/1", 1), ("refs/pr/0", None), ("refs/pr/x", None), ("pr/1", None)]
)
def test_pull_numbers(ref: str, number: int | None) -> None:
    assert pull_number(ref) == number
