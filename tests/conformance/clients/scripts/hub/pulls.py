"""Pull requests and discussions."""

from huggingface_hub.errors import HfHubHTTPError
from session import equal, noise, refused


def create_pull_request(s):
    """Commit to a new pull request"""
    large = noise(1_000_000, 1)
    name = s.repo({"a.txt": b"main"})
    done = s.api.upload_file(path_or_fileobj=b"better", path_in_repo="a.txt", repo_id=name, create_pr=True)
    equal((done.pr_revision, done.pr_num), ("refs/pr/1", 1))
    assert done.pr_url.endswith(f"{name}/discussions/1"), done.pr_url
    s.api.upload_file(path_or_fileobj=large, path_in_repo="w.bin", repo_id=name, revision="refs/pr/1")
    equal(s.download(name, "a.txt"), b"main")
    equal(s.download(name, "a.txt", revision="refs/pr/1"), b"better")
    assert s.download(name, "w.bin", revision="refs/pr/1") == large
    refs = s.api.list_repo_refs(name, include_pull_requests=True)
    equal([ref.ref for ref in refs.pull_requests], ["refs/pr/1"])
    equal(s.api.list_repo_refs(name).pull_requests, None)


def pull_request_by_reader(s):
    """A reader may propose a change"""
    name = s.repo({"a.txt": b"main"})
    large = noise(500_000, 2)
    done = s.other.upload_file(path_or_fileobj=b"mine", path_in_repo="a.txt", repo_id=name, create_pr=True)
    s.other.upload_file(path_or_fileobj=large, path_in_repo="w.bin", repo_id=name, create_pr=True)
    equal(s.api.get_discussion_details(name, done.pr_num).author, "bob")
    equal(s.download(name, "a.txt", revision="refs/pr/1"), b"mine")
    assert s.download(name, "w.bin", revision="refs/pr/2") == large
    with refused(HfHubHTTPError):
        s.other.merge_pull_request(name, 1)


def merge_pull_request(s):
    """Merge a pull request"""
    name = s.repo({"a.txt": b"main"})
    done = s.api.upload_file(
        path_or_fileobj=b"better", path_in_repo="a.txt", repo_id=name, create_pr=True, commit_message="Improve"
    )
    found = s.api.get_discussion_details(name, done.pr_num)
    equal((found.title, found.status, found.is_pull_request), ("Improve", "open", True))
    equal(found.target_branch, "refs/heads/main")
    s.api.merge_pull_request(name, done.pr_num, comment="Thank you")
    equal(s.api.get_discussion_details(name, done.pr_num).status, "merged")
    equal(s.download(name, "a.txt"), b"better")


def draft_pull_request(s):
    """Open a pull request without changes, then publish it"""
    name = s.repo({"a.txt": b"main"})
    opened = s.api.create_pull_request(name, title="To come", description="Soon.")
    equal((opened.num, opened.is_pull_request, opened.status), (1, True, "draft"))
    s.api.upload_file(path_or_fileobj=b"better", path_in_repo="a.txt", repo_id=name, revision="refs/pr/1")
    s.api.change_discussion_status(name, 1, "open")
    s.api.merge_pull_request(name, 1)
    equal(s.download(name, "a.txt"), b"better")


def discussions(s):
    """Discuss"""
    name = s.repo()
    opened = s.other.create_discussion(name, title="A question", description="Why?")
    equal((opened.num, opened.author, opened.status, opened.is_pull_request), (1, "bob", "open", False))
    comment = s.api.comment_discussion(name, 1, "**Because**")
    edited = s.api.edit_discussion_comment(name, 1, comment.id, "Because of this")
    equal((edited.content, edited.edited), ("Because of this", True))
    equal(s.api.rename_discussion(name, 1, "A good question").new_title, "A good question")
    equal(s.api.change_discussion_status(name, 1, "closed", comment="Done").new_status, "closed")
    details = s.api.get_discussion_details(name, 1)
    equal((details.title, details.status), ("A good question", "closed"))
    contents = [event.content for event in details.events if event.type == "comment"]
    assert {"Why?", "Because of this"} <= set(contents), contents
    s.api.create_pull_request(name, title="A change")
    equal([d.num for d in s.api.get_repo_discussions(name)], [2, 1])
    equal([d.num for d in s.api.get_repo_discussions(name, discussion_type="pull_request")], [2])
    equal([d.num for d in s.api.get_repo_discussions(name, discussion_status="closed")], [1])
    equal([d.num for d in s.api.get_repo_discussions(name, author="bob")], [1])
