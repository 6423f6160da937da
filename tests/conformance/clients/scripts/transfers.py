"""Single transfers that tests of several clients put together."""

import hashlib
import io
import os
import time
from pathlib import Path

REPO, PATH, FILE = (os.environ.get(f"OPENSHELF_TEST_{name}", "") for name in ("REPO", "PATH", "FILE"))


def put(s):
    """Upload one file from disk"""
    started = time.monotonic()
    s.api.create_repo(REPO, exist_ok=True)
    done = s.api.upload_file(path_or_fileobj=FILE, path_in_repo=PATH, repo_id=REPO)
    return {"commit": done.oid, "seconds": time.monotonic() - started}


def put_open_file(s):
    """Upload one file through LFS"""
    s.api.create_repo(REPO, exist_ok=True)
    s.api.upload_file(path_or_fileobj=io.BytesIO(Path(FILE).read_bytes()), path_in_repo=PATH, repo_id=REPO)


def get(s):
    """Download one file; its size and hash"""
    path = Path(s.api.hf_hub_download(REPO, PATH))
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while piece := handle.read(1 << 22):
            digest.update(piece)
    return {"size": path.stat().st_size, "sha256": digest.hexdigest()}


def get_size(s):
    """Download one file; its size and three pieces of it"""
    path = Path(s.api.hf_hub_download(REPO, PATH))
    size = path.stat().st_size
    with path.open("rb") as handle:
        pieces = []
        for start in (0, size // 2, size - 16):
            handle.seek(start)
            pieces.append(handle.read(16).hex())
    path.resolve().unlink()
    return {"size": size, "pieces": pieces}


def put_folder(s):
    """Upload a folder of many files"""
    started = time.monotonic()
    s.api.create_repo(REPO, exist_ok=True)
    s.api.upload_folder(repo_id=REPO, folder_path=FILE)
    return {"seconds": time.monotonic() - started}


def put_many_in_one_commit(s):
    """1,300 files in one commit"""
    from huggingface_hub import CommitOperationAdd

    s.api.create_repo(REPO, exist_ok=True)
    adds = [CommitOperationAdd(f"d{n % 7}/{n}.txt", b"file %d" % n) for n in range(1300)]
    s.api.create_commit(REPO, adds, commit_message="Many")
    return {"files": len(s.api.list_repo_files(REPO)), "commits": len(s.api.list_repo_commits(REPO))}


def list_many(s):
    """List a folder of many files in every way"""
    entries = list(s.api.list_repo_tree(REPO, "many"))
    started = time.monotonic()
    files = s.api.list_repo_files(REPO)
    return {"tree": len(entries), "files": len(files), "seconds": time.monotonic() - started}
