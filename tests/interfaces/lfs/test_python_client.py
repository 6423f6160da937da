"""The Python client without Xet: its uploads go through LFS, in one piece and in parts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.interfaces.conftest import World

SCRIPT = """
import io, sys
from huggingface_hub import HfApi

api, repo = HfApi(), sys.argv[1]
api.upload_folder(repo_id=repo, folder_path=sys.argv[2], commit_message="both ways")
api.upload_file(repo_id=repo, path_or_fileobj=io.BytesIO(open(sys.argv[2] + "/large.bin", "rb").read()[::-1]),
                path_in_repo="reversed.bin")
for name in ("large.bin", "small.bin", "reversed.bin"):
    print(name, api.hf_hub_download(repo, name, cache_dir=sys.argv[3]))
"""


def test_upload_and_download(world: World, tmp_path: Path) -> None:
    repo = world.repo(private=True)
    folder = tmp_path / "folder"
    folder.mkdir()
    large, small = os.urandom(20_000_000), os.urandom(2_000_000)
    (folder / "large.bin").write_bytes(large)
    (folder / "small.bin").write_bytes(small)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": world.served.url,
        "HF_TOKEN": world.alice,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, repo.full_name, str(folder), str(tmp_path / "cache")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert Path(found["large.bin"]).read_bytes() == large
    assert Path(found["small.bin"]).read_bytes() == small
    assert Path(found["reversed.bin"]).read_bytes() == large[::-1]
    log = world.served.log.read_text()
    assert "/parts/7" in log, "20 MB go in seven parts of 3 MB"
