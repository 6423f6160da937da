"""The file system interface (fsspec)."""

from session import equal, noise, refused


def _fs():
    from huggingface_hub import HfFileSystem

    return HfFileSystem(skip_instance_cache=True)


def fs_list(s):
    """HfFileSystem: ls, glob, find, info, walk"""
    large = noise(500_000, 41)
    name = s.repo({"a.txt": b"abc", "b/c.txt": b"c", "b/d/e.bin": large})
    fs = _fs()
    equal(sorted(fs.ls(name, detail=False)), [f"{name}/{x}" for x in (".gitattributes", "a.txt", "b")])
    equal(sorted(fs.glob(f"{name}/**/*.txt")), [f"{name}/a.txt", f"{name}/b/c.txt"])
    equal(sorted(fs.find(f"{name}/b")), [f"{name}/b/c.txt", f"{name}/b/d/e.bin"])
    equal((fs.info(f"{name}/b")["type"], fs.info(f"{name}/a.txt")["size"]), ("directory", 3))
    equal(fs.info(f"hf://{name}/b/d/e.bin")["size"], len(large))
    equal([folder for folder, _, _ in fs.walk(name)], [name, f"{name}/b", f"{name}/b/d"])
    equal([fs.exists(f"{name}/{path}") for path in ("b/d", "b/d/e.bin", "x")], [True, True, False])
    equal([fs.isdir(f"{name}/{path}") for path in ("b/d", "b/d/e.bin", "x")], [True, False, False])
    equal([fs.exists(f"{name}@{revision}/a.txt") for revision in ("main", "nowhere")], [True, False])
    assert fs.modified(f"{name}/a.txt").year > 2000
    with refused(FileNotFoundError):
        fs.ls(f"{name}/nowhere")
    with refused(FileNotFoundError):
        fs.ls(s.name())


def fs_read(s):
    """HfFileSystem: open, seek, read"""
    large = noise(9_000_000, 42)
    name = s.repo({"w.bin": large, "t.txt": "zwei\nZeilen ä\n".encode()})
    fs = _fs()
    with fs.open(f"{name}/w.bin", "rb", block_size=1_000_000) as handle:
        equal(handle.size, len(large))
        handle.seek(8_000_000)
        assert handle.read(100) == large[8_000_000:8_000_100]
        handle.seek(10)
        assert handle.read(2_500_000) == large[10:2_500_010]
    with fs.open(f"{name}/w.bin", "rb", block_size=0) as handle:
        assert handle.read() == large
    with fs.open(f"{name}/t.txt", "r", encoding="utf-8") as handle:
        equal(handle.read(), "zwei\nZeilen ä\n")
    assert fs.cat_file(f"{name}/w.bin", start=5, end=50) == large[5:50]
    fs.get_file(f"{name}/w.bin", str(s.folder / "got.bin"))
    assert (s.folder / "got.bin").read_bytes() == large


def fs_write(s):
    """HfFileSystem: write, copy, remove"""
    large = noise(700_000, 43)
    name, other = s.repo({"a.txt": b"a"}), s.repo()
    fs = _fs()
    with fs.open(f"{name}/new.bin", "wb") as handle:
        handle.write(large)
    with fs.open(f"{name}/new.txt", "w") as handle:
        handle.write("text")
    equal(s.download(name, "new.bin"), large)
    fs.cp_file(f"{name}/new.bin", f"{name}/copy.bin")
    fs.cp_file(f"{name}/new.txt", f"{other}/from.txt")
    equal(s.download(name, "copy.bin"), large)
    equal(s.download(other, "from.txt"), b"text")
    fs.rm(f"{name}/new.txt")
    fs.put_file(str(s.write("up.bin", large)), f"{name}/folder/up.bin")
    equal(sorted(s.api.list_repo_files(name)), [".gitattributes", "a.txt", "copy.bin", "folder/up.bin", "new.bin"])
    fs.rm(f"{name}/folder", recursive=True)
    assert not fs.exists(f"{name}/folder")


def fs_dataset(s):
    """HfFileSystem: datasets and revisions"""
    name = s.repo({"data.csv": b"a\n1\n"}, kind="dataset")
    sha = s.api.dataset_info(name).sha
    s.api.create_branch(name, branch="with/slash", repo_type="dataset")
    s.api.upload_file(path_or_fileobj=b"a\n2\n", path_in_repo="data.csv", repo_id=name, repo_type="dataset")
    fs = _fs()
    equal(fs.read_bytes(f"datasets/{name}/data.csv"), b"a\n2\n")
    equal(fs.read_bytes(f"datasets/{name}@{sha}/data.csv"), b"a\n1\n")
    equal(fs.read_bytes(f"datasets/{name}@with%2Fslash/data.csv"), b"a\n1\n")
