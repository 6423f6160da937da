"""Looking at a repo without downloading it."""

import inspect

from huggingface_hub import ModelCard, RepoCard, metadata_update
from huggingface_hub.errors import BadRequestError, EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile, RepoFolder
from session import NotOffered, equal, git_oid, noise, offered, refused, sha256

CARD = b"""---
license: apache-2.0
language: [en, de]
library_name: transformers
pipeline_tag: text-generation
base_model: someone/base
tags: [shelved]
---
# A model
"""


def list_files(s):
    """List files"""
    name = s.repo({"a.txt": b"a", "b/c.txt": b"c", "b/d/e.bin": b"\0"})
    equal(sorted(s.api.list_repo_files(name)), [".gitattributes", "a.txt", "b/c.txt", "b/d/e.bin"])
    assert s.api.file_exists(name, "b/c.txt")
    assert not s.api.file_exists(name, "b/x.txt")
    assert not s.api.file_exists(name, "a.txt", revision="nowhere")
    assert s.api.revision_exists(name, "main")
    assert not s.api.revision_exists(name, "nowhere")
    assert s.api.repo_exists(name)
    assert not s.api.repo_exists(s.name())


def list_tree(s):
    """List a tree"""
    large = noise(700_000, 31)
    name = s.repo({"a.txt": b"abc", "b/c.txt": b"c", "b/d/e.bin": large})
    top = {entry.path: entry for entry in s.api.list_repo_tree(name)}
    equal(set(top), {".gitattributes", "a.txt", "b"})
    assert isinstance(top["b"], RepoFolder)
    assert len(top["b"].tree_id) == 40
    equal((top["a.txt"].size, top["a.txt"].blob_id, top["a.txt"].lfs), (3, git_oid(b"abc"), None))
    everything = {entry.path: entry for entry in s.api.list_repo_tree(name, recursive=True)}
    equal(set(everything), {".gitattributes", "a.txt", "b", "b/c.txt", "b/d", "b/d/e.bin"})
    found = everything["b/d/e.bin"]
    assert isinstance(found, RepoFile)
    equal((found.size, found.lfs.size, found.lfs.sha256), (len(large), len(large), sha256(large)))
    equal({entry.path for entry in s.api.list_repo_tree(name, "b")}, {"b/c.txt", "b/d"})
    with refused(EntryNotFoundError):
        list(s.api.list_repo_tree(name, "nowhere"))
    with refused(RevisionNotFoundError):
        list(s.api.list_repo_tree(name, revision="nowhere"))


def list_tree_with_commits(s):
    """List a tree with the last commits"""
    name = s.repo({"a.txt": b"a", "b/c.txt": b"c"})
    s.api.upload_file(path_or_fileobj=b"2", path_in_repo="b/c.txt", repo_id=name, commit_message="Change c")
    found = {entry.path: entry for entry in s.api.list_repo_tree(name, recursive=True, expand=True)}
    equal(found["a.txt"].last_commit.title, "Add files")
    equal(found["b/c.txt"].last_commit.title, "Change c")
    equal(found["b"].last_commit.title, "Change c")
    equal(found["b/c.txt"].last_commit.oid, s.api.model_info(name).sha)
    assert found["a.txt"].last_commit.date.tzinfo is not None


def paths_info(s):
    """Ask for some paths"""
    large = noise(600_000, 32)
    name = s.repo({"a.txt": b"a", "b/c.bin": large})
    found = {entry.path: entry for entry in s.api.get_paths_info(name, ["a.txt", "b", "b/c.bin", "none"], expand=True)}
    equal(set(found), {"a.txt", "b", "b/c.bin"})
    equal(found["b/c.bin"].lfs.sha256, sha256(large))
    equal(found["a.txt"].last_commit.title, "Add files")


def model_info(s):
    """Describe a model"""
    large = noise(600_000, 33)
    name = s.repo({"README.md": CARD, "w.bin": large})
    info = s.api.model_info(name, files_metadata=True)
    equal((info.id, info.author, info.private, info.gated, info.disabled), (name, s.user, False, False, False))
    equal((info.library_name, info.pipeline_tag), ("transformers", "text-generation"))
    equal(info.card_data.license, "apache-2.0")
    wanted = {"license:apache-2.0", "en", "de", "shelved", "transformers", "base_model:someone/base"}
    assert wanted <= set(info.tags), info.tags
    assert info.created_at <= info.last_modified
    assert (info.downloads, info.likes) == (0, 0), (info.downloads, info.likes)
    siblings = {sibling.rfilename: sibling for sibling in info.siblings}
    equal((siblings["w.bin"].size, siblings["w.bin"].lfs["sha256"]), (len(large), sha256(large)))
    equal((siblings["README.md"].size, siblings["README.md"].blob_id), (len(CARD), git_oid(CARD)))
    equal(s.api.repo_info(name).sha, info.sha)
    equal(s.api.model_info(name, revision=info.sha).sha, info.sha)


def expand_info(s):
    """Ask for chosen fields"""
    model, dataset, space = s.repo({"README.md": CARD}), s.repo(kind="dataset"), s.repo(kind="space")
    info = s.api.model_info(model, expand=["author", "sha", "tags", "cardData", "siblings", "createdAt", "likes"])
    equal((info.author, info.likes, info.private), (s.user, 0, None))
    assert len(info.sha) == 40
    equal(s.api.dataset_info(dataset, expand=["author", "downloads"]).author, s.user)
    equal(s.api.space_info(space, expand=["author", "sdk"]).sdk, "static")
    with refused((BadRequestError, HfHubHTTPError), "author", 400):
        s.api.model_info(model, expand=["nonsense"])


def safetensors_metadata(s):
    """Read the header of a safetensors file"""
    import json
    import struct

    head = json.dumps({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    name = s.repo({"model.safetensors": struct.pack("<Q", len(head)) + head + bytes(16)})
    found = s.api.get_safetensors_metadata(name)
    equal(found.parameter_count, {"F32": 4})
    equal(list(found.weight_map.items()), [("w", "model.safetensors")])


def model_card(s):
    """Load a model card"""
    card = ModelCard.load(s.repo({"README.md": CARD}))
    equal((card.data.license, card.data.pipeline_tag), ("apache-2.0", "text-generation"))
    equal(card.data.language, ["en", "de"])


def push_model_card(s):
    """Push and change a model card"""
    if "https://huggingface.co/api/validate-yaml" in inspect.getsource(RepoCard.validate):
        raise NotOffered("cards are validated at huggingface.co, whatever HF_ENDPOINT says")
    name = s.repo()
    ModelCard(CARD.decode()).push_to_hub(name)
    equal(ModelCard.load(name).data.license, "apache-2.0")
    metadata_update(name, {"license": "mit"}, overwrite=True)
    equal(s.api.model_info(name).card_data.license, "mit")


def card_is_validated(s):
    """A wrong model card is refused"""
    name = s.repo()
    for content in (b"---\nlicense: [unclosed\n---\n# x\n", b"---\nlicense: my-own-licence\n---\n# x\n"):
        with refused(ValueError, "Invalid metadata in README.md"):
            s.api.upload_file(path_or_fileobj=content, path_in_repo="README.md", repo_id=name)
    equal(s.api.list_repo_files(name), [".gitattributes"])


def lfs_files(s):
    """List the large files of a repo"""
    content = noise(400_000, 34)
    name = s.repo({"w.bin": content})
    found = list(offered(s.api, "list_lfs_files")(name))
    equal([(f.filename, f.oid, f.size) for f in found], [("w.bin", sha256(content), len(content))])


def likers(s):
    """List who likes a repo"""
    equal(list(s.api.list_repo_likers(s.repo())), [])
