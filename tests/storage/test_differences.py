"""What differs between two commits: complete, in bounds, and right to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openshelf.domain.diff import FileStatus, WithoutLines, apply_hunks, split_lines
from openshelf.domain.tree import AddBlob, AddInline, Change, DeleteFile
from openshelf.storage.repositories import GitRepository, Repositories
from openshelf.storage.repositories.differences import MAX_LISTED, Bounds, compare, compare_texts
from openshelf.storage.repositories.file_history import file_history
from openshelf.storage.repositories.repository import Author
from openshelf.storage.repositories.standing import Distance, count_only_in, distance, only_in

AUTHOR = Author("alice", "alice@example.org")
LINES = st.lists(
    st.one_of(st.sampled_from([b"a\n", b"b\n", b"a\r\n", b"\n", b"  a\n", "\u202e\n".encode()]), st.binary(max_size=6)),
    max_size=30,
).map(b"".join)


@pytest.fixture
def git(tmp_path: Path) -> GitRepository:
    repositories = Repositories(tmp_path)
    repositories.create("r1")
    return repositories.open("r1")


def commit(git: GitRepository, parent: str | None, *changes: Change) -> str:
    return git.write_commit(parent, changes, AUTHOR, "m\n", at=1_700_000_000)


@given(LINES, LINES)
@example(b"", b"a")
@example(b"a\n", b"a")
@example(b"a\r\nb\xff\n", b"a\nb\xfe\0\n")
@settings(max_examples=400, deadline=None)
def test_a_diff_applied_to_the_old_text_gives_the_new_one(old: bytes, new: bytes) -> None:
    hunks = compare_texts(old, new)
    assert apply_hunks(old, hunks) == new
    assert b"".join(split_lines(old)) == old
    for hunk in hunks:
        assert hunk.old_count == sum(line.sign != "+" for line in hunk.lines)
        assert hunk.new_count == sum(line.sign != "-" for line in hunk.lines)
        lines, came = split_lines(old), split_lines(new)
        for line in hunk.lines:
            assert line.old is None or lines[line.old - 1] == line.content or line.sign == "+"
            assert line.new is None or came[line.new - 1] == line.content or line.sign == "-"


def test_hunks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="line 1"):
        apply_hunks(b"x\n", compare_texts(b"a\n", b"b\n"))


def test_every_kind_of_change(git: GitRepository) -> None:
    one = commit(
        git,
        None,
        AddInline("gone.txt", b"bye\n"),
        AddInline("same.txt", b"same\n"),
        AddInline("moved.txt", b"".join(b"line %d\n" % n for n in range(50))),
        AddInline("text.txt", b"one\ntwo\n"),
        AddInline("raw.bin", b"\0\1"),
        AddBlob("weights.bin", "ab" * 32, 5_000_000),
    )
    moved = b"".join(b"line %d\n" % n for n in range(49))
    two = commit(
        git,
        one,
        DeleteFile("gone.txt"),
        DeleteFile("moved.txt"),
        AddInline("folder/moved.txt", moved),
        AddInline("text.txt", b"one\n2\nthree\n"),
        AddInline("raw.bin", b"\0\2\3"),
        AddBlob("weights.bin", "cd" * 32, 6_000_000),
        AddInline("new.txt", b"hello"),
    )
    diff = compare(git, one, two, Bounds())
    files = {file.path: file for file in diff.files}
    assert list(files) == ["folder/moved.txt", "gone.txt", "new.txt", "raw.bin", "text.txt", "weights.bin"]
    assert diff.total == 6
    assert diff.counts_all
    assert (files["folder/moved.txt"].status, files["folder/moved.txt"].removed) == (FileStatus.RENAMED, 1)
    assert files["folder/moved.txt"].old is not None
    assert files["folder/moved.txt"].old.path == "moved.txt"
    assert (files["gone.txt"].status, files["gone.txt"].new) == (FileStatus.DELETED, None)
    assert (files["new.txt"].status, files["new.txt"].added) == (FileStatus.ADDED, 1)
    assert files["raw.bin"].without is WithoutLines.BINARY
    assert (files["text.txt"].added, files["text.txt"].removed) == (2, 1)
    assert files["weights.bin"].without is WithoutLines.OUTSIDE_GIT
    assert files["weights.bin"].grown_bytes == 1_000_000
    root = compare(git, None, one, Bounds())
    assert {file.status for file in root.files} == {FileStatus.ADDED}
    assert root.total == 6
    only = compare(git, one, two, Bounds(), path="moved.txt")
    assert [file.path for file in only.files] == ["folder/moved.txt"]
    some = compare(git, one, two, Bounds(), first=2, limit=2)
    assert ([file.path for file in some.files], some.total, some.counts_all) == (["new.txt", "raw.bin"], 6, False)


def test_pointers_that_look_alike_are_no_rename(git: GitRepository) -> None:
    one = commit(git, None, AddBlob("a.bin", "ab" * 32, 5_000_000), AddBlob("keep.bin", "ef" * 32, 7))
    two = commit(git, one, DeleteFile("a.bin"), AddBlob("b.bin", "ab" * 31 + "ac", 5_000_000))
    assert [file.status for file in compare(git, one, two, Bounds()).files] == [FileStatus.DELETED, FileStatus.ADDED]
    three = commit(git, one, DeleteFile("a.bin"), AddBlob("b.bin", "ab" * 32, 5_000_000))
    (moved,) = compare(git, one, three, Bounds()).files
    assert (moved.status, moved.without) == (FileStatus.RENAMED, WithoutLines.NO_CHANGE)


def test_whitespace_can_be_passed_over(git: GitRepository) -> None:
    one = commit(git, None, AddInline("a.py", b"if x:\n  y\n"), AddInline("b.py", b"a\n"))
    two = commit(git, one, AddInline("a.py", b"if x:\n    y\n"), AddInline("b.py", b"b\n"))
    assert [file.added for file in compare(git, one, two, Bounds()).files] == [1, 1]
    seen = compare(git, one, two, Bounds(), ignore_whitespace=True).files
    assert [file.without for file in seen] == [WithoutLines.NO_CHANGE, None]


def test_bounds_hold(git: GitRepository) -> None:
    many = b"".join(b"%d\n" % n for n in range(5000))
    files = [AddInline(f"f{n}.txt", many) for n in range(4)]
    one = commit(git, None, *files, AddInline("long.json", b"[" + b"1," * 600_000 + b"1]"))
    diff = compare(git, None, one, Bounds(lines=2000, lines_a_file=1500, file_bytes=1_000_000))
    assert [(len(f.hunks[0].lines) if f.hunks else 0, f.is_cut, f.without) for f in diff.files] == [
        (1500, True, None),
        (500, True, None),
        (0, False, WithoutLines.LIMIT),
        (0, False, WithoutLines.LIMIT),
        (0, False, WithoutLines.LARGE),
    ]
    assert diff.files[0].added == 5000
    spent = compare(git, None, one, Bounds(seconds=-1))
    assert {file.without for file in spent.files} == {WithoutLines.LIMIT, WithoutLines.LARGE}


def test_hostile_text_is_kept_byte_for_byte(git: GitRepository) -> None:
    hostile = b"def \xff\xfe(\x1b[31m):\n" + b"x" * 400_000 + b"\n" * 20 + "\u202e\u2028".encode() + b"\r\r\n\xff\n"
    one = commit(git, None, AddInline("a.py", hostile))
    two = commit(git, one, AddInline("a.py", hostile + b"tail"))
    (file,) = compare(git, one, two, Bounds()).files
    assert apply_hunks(hostile, file.hunks) == hostile + b"tail"
    (whole,) = compare(git, None, one, Bounds()).files
    assert apply_hunks(b"", whole.hunks) == hostile


def test_a_commit_of_very_many_files_is_counted(git: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openshelf.storage.repositories.differences.MAX_LISTED", 30)
    one = commit(git, None, *(AddInline(f"{n:03}", b"") for n in range(40)))
    diff = compare(git, None, one, Bounds(), limit=10)
    assert (diff.total, diff.has_more, len(diff.files)) == (30, True, 10)
    assert MAX_LISTED >= 10_000


def test_the_history_of_a_file_follows_its_names_and_goes_on_where_it_stopped(git: GitRepository) -> None:
    body = b"the same\n" * 30
    tips = [commit(git, None, AddInline("old.txt", body), AddInline("b.txt", b"0"))]
    for number in range(1, 8):
        tips.append(commit(git, tips[-1], AddInline("b.txt", b"%d" % number)))
    tips.append(commit(git, tips[-1], DeleteFile("old.txt"), AddInline("folder/new.txt", body)))
    tips.append(commit(git, tips[-1], AddInline("folder/new.txt", body + b"more\n")))
    tips.append(commit(git, tips[-1], DeleteFile("folder/new.txt")))
    found = file_history(git, tips[-1], "folder/new.txt")
    assert [(change.commit.id, change.path, change.is_gone, change.was) for change in found.changes] == [
        (tips[-1], "folder/new.txt", True, ""),
        (tips[-2], "folder/new.txt", False, ""),
        (tips[-3], "folder/new.txt", False, "old.txt"),
        (tips[0], "old.txt", False, ""),
    ]
    assert found.is_whole
    part = file_history(git, tips[-1], "folder/new.txt", most=4)
    assert ([change.path for change in part.changes], part.path, part.is_whole) == (
        ["folder/new.txt"] * 3,
        "old.txt",
        False,
    )
    rest = file_history(git, tips[-1], part.path, walked=part.walked)
    assert [change.commit.id for change in rest.changes] == [tips[0]]
    assert rest.is_whole
    assert [change.commit.id for change in file_history(git, tips[-1], "folder").changes] == tips[:-4:-1]
    assert file_history(git, tips[-1], "never").changes == ()


def test_how_far_branches_are_from_each_other(git: GitRepository) -> None:
    one = commit(git, None, AddInline("a", b"1"))
    two = commit(git, one, AddInline("a", b"2"))
    three = commit(git, one, AddInline("b", b"1"))
    four = commit(git, three, AddInline("b", b"2"))
    assert distance(git, four, two) == Distance(2, 1)
    assert distance(git, two, two) == Distance(0, 0)
    assert [found.id for found in only_in(git, four, [two], 10)] == [four, three]
    assert [found.id for found in only_in(git, four, [two], 1)] == [four]
    assert count_only_in(git, four, [two, three]) == 1
