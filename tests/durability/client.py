"""One real client that uploads again and again, whatever becomes of the hub.

``python -m tests.durability.client KIND`` with the hub's address, a token and a folder in the environment. What the hub
has acknowledged is appended to ``ledger.jsonl`` before anything else is done; an upload is repeated until it succeeds.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(os.environ.get("OPENSHELF_SOAK_FOLDER", "."))
PAUSE_SECONDS = 0.1
GIVE_UP_SECONDS = 1800.0

Upload = Callable[[int, random.Random], dict[str, str]]


def main() -> None:
    kind = sys.argv[1]
    upload = {"xet": _xet, "commit": _commit, "lfs": _lfs, "git": _git}[kind]
    ledger, stop = FOLDER / "ledger.jsonl", FOLDER / "stop"
    number = len(ledger.read_text().splitlines()) if ledger.exists() else 0
    while not stop.exists():
        number += 1
        began, tries, said = time.monotonic(), 0, ""
        while True:
            tries += 1
            try:
                facts = upload(number, random.Random(f"{kind} {number}"))
                break
            except Exception as error:  # whatever a client says when its hub is gone
                said = f"{type(error).__name__}: {error}"[-2000:]
                (FOLDER / "said").write_text(f"upload {number}, try {tries}: {said}")
                if time.monotonic() - began > GIVE_UP_SECONDS:
                    (FOLDER / "stuck").write_text(f"upload {number} did not succeed in {tries} tries: {said}")
                    return
                _wait_for_hub()
        with ledger.open("a") as file:
            file.write(json.dumps({"kind": kind, "number": number, "tries": tries, "said": said[:300], **facts}) + "\n")


def _wait_for_hub() -> None:
    """A pause, and more of it while nobody listens: to try in vain would only take the processor from the hub."""
    address, until = urlsplit(os.environ["HF_ENDPOINT"]), time.monotonic() + 20
    time.sleep(PAUSE_SECONDS)
    while time.monotonic() < until:
        try:
            socket.create_connection((str(address.hostname), int(address.port or 80)), timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)


def _xet(number: int, rng: random.Random) -> dict[str, str]:
    """A file of which a part was there before, by Xet."""
    from huggingface_hub import HfApi

    content = random.Random("shared").randbytes(200_000) + rng.randbytes(rng.randrange(50_000, 400_000))
    repo = "ada/shared" if number % 3 == 0 else "ada/xet"
    done = HfApi().upload_file(
        path_or_fileobj=content, path_in_repo=f"xet/{number}.bin", repo_id=repo, commit_message=f"xet {number}"
    )
    return {"repo": repo, "commit": done.oid, "path": f"xet/{number}.bin", "sha256": _sha256(content)}


def _commit(number: int, rng: random.Random) -> dict[str, str]:
    """A text and the card, in one commit by the API."""
    from huggingface_hub import CommitOperationAdd, HfApi

    content = rng.randbytes(200).hex().encode()
    card = f"---\nlicense: mit\n---\n# Card number {number}\n".encode()
    repo = "ada/shared" if number % 3 == 0 else "ada/texts"
    operations = [CommitOperationAdd(f"text/{number}.txt", content), CommitOperationAdd("README.md", card)]
    done = HfApi().create_commit(repo, operations, commit_message=f"commit {number}")
    return {"repo": repo, "commit": done.oid, "path": f"text/{number}.txt", "sha256": _sha256(content)}


def _lfs(number: int, rng: random.Random) -> dict[str, str]:
    """A file by git-lfs."""
    return _push("lfs", f"{number}.weights", rng.randbytes(rng.randrange(70_000, 300_000)), number)


def _git(number: int, rng: random.Random) -> dict[str, str]:
    """A few texts by git; every fifth push moves a tag and a branch too."""
    return _push("git", f"d{number % 7}/{number}.txt", rng.randbytes(300).hex().encode(), number)


def _push(name: str, path: str, content: bytes, number: int) -> dict[str, str]:
    copy, address = FOLDER / "copy", f"{os.environ['OPENSHELF_SOAK_REMOTE']}/ada/{name}"
    if not (copy / ".git").exists():
        _run(FOLDER, "clone", "--quiet", address, "copy")
        if name == "lfs":
            _run(copy, "lfs", "install", "--local")
            _run(copy, "lfs", "track", "*.weights")
    # A run that was taken up again has another port.
    _run(copy, "remote", "set-url", "origin", address)
    target = copy / path
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    _run(copy, "add", "--all")
    if _run(copy, "status", "--porcelain"):
        _run(copy, "commit", "--quiet", "-m", f"{name} {number}")
    refs = ["HEAD:refs/heads/main"]
    if name == "git" and number % 5 == 0:
        refs += [f"HEAD:refs/tags/t{number}", f"HEAD:refs/heads/b{number}"]
    try:
        _run(copy, "push", "--quiet", "origin", *refs)
    except RuntimeError:
        # As people do: see what the hub has. After a restore it has less than this copy remembers.
        _run(copy, "fetch", "--quiet", "origin")
        raise
    commit = _run(copy, "rev-parse", "HEAD")
    return {"repo": f"ada/{name}", "commit": commit, "path": path, "sha256": _sha256(content)}


def _run(folder: Path, *arguments: str) -> str:
    lock = folder / ".git" / "index.lock"
    lock.unlink(missing_ok=True)
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"git {arguments[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout.strip()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
