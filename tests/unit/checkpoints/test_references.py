"""References to repos, and addresses of hubs."""

from __future__ import annotations

from pathlib import Path

import pytest

from openshelf.analysis.checkpoints.remote import settings
from openshelf.analysis.checkpoints.remote.references import Reference, parse_address, parse_reference

HUB = "https://hub.example/shelf"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b", Reference("models", "a/b")),
        ("hf://a/b", Reference("models", "a/b")),
        ("datasets/a/b@v1", Reference("datasets", "a/b", "v1")),
        ("a/b@refs/pr/3:sub/m.gguf", Reference("models", "a/b", "refs/pr/3", "sub/m.gguf")),
        ("A-1/b.c_d:folder/", Reference("models", "A-1/b.c_d", "main", "folder")),
        ("a/b:c:d@e", Reference("models", "a/b", "main", "c:d@e")),
        *(
            (text, None)
            for text in ("a", "./a/b", "a/b/c", "a/b@", "a/b:../c", "a/b:", "a/../b", "-a/b", "a b/c", "a/b@x y")
        ),
    ],
)
def test_references(text: str, expected: Reference | None) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"{HUB}/a/b", ("models", "a/b", "main", "", HUB)),
        (f"{HUB}/datasets/a/b/tree/refs%2Fpr%2F1/x%20y", ("datasets", "a/b", "refs/pr/1", "x y", HUB)),
        ("http://h:1/a/b/resolve/v1/c/m.bin?download=true", ("models", "a/b", "v1", "c/m.bin", "http://h:1")),
        ("http://h/some/where/a/b/blob/main/m.bin", ("models", "a/b", "main", "m.bin", "http://h/some/where")),
        ("http://h/a/b", ("models", "a/b", "main", "", "http://h")),
        ("http://h/models/a/b", ("models", "a/b", "main", "", "http://h")),
        *(
            (f"http://h{path}", None)
            for path in ("", "/", "/m.bin", "/x/a/b", "/a/b/resolve", "/a/b/resolve/main/%2e%2e/x")
        ),
        ("http://user:secret@h/a/b", None),
    ],
)
def test_addresses(address: str, expected: tuple[str, ...] | None) -> None:
    found = parse_address(address, HUB)
    assert (found and (found.kind, found.repo, found.revision, found.path, found.endpoint)) == expected


def test_where_files_are_below_a_hub() -> None:
    found = parse_reference("datasets/a/b@refs/pr/1:x y/ä.bin")
    assert found is not None
    assert found.resolve(found.revision, found.path) == "/datasets/a/b/resolve/refs%2Fpr%2F1/x%20y/%C3%A4.bin"
    assert str(found) == "datasets/a/b@refs/pr/1:x y/ä.bin"
    assert Reference("models", "a/b").resolve("main", "f") == "/a/b/resolve/main/f"


def test_the_environment_says_which_hub_and_token(tmp_path: Path) -> None:
    assert settings.endpoint({}) == "https://huggingface.co"
    assert settings.endpoint({"HF_ENDPOINT": " http://h:1/ "}) == "http://h:1"
    (tmp_path / "token").write_text("kept\n")
    home = {"HF_HOME": str(tmp_path)}
    assert settings.token(home) == "kept"
    assert settings.token(home | {"HF_TOKEN": "given"}) == "given"
    assert settings.token({"HF_TOKEN_PATH": str(tmp_path / "token")}) == "kept"
    assert settings.token({"HF_TOKEN_PATH": str(tmp_path / "none")}) is None
    (tmp_path / "huggingface").mkdir()
    (tmp_path / "huggingface" / "token").write_bytes(b"\xff\xfe")
    assert settings.token({"XDG_CACHE_HOME": str(tmp_path)}) is None
