"""One virtual environment per client, built from its lock file and kept between runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements" / "clients"
HOME = Path(os.environ.get("OPENSHELF_CLIENTS", ROOT / ".venv-clients"))
TORCH = "torch==2.13.0+cpu"
_WITH_TORCH = ("sentence-transformers", "torch", "mergekit")


class CannotInstall(Exception):
    """An environment that this machine cannot have; the message says why."""


@cache
def python_of(name: str, locks: Path = LOCKS) -> Path:
    """The interpreter of the environment locked in ``locks / "{name}.lock"``, built when needed.

    The folder is named after the contents of the lock, so a new lock is a new environment. Workers of
    pytest-xdist wait for the one that builds.
    """
    lock = locks / f"{name}.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = HOME / f"{name}-{digest}"
    done = folder / ".complete"
    with _one_at_a_time(name):
        if not done.exists():
            for old in HOME.glob(f"{name}-{'?' * 12}"):
                shutil.rmtree(old, ignore_errors=True)
            _build(folder, lock)
            if name in _WITH_TORCH:
                _install_torch(folder)
            done.touch()
    return folder / "bin" / "python"


def program_of(name: str, program: str) -> Path:
    """A console script of the environment, such as ``hf``."""
    return python_of(name).parent / program


@contextmanager
def _one_at_a_time(name: str) -> Iterator[None]:
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{name}.flock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(folder: Path, lock: Path) -> None:
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise CannotInstall("uv is not there; `make test` installs it into .venv")
    _run(uv, "venv", "-q", "--python", sys.executable, str(folder))
    interpreter = str(folder / "bin" / "python")
    # The lock is complete, so dependencies need not be resolved again (and torch is not asked for by uv).
    _run(uv, "pip", "install", "-q", "--python", interpreter, "--no-deps", "--require-hashes", "-r", str(lock))


def _install_torch(folder: Path) -> None:
    """The CPU build only: what PyPI offers under the plain version wants gigabytes of CUDA.

    pip finds it through PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL.
    """
    interpreter = str(folder / "bin" / "python")
    try:
        _run(sys.executable, "-m", "pip", "--python", interpreter, "install", "-q", "--no-deps", TORCH)
    except CannotInstall as error:
        raise CannotInstall(f"pip offers no {TORCH} on this machine: set PIP_FIND_LINKS or add an index") from error


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotInstall(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")


if __name__ == "__main__":  # python tests/conformance/environments.py [name ...]: build beforehand
    for wanted in sys.argv[1:] or sorted(path.stem for path in LOCKS.glob("*.lock")):
        print(wanted, python_of(wanted))
