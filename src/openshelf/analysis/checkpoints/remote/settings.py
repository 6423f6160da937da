"""What the environment says of hubs, by the variables that their usual clients read.

``HF_ENDPOINT``, ``HF_HUB_OFFLINE``, ``HF_TOKEN``, ``HF_TOKEN_PATH`` and ``HF_HOME`` mean what they mean to
``huggingface_hub``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

DEFAULT_ENDPOINT = "https://huggingface.co"
_MOST_TOKEN = 4096


def endpoint(environment: Mapping[str, str] | None = None) -> str:
    """The hub that references without an address mean."""
    environment = os.environ if environment is None else environment
    return (environment.get("HF_ENDPOINT", "").strip() or DEFAULT_ENDPOINT).rstrip("/")


def is_offline(environment: Mapping[str, str] | None = None) -> bool:
    """Whether no hub may be asked."""
    environment = os.environ if environment is None else environment
    return environment.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def token(environment: Mapping[str, str] | None = None) -> str | None:
    """The token for that hub: from ``HF_TOKEN``, else from the file in which ``hf auth login`` keeps it."""
    environment = os.environ if environment is None else environment
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if environment.get(name, "").strip():
            return environment[name].strip()
    if environment.get("HF_TOKEN_PATH"):
        path = Path(environment["HF_TOKEN_PATH"])
    else:
        cache = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        path = Path(environment.get("HF_HOME") or Path(cache) / "huggingface") / "token"
    try:
        with path.expanduser().open(encoding="ascii") as file:
            return file.read(_MOST_TOKEN).strip() or None
    except (OSError, ValueError):
        return None
