"""What is asked of git and git-lfs; each docstring is a row of the published table."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from .git_client import Git, address, need_lfs
from .hub_view import HubView
from .live_hub import LiveHub

LARGE = random.Random(8).randbytes(2_000_000)


@dataclass
class Desk:
    """A person at work with git."""

    hub: LiveHub
    view: HubView
    git: Git

    def repo(self, files: dict[str, bytes] | None = None, kind: str = "model", private: bool = False) -> str:
        name = f"alice/git-{uuid.uuid4().hex[:10]}"
        self.view.create(name, kind, private)
        if files:
            self.view.upload(name, files, kind)
        return name

    def url(self, name: str, kind: str = "model", token: str | None = None) -> str:
        return address(self.hub, name, token or self.hub.people.alice, kind)

    def clone(self, name: str, folder: str = "clone", *options: str, kind: str = "model", lfs: bool = False) -> Git:
        return self.git.clone(self.url(name, kind), folder, *options, lfs=lfs)


def clone(d: Desk) -> None:
    """git: clone, with and without `.git`, anonymously"""
    name = d.repo({"a.txt": b"a", "sub/ü.txt": "ü".encode()})
    for number, url in enumerate((d.url(name), d.url(name) + ".git", address(d.hub, name))):
        copy = d.git.clone(url, f"clone{number}")
        assert (copy.read("a.txt"), copy.read("sub/ü.txt")) == (b"a", "ü".encode())
        assert copy("rev-parse", "HEAD").strip() == d.view.info(name)["sha"]
        copy("fsck", "--strict")


def clone_dataset(d: Desk) -> None:
    """git: clone datasets and spaces"""
    for kind in ("dataset", "space"):
        name = d.repo({"a.txt": kind.encode()}, kind=kind)
        assert d.clone(name, kind, kind=kind).read("a.txt") == kind.encode()


def push(d: Desk) -> None:
    """git: push"""
    name = d.repo({"a.txt": b"a"})
    copy = d.clone(name)
    oid = copy.commit({"b.txt": b"b", "sub/c.txt": b"c"}, "Add b and c")
    copy("push", "-q", "origin", "main")
    assert d.view.info(name)["sha"] == oid
    assert d.view.read(name, "sub/c.txt") == b"c"
    first = d.view.commits(name)[0]
    assert (first["title"], first["id"]) == ("Add b and c", oid)


def push_then_upload(d: Desk) -> None:
    """git: push and upload in turn; a stale push is refused"""
    name = d.repo({"a.txt": b"a"})
    copy = d.clone(name)
    d.view.upload(name, {"b.txt": b"b"})
    copy.commit({"c.txt": b"c"})
    assert "rejected" in copy("push", "origin", "main", fails=True)
    copy("pull", "-q", "--rebase", "origin", "main")
    copy("push", "-q", "origin", "main")
    d.view.upload(name, {"d.txt": b"d"})
    copy("pull", "-q", "origin", "main")
    assert {".gitattributes", "a.txt", "b.txt", "c.txt", "d.txt"} == set(d.view.files(name))
    assert copy.read("d.txt") == b"d"


def push_much(d: Desk) -> None:
    """git: push many small files (a chunked request)"""
    name = d.repo()
    copy = d.clone(name)
    copy("config", "http.postBuffer", "65536")
    noise = random.Random(9)
    copy.commit({f"d{n % 10}/{n}.txt": base64.b64encode(noise.randbytes(3000)) for n in range(500)})
    copy("push", "-q", "origin", "main")
    assert len(d.view.files(name)) == 501


def branches_and_tags(d: Desk) -> None:
    """git: push and delete branches and tags"""
    name = d.repo({"a.txt": b"a"})
    copy = d.clone(name)
    copy("checkout", "-q", "-b", "feature/x")
    oid = copy.commit({"b.txt": b"b"})
    copy("tag", "v1")
    copy("tag", "-a", "v2", "-m", "Second")
    copy("push", "-q", "origin", "feature/x", "v1", "v2")
    refs = d.view.refs(name)
    assert refs["branches"]["feature/x"] == oid
    assert set(refs["tags"]) == {"v1", "v2"}
    assert d.view.read(name, "b.txt", revision="v2") == b"b"
    copy("push", "-q", "origin", "--delete", "feature/x", "v1")
    refs = d.view.refs(name)
    assert (set(refs["branches"]), set(refs["tags"])) == ({"main"}, {"v2"})


def forced_push(d: Desk) -> None:
    """git: a forced push rewrites a branch"""
    name = d.repo({"a.txt": b"a"})
    copy = d.clone(name)
    copy("commit", "-q", "--amend", "-m", "Rewritten")
    assert "rejected" in copy("push", "origin", "main", fails=True)
    copy("push", "-q", "--force", "origin", "main")
    assert d.view.commits(name)[0]["title"] == "Rewritten"


def pull_requests(d: Desk) -> None:
    """git: fetch and push refs/pr/N"""
    name = d.repo({"a.txt": b"a"})
    d.view.open_pull(name, {"b.txt": b"b"})
    copy = d.clone(name)
    assert "refs/pr" not in copy("branch", "--all")
    copy("fetch", "-q", "origin", "refs/pr/1:pr/1")
    copy("checkout", "-q", "pr/1")
    assert copy.read("b.txt") == b"b"
    oid = copy.commit({"c.txt": b"c"})
    copy("push", "-q", "origin", "pr/1:refs/pr/1")
    assert d.view.read(name, "c.txt", revision="refs/pr/1") == b"c"
    assert d.view.refs(name)["pullRequests"] == {"1": oid} or oid in d.view.refs(name)["pullRequests"].values()
    assert "c.txt" not in d.view.files(name)


def large_file_without_lfs(d: Desk) -> None:
    """git: a file above 10 MiB outside LFS is refused, with advice"""
    name = d.repo({"a.txt": b"a"})
    before = d.view.info(name)["sha"]
    copy = d.clone(name)
    copy.commit({"big.txt": base64.b64encode(random.Random(1).randbytes(9_000_000))})
    output = copy("push", "origin", "main", fails=True)
    assert "big.txt" in output, output
    assert "git lfs" in output.lower().replace("git-lfs", "git lfs"), output
    assert d.view.info(name)["sha"] == before


def private_repo(d: Desk) -> None:
    """git: a private repo needs credentials"""
    name = d.repo({"a.txt": b"secret"}, private=True)
    missing = f"alice/missing-{uuid.uuid4().hex[:8]}"
    for repo in (name, missing):
        output = d.git("ls-remote", address(d.hub, repo), fails=True)
        assert "could not read Username" in output or "Authentication failed" in output, output
    for repo in (name, missing):
        output = d.git("ls-remote", d.url(repo, token=d.hub.people.bob), fails=True)
        assert "not found" in output.lower() or "Authentication failed" in output, output
    assert "Authentication failed" in d.git("ls-remote", d.url(name, token="hf_" + "x" * 34), fails=True)
    assert d.clone(name).read("a.txt") == b"secret"
    bearer = f"http.extraHeader=Authorization: Bearer {d.hub.people.alice}"
    assert "refs/heads/main" in d.git("-c", bearer, "ls-remote", address(d.hub, name))


def right_to_push(d: Desk) -> None:
    """git: nobody pushes without the right to"""
    name = d.repo({"a.txt": b"a"})
    for number, token in enumerate((d.hub.people.bob, d.hub.people.alice_reads)):
        copy = d.git.clone(d.url(name, token=token), f"clone{number}")
        copy.commit({"b.txt": b"b"})
        copy("push", "origin", "main", fails=True)
    anonymous = d.git.clone(address(d.hub, name), "anonymous")
    anonymous.commit({"b.txt": b"b"})
    anonymous("push", "origin", "main", fails=True)
    assert set(d.view.files(name)) == {".gitattributes", "a.txt"}


def renamed_repo(d: Desk) -> None:
    """git: the old name of a renamed repo still works"""
    name = d.repo({"a.txt": b"a"})
    copy = d.clone(name)
    new = f"{name}-renamed"
    d.view.move(name, new)
    copy("fetch", "-q", "origin")
    assert d.clone(name, "again").read("a.txt") == b"a"


def protocol_version_2(d: Desk) -> None:
    """git: protocol version 2"""
    name = d.repo({"a.txt": b"a"})
    trace = d.git.folder / "trace"
    d.git.at(".", GIT_TRACE_PACKET=str(trace))("clone", "-q", d.url(name), "clone")
    packets = trace.read_text()
    assert "< version 2" in packets
    assert "> command=fetch" in packets or "command=fetch" in packets


def partial_clones(d: Desk) -> None:
    """git: shallow, blobless and sparse clones"""
    name = d.repo({"a.txt": b"first", "sub/b.txt": b"b"})
    d.view.upload(name, {"a.txt": b"second"})
    shallow = d.clone(name, "shallow", "--depth", "1")
    assert shallow("rev-list", "--count", "HEAD").strip() == "1"
    shallow("fetch", "-q", "--unshallow")
    assert shallow("rev-list", "--count", "HEAD").strip() == "3"
    blobless = d.clone(name, "blobless", "--filter=blob:none", "--no-checkout")
    assert "?" in blobless("rev-list", "--objects", "--missing=print", "--all")
    assert blobless("show", "HEAD~1:a.txt") == "first"
    sparse = d.clone(name, "sparse", "--filter=blob:none", "--sparse")
    assert not (sparse.folder / "sub").exists()
    sparse("sparse-checkout", "add", "sub")
    assert sparse.read("sub/b.txt") == b"b"


def lfs_push(d: Desk) -> None:
    """git-lfs: track, push, clone"""
    name = d.repo()
    copy = d.clone(name, lfs=True)
    copy("lfs", "track", "*.weights")
    copy.commit({"w.weights": LARGE, "model.bin": LARGE[::-1], "a.txt": b"a"})
    copy("push", "-q", "origin", "main")
    files = d.view.files(name)
    assert files["w.weights"]["lfs"]["oid"] == hashlib.sha256(LARGE).hexdigest()
    assert files["model.bin"]["lfs"]["size"] == len(LARGE)
    assert "lfs" not in files["a.txt"]
    assert d.view.read(name, "w.weights") == LARGE
    fresh = d.clone(name, "fresh", lfs=True)
    assert (fresh.read("w.weights"), fresh.read("model.bin")) == (LARGE, LARGE[::-1])
    assert fresh("status", "--porcelain") == ""
    fresh("lfs", "fsck")


def lfs_missing_object(d: Desk) -> None:
    """git-lfs: a pointer without its bytes is refused"""
    need_lfs()
    name = d.repo()
    before = d.view.info(name)["sha"]
    copy = d.clone(name)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 12345\n"
    copy.commit({"w.bin": pointer.encode()})
    output = copy("push", "origin", "main", fails=True)
    assert "w.bin" in output or "ab" * 32 in output, output
    assert d.view.info(name)["sha"] == before


def lfs_again(d: Desk) -> None:
    """git-lfs: change, pull, private repo"""
    name = d.repo(private=True)
    copy = d.clone(name, lfs=True)
    copy.commit({"w.bin": LARGE})
    copy("push", "-q", "origin", "main")
    other = d.clone(name, "other", lfs=True)
    copy.commit({"w.bin": LARGE[:1_000_000]})
    copy("push", "-q", "origin", "main")
    other("pull", "-q", "origin", "main")
    assert other.read("w.bin") == LARGE[:1_000_000]
    skipped = d.git.at(".", GIT_LFS_SKIP_SMUDGE="1").clone(d.url(name), "pointers")
    assert skipped.read("w.bin").startswith(b"version https://git-lfs.github.com/spec/v1\n")
    skipped.at(".", GIT_LFS_SKIP_SMUDGE="0")("lfs", "pull")
    assert skipped.read("w.bin") == LARGE[:1_000_000]


def lfs_locks(d: Desk) -> None:
    """git-lfs: locks are asked for, and none is held"""
    name = d.repo()
    copy = d.clone(name, lfs=True)
    copy.commit({"w.bin": LARGE[:300_000]})
    assert "does not support the Git LFS locking API" not in copy("push", "origin", "main")
    copy("config", f"lfs.{d.url(name)}.git/info/lfs.locksverify", "true")
    copy.commit({"v.bin": LARGE[:200_000]})
    copy("push", "-q", "origin", "main")
    assert copy("lfs", "locks") == ""


OPERATIONS: list[Callable[[Desk], None]] = [
    found
    for name, found in list(globals().items())
    if callable(found) and getattr(found, "__module__", "") == __name__ and found.__doc__ and name.islower()
]
