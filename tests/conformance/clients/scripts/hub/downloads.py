"""Ways to take bytes out."""

import io
from pathlib import Path

from huggingface_hub import hf_hub_url, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.file_download import http_get
from session import NotOffered, equal, git_oid, noise, refused, sha256


def download_file(s):
    """Download a file, by branch, tag and commit"""
    name = s.repo({"config.json": b"{}", "sub/deep/x.txt": b"deep"})
    first = s.api.model_info(name).sha
    s.api.create_tag(name, tag="v1")
    s.api.create_branch(name, branch="dev")
    s.api.upload_file(path_or_fileobj=b"[]", path_in_repo="config.json", repo_id=name)
    equal(s.download(name, "config.json"), b"[]")
    for revision in ("v1", "dev", first, first[:7], "refs/heads/dev"):
        equal((revision, s.download(name, "config.json", revision=revision)), (revision, b"{}"))
    path = Path(s.api.hf_hub_download(name, "x.txt", subfolder="sub/deep", revision="dev"))
    equal(path.read_bytes(), b"deep")
    assert first in path.parts, path
    equal(path.resolve().name, git_oid(b"deep"))


def download_large_file(s):
    """Download a large file"""
    content = noise(12_000_000, 21)
    name = s.repo({"w.bin": content})
    path = Path(s.api.hf_hub_download(name, "w.bin"))
    assert path.read_bytes() == content
    equal(path.readlink().name, sha256(content))  # what it leads to may be shared between repos, by its Xet hash
    target = s.folder / "here"
    again = s.api.hf_hub_download(name, "w.bin", local_dir=target, force_download=True)
    equal(Path(again), target / "w.bin")
    assert Path(again).read_bytes() == content


def download_without_xet(s):
    """The same file through plain HTTP"""
    content = noise(3_000_000, 22)
    name = s.repo({"w.bin": content})
    target = io.BytesIO()
    http_get(hf_hub_url(name, "w.bin"), target, headers={"authorization": f"Bearer {s.token}"})
    assert target.getvalue() == content


def resume_download(s):
    """Resume a broken download"""
    content = noise(3_000_000, 23)
    name = s.repo({"w.bin": content, "t.txt": b"0123456789"})
    for path, whole in (("w.bin", content), ("t.txt", b"0123456789")):
        half = len(whole) // 2
        target = io.BytesIO()
        target.write(whole[:half])
        http_get(hf_hub_url(name, path), target, resume_size=half, headers={"authorization": f"Bearer {s.token}"})
        assert target.getvalue() == whole, path


def read_ranges(s):
    """Read parts of a file"""
    from huggingface_hub.utils import get_session

    content = noise(1_000_000, 24)
    name = s.repo({"w.bin": content, "t.txt": b"0123456789"})
    url = hf_hub_url(name, "w.bin")
    for asked, wanted in (
        ("bytes=0-0", content[:1]),
        ("bytes=1000-1999", content[1000:2000]),
        ("bytes=999990-", content[-10:]),
        ("bytes=-7", content[-7:]),
        ("bytes=999990-2000000", content[-10:]),
    ):
        answer = get_session().get(url, headers={"range": asked})
        equal((asked, answer.status_code), (asked, 206))
        assert answer.content == wanted, asked
        assert answer.headers["content-range"].endswith("/1000000"), answer.headers
    equal(get_session().get(url, headers={"range": "bytes=1000000-"}).status_code, 416)
    equal(get_session().get(hf_hub_url(name, "t.txt"), headers={"range": "bytes=3-5"}).content, b"345")


def file_metadata(s):
    """Ask for a file without its bytes (HEAD)"""
    content = noise(600_000, 25)
    name = s.repo({"w.bin": content, "t.txt": b"text"})
    sha = s.api.model_info(name).sha
    large = s.api.get_hf_file_metadata(url=hf_hub_url(name, "w.bin"))
    equal((large.commit_hash, large.etag, large.size), (sha, sha256(content), len(content)))
    small = s.api.get_hf_file_metadata(url=hf_hub_url(name, "t.txt"))
    equal((small.commit_hash, small.etag, small.size), (sha, git_oid(b"text"), 4))
    return {"xet": getattr(large, "xet_file_data", None) is not None}


def snapshot(s):
    """Download a whole repo"""
    files = {"a.txt": b"a", "w.bin": noise(1_000_000, 26), "sub/b.json": b"{}", "sub/skip.log": b"no"}
    name = s.repo(files)
    folder = Path(snapshot_download(name))
    equal(folder.name, s.api.model_info(name).sha)
    for path, content in files.items():
        assert (folder / path).read_bytes() == content, path
    part = Path(
        snapshot_download(name, cache_dir=s.folder / "other", allow_patterns=["sub/*"], ignore_patterns="*.log")
    )
    equal(sorted(str(p.relative_to(part)) for p in part.rglob("*") if p.is_file()), ["sub/b.json"])
    local = Path(snapshot_download(name, local_dir=s.folder / "local", max_workers=2))
    assert (local / "w.bin").read_bytes() == files["w.bin"]


def snapshot_of_dataset(s):
    """Download a whole dataset"""
    name = s.repo({"data/train.csv": b"a\n1\n"}, kind="dataset")
    assert (Path(snapshot_download(name, repo_type="dataset")) / "data/train.csv").read_bytes() == b"a\n1\n"


def missing_things(s):
    """What is missing is named: repo, revision, file"""
    name = s.repo({"a.txt": b"a"})
    with refused(EntryNotFoundError):
        s.api.hf_hub_download(name, "nowhere.txt")
    with refused(RevisionNotFoundError):
        s.api.hf_hub_download(name, "a.txt", revision="nowhere")
    with refused(RevisionNotFoundError):
        s.api.hf_hub_download(name, "a.txt", revision="0" * 40)
    with refused(RepositoryNotFoundError):
        s.api.hf_hub_download(s.name(), "a.txt")
    with refused(RepositoryNotFoundError):
        s.anonymous.hf_hub_download(s.name(), "a.txt")
    with refused(RevisionNotFoundError):
        s.api.model_info(name, revision="nowhere")
    with refused(RepositoryNotFoundError):
        snapshot_download(s.name())
    with refused(RepositoryNotFoundError):
        s.api.dataset_info(name)


def missing_file_is_remembered(s):
    """A missing file is remembered in the cache"""
    from huggingface_hub.file_download import _CACHED_NO_EXIST

    name = s.repo({"a.txt": b"a"})
    with refused(EntryNotFoundError):
        s.api.hf_hub_download(name, "adapter_config.json")
    assert try_to_load_from_cache(name, "adapter_config.json") is _CACHED_NO_EXIST


def dry_run(s):
    """Say what would be downloaded"""
    import inspect

    if "dry_run" not in inspect.signature(snapshot_download).parameters:
        raise NotOffered("no dry_run")
    name = s.repo({"a.txt": b"abc", "w.bin": noise(500_000, 27)})
    found = {info.filename: info.file_size for info in snapshot_download(name, dry_run=True)}
    equal((found["a.txt"], found["w.bin"]), (3, 500_000))
