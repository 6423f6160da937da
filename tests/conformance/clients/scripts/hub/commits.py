"""Commits, branches, tags and history."""

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError
from session import equal, noise, refused


def create_commit(s):
    """One commit that adds, deletes and copies"""
    large = noise(1_000_000, 1)
    name = s.repo({"gone.txt": b"x", "folder/a.txt": b"x", "folder/b.txt": b"x", "w.bin": large})
    before = s.api.model_info(name).sha
    done = s.api.create_commit(
        name,
        [
            CommitOperationAdd("new.txt", b"new"),
            CommitOperationDelete("gone.txt"),
            CommitOperationDelete("folder/"),
            CommitOperationCopy("w.bin", "copy.bin"),
        ],
        commit_message="Rearrange",
        commit_description="All at once.",
    )
    equal(sorted(s.api.list_repo_files(name)), [".gitattributes", "copy.bin", "new.txt", "w.bin"])
    assert s.download(name, "copy.bin") == large
    last = s.api.list_repo_commits(name)[0]
    equal((last.commit_id, last.title, last.message), (done.oid, "Rearrange", "All at once."))
    assert "gone.txt" in s.api.list_repo_files(name, revision=before)


def copy_small_file(s):
    """Copy a small file from another revision"""
    name = s.repo({"a.txt": b"first"})
    first = s.api.model_info(name).sha
    s.api.upload_file(path_or_fileobj=b"second", path_in_repo="a.txt", repo_id=name)
    s.api.create_commit(name, [CommitOperationCopy("a.txt", "b.txt", src_revision=first)], commit_message="Copy")
    equal(s.download(name, "b.txt"), b"first")


def delete_file(s):
    """Delete files and folders"""
    name = s.repo({"a.txt": b"a", "d/b.txt": b"b", "d/c.txt": b"c", "e/f.log": b"f", "e/g.txt": b"g"})
    s.api.delete_file("a.txt", name)
    s.api.delete_folder("d", name)
    s.api.delete_files(name, ["*.log"])
    equal(sorted(s.api.list_repo_files(name)), [".gitattributes", "e/g.txt"])
    with refused(EntryNotFoundError):
        s.api.delete_file("a.txt", name)


def parent_commit(s):
    """A commit on a stale parent is refused"""
    name = s.repo()
    first = s.api.model_info(name).sha
    done = s.api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=name, parent_commit=first)
    with refused(HfHubHTTPError, "The branch was updated since you opened this page", 412):
        s.api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id=name, parent_commit=first)
    s.api.upload_file(path_or_fileobj=b"3", path_in_repo="a.txt", repo_id=name, parent_commit=done.oid)
    equal(s.download(name, "a.txt"), b"3")


def commit_to_missing_branch(s):
    """A commit to a missing branch is refused"""
    name = s.repo()
    with refused(RevisionNotFoundError):
        s.api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=name, revision="nowhere")


def branches(s):
    """Make and remove branches"""
    name = s.repo({"a.txt": b"1"})
    first = s.api.model_info(name).sha
    s.api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id=name)
    s.api.create_branch(name, branch="old", revision=first)
    s.api.create_branch(name, branch="with/slash")
    equal(s.download(name, "a.txt", revision="old"), b"1")
    with refused(HfHubHTTPError, "Reference refs/heads/old already exists", 409):
        s.api.create_branch(name, branch="old")
    s.api.create_branch(name, branch="old", exist_ok=True)
    equal({b.name for b in s.api.list_repo_refs(name).branches}, {"main", "old", "with/slash"})
    s.api.delete_branch(name, branch="old")
    equal({b.name for b in s.api.list_repo_refs(name).branches}, {"main", "with/slash"})
    with refused(HfHubHTTPError):
        s.api.delete_branch(name, branch="main")
    with refused(HfHubHTTPError):
        s.api.delete_branch(name, branch="old")


def tags(s):
    """Make and remove tags"""
    name = s.repo({"a.txt": b"1"})
    first = s.api.model_info(name).sha
    s.api.create_tag(name, tag="v1", tag_message="First")
    s.api.create_branch(name, branch="dev")
    s.api.create_tag(name, tag="v2", revision="dev")
    s.api.create_tag(name, tag="v3", revision=first[:7])
    s.api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id=name)
    for tag in ("v1", "v2", "v3"):
        equal(s.download(name, "a.txt", revision=tag), b"1")
        equal(s.api.model_info(name, revision=tag).sha, first)
    with refused(HfHubHTTPError, status=409):
        s.api.create_tag(name, tag="v1")
    s.api.create_tag(name, tag="v1", exist_ok=True)
    with refused(RevisionNotFoundError):
        s.api.create_tag(name, tag="v4", revision="nowhere")
    equal({t.name for t in s.api.list_repo_refs(name).tags}, {"v1", "v2", "v3"})
    s.api.delete_tag(name, tag="v1")
    equal({t.name for t in s.api.list_repo_refs(name).tags}, {"v2", "v3"})
    with refused(RevisionNotFoundError):
        s.api.delete_tag(name, tag="v1")


def history(s):
    """List refs and commits"""
    name = s.repo()
    for number in range(4):
        s.api.upload_file(
            path_or_fileobj=b"%d" % number, path_in_repo="a.txt", repo_id=name, commit_message=f"Change {number}"
        )
    commits = s.api.list_repo_commits(name, formatted=True)
    equal([c.title for c in commits], ["Change 3", "Change 2", "Change 1", "Change 0", "initial commit"])
    assert all(c.authors == [s.user] and len(c.commit_id) == 40 for c in commits)
    assert commits[0].formatted_title, "no formatted title"
    assert commits[0].created_at >= commits[1].created_at
    refs = s.api.list_repo_refs(name)
    equal(
        [(b.name, b.ref, b.target_commit) for b in refs.branches], [("main", "refs/heads/main", commits[0].commit_id)]
    )
    equal(
        [c.title for c in s.api.list_repo_commits(name, revision=commits[3].commit_id)], ["Change 0", "initial commit"]
    )
    with refused(RevisionNotFoundError):
        s.api.list_repo_commits(name, revision="nowhere")


def super_squash(s):
    """Squash the history"""
    name = s.repo({"a.txt": b"1"})
    s.api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id=name)
    s.api.super_squash_history(name, commit_message="All in one")
    equal([c.title for c in s.api.list_repo_commits(name)], ["All in one"])
    equal(s.download(name, "a.txt"), b"2")


def wrong_paths(s):
    """Paths that leave the repo are refused"""
    name = s.repo()
    for path in ("..\\evil", ".git/config", "a/.git/hooks/x"):
        with refused((HfHubHTTPError, ValueError)):
            add = CommitOperationAdd("fine.txt", b"x")
            add.path_in_repo = path
            s.api.create_commit(name, [add], commit_message="No")
    equal(s.api.list_repo_files(name), [".gitattributes"])
