"""Ways to bring bytes in."""

import io

from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError
from session import equal, git_oid, noise, offered, refused, sha256

MB = 1_000_000


def _lfs(s, name, path):
    entry = s.api.get_paths_info(name, path)[0]
    assert entry.lfs is not None, f"{path} is inside git"
    return entry


def upload_bytes(s):
    """Upload a small file from bytes"""
    name = s.repo()
    done = s.api.upload_file(path_or_fileobj=b'{"a": 1}', path_in_repo="sub/config.json", repo_id=name)
    equal(done.commit_url, f"{s.endpoint}/{name}/commit/{done.oid}")
    equal(s.download(name, "sub/config.json"), b'{"a": 1}')
    equal(s.api.model_info(name).sha, done.oid)
    equal(s.api.get_paths_info(name, "sub/config.json")[0].blob_id, git_oid(b'{"a": 1}'))


def upload_large_path(s):
    """Upload a large file from a path"""
    content = noise(12 * MB, 1)
    name = s.repo()
    s.api.upload_file(path_or_fileobj=s.write("w.safetensors", content), path_in_repo="w.bin", repo_id=name)
    entry = _lfs(s, name, "w.bin")
    equal((entry.size, entry.lfs.sha256), (len(content), sha256(content)))
    assert s.download(name, "w.bin") == content


def upload_large_bytes(s):
    """Upload a large file from bytes"""
    content = noise(11 * MB, 2)
    name = s.repo()
    s.api.upload_file(path_or_fileobj=content, path_in_repo="w.bin", repo_id=name)
    equal(_lfs(s, name, "w.bin").lfs.sha256, sha256(content))
    assert s.download(name, "w.bin") == content


def upload_file_object(s):
    """Upload from an open file (LFS)"""
    content = noise(2 * MB, 3)
    name = s.repo()
    with open(s.write("w.bin", content), "rb") as handle:
        s.api.upload_file(path_or_fileobj=handle, path_in_repo="w.bin", repo_id=name)
    s.api.upload_file(path_or_fileobj=io.BytesIO(b"text"), path_in_repo="t.txt", repo_id=name)
    equal(_lfs(s, name, "w.bin").lfs.sha256, sha256(content))
    assert s.download(name, "w.bin") == content
    equal(s.download(name, "t.txt"), b"text")


def upload_in_parts(s):
    """Upload in several parts (LFS)"""
    content = noise(40 * MB + 1, 4)
    name = s.repo()
    s.api.upload_file(path_or_fileobj=io.BytesIO(content), path_in_repo="w.bin", repo_id=name)
    equal(_lfs(s, name, "w.bin").lfs.sha256, sha256(content))
    assert s.download(name, "w.bin") == content


def upload_text_of_9_mb(s):
    """Text below 10 MiB stays in git"""
    content = b"openly shelved\n" * 600_000
    name = s.repo()
    s.api.upload_file(path_or_fileobj=content, path_in_repo="corpus.txt", repo_id=name)
    equal(s.api.get_paths_info(name, "corpus.txt")[0].lfs, None)
    assert s.download(name, "corpus.txt") == content


def upload_empty_file(s):
    """Files of no byte and of one byte"""
    name = s.repo({"empty": b"", "empty.bin": b"", "one": b"1", "one.bin": b"1"})
    sizes = {entry.path: entry.size for entry in s.api.list_repo_tree(name)}
    for path, content in (("empty", b""), ("empty.bin", b""), ("one", b"1"), ("one.bin", b"1")):
        equal((path, sizes[path]), (path, len(content)))
        equal(s.download(name, path), content)


def upload_strange_names(s):
    """Names that are not ASCII, with spaces, or very long"""
    paths = [
        "übergrößen/模型 権重.json",
        "with space & plus+percent%20#hash?.txt",
        "emoji 🤗/файл.bin",
        "quote'\"s;semi,comma=.txt",
        "e\u0301 decomposed.txt",
        "n" * 200 + ".txt",
        "/".join(["d" * 60] * 10) + "/deep.bin",
        "[brackets](x){y}~^.txt",
    ]
    files = {path: f"content of {number}".encode() for number, path in enumerate(paths)}
    name = s.repo(files)
    assert set(paths) <= set(s.api.list_repo_files(name)), s.api.list_repo_files(name)
    for path, content in files.items():
        equal((path, s.download(name, path)), (path, content))
        assert s.api.file_exists(name, path), path
    equal({entry.path for entry in s.api.get_paths_info(name, paths)}, set(paths))


def upload_folder(s):
    """Upload a folder, with patterns"""
    for path in ("a.txt", "sub/b.bin", "sub/deep/c.json", "skip.log", ".git/HEAD", "cache/x.pyc"):
        s.write("tree/" + path, path.encode() + b"\0")
    name = s.repo({"old/gone.txt": b"x", "old/stays.json": b"{}"})
    s.api.upload_folder(
        repo_id=name,
        folder_path=s.folder / "tree",
        path_in_repo="here",
        ignore_patterns=["*.log", "cache/*"],
    )
    wanted = [
        ".gitattributes",
        "here/a.txt",
        "here/sub/b.bin",
        "here/sub/deep/c.json",
        "old/gone.txt",
        "old/stays.json",
    ]
    equal(sorted(s.api.list_repo_files(name)), wanted)
    equal(s.download(name, "here/sub/b.bin"), b"sub/b.bin\0")
    s.api.upload_folder(
        repo_id=name,
        folder_path=s.folder / "tree",
        path_in_repo="old",
        allow_patterns="a.txt",
        delete_patterns="*.txt",
    )
    found = s.api.list_repo_files(name)
    assert "old/gone.txt" not in found, found
    assert {"old/a.txt", "old/stays.json"} <= set(found), found


def upload_folder_with_gitignore(s):
    """A .gitignore in the folder is heeded"""
    for path, content in ((".gitignore", b"*.tmp\n"), ("a.tmp", b"x"), ("a.txt", b"x")):
        s.write("tree/" + path, content)
    name = s.repo()
    s.api.upload_folder(repo_id=name, folder_path=s.folder / "tree")
    found = s.api.list_repo_files(name)
    assert "a.txt" in found, found
    assert "a.tmp" not in found, found


def upload_large_folder(s):
    """Upload a folder with upload_large_folder"""
    upload = offered(s.api, "upload_large_folder")
    for number in range(30):
        s.write(f"tree/{number // 10}/{number}.txt", b"%d" % number)
    s.write("tree/w.bin", noise(3 * MB, 5))
    name = s.repo()
    upload(repo_id=name, repo_type="model", folder_path=s.folder / "tree", print_report=False, num_workers=2)
    equal(len(s.api.list_repo_files(name)), 32)


def upload_again(s):
    """An unchanged upload makes no commit"""
    content = noise(1 * MB, 6)
    path = s.write("w.bin", content)
    name = s.repo({"a.txt": b"a"})
    s.api.upload_file(path_or_fileobj=path, path_in_repo="w.bin", repo_id=name)
    before = len(s.api.list_repo_commits(name))
    s.api.upload_file(path_or_fileobj=path, path_in_repo="w.bin", repo_id=name)
    s.api.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id=name)
    equal(len(s.api.list_repo_commits(name)), before)


def upload_to_branch(s):
    """Upload to a branch"""
    name = s.repo({"a.txt": b"main"})
    s.api.create_branch(name, branch="feature/x")
    s.api.upload_file(path_or_fileobj=b"branch", path_in_repo="a.txt", repo_id=name, revision="feature/x")
    equal(s.download(name, "a.txt"), b"main")
    equal(s.download(name, "a.txt", revision="feature/x"), b"branch")


def upload_in_advance(s):
    """Upload files before the commit names them"""
    adds = [CommitOperationAdd(f"part-{n}.bin", noise(1 * MB, 10 + n)) for n in range(3)]
    name = s.repo()
    for add in adds:
        s.api.preupload_lfs_files(name, additions=[add])
    s.api.create_commit(name, adds, commit_message="Add parts")
    for n in range(3):
        assert s.download(name, f"part-{n}.bin") == noise(1 * MB, 10 + n)


def git_attributes(s):
    """The repo's .gitattributes decides what is large"""
    name = s.repo({".gitattributes": b"*.png filter=lfs diff=lfs merge=lfs -text\n"})
    s.api.upload_file(path_or_fileobj=b"small", path_in_repo="a.png", repo_id=name)
    s.api.upload_file(path_or_fileobj=b"small", path_in_repo="a.txt", repo_id=name)
    equal(_lfs(s, name, "a.png").lfs.sha256, sha256(b"small"))
    equal(s.api.get_paths_info(name, "a.txt")[0].lfs, None)


def upload_refused(s):
    """Nobody writes without the right to"""
    name = s.repo()
    for api in (s.other, s.anonymous, type(s.api)(token=s.token_read)):
        with refused(HfHubHTTPError):
            api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=name)
        with refused(Exception):
            api.upload_file(path_or_fileobj=noise(1 * MB, 7), path_in_repo="x.bin", repo_id=name)
    equal(s.api.list_repo_files(name), [".gitattributes"])
