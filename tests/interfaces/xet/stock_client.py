"""The stock Xet client, with a cache of its own for each that is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hf_xet
import pytest

from openshelf.domain.repos import Repo


@dataclass(frozen=True)
class StockClient:
    """Uploads to and downloads from one hub as one person; ``cache`` is what it remembers between sessions."""

    url: str
    token: str
    cache: Path

    def upload(self, repo: Repo, files: Mapping[str, bytes], **options: Any) -> dict[str, Any]:
        """Send files in one go; returns name to what the client says of each, and ``sent``: the bytes on the wire."""
        with self._session() as session:
            commit = session.new_upload_commit(**self._access(repo, "write"))
            tasks = {name: commit.start_upload_bytes(data, **options) for name, data in files.items()}
            report = commit.wait_to_finish()
        results: dict[str, Any] = {name: task.result().xet_info for name, task in tasks.items()}
        return {**results, "sent": report.dedup_metrics.total_bytes_uploaded}

    def download(self, repo: Repo, info: Any, size: int, start: int = 0, end: int | None = None) -> bytes:
        """The bytes ``[start, end)`` of a file."""
        with self._session() as session:
            group = session.new_download_stream_group(**self._access(repo, "read"))
            stop = size if end is None else end
            return b"".join(group.download_stream(hf_xet.XetFileInfo(info.hash, size), start, stop))

    @contextmanager
    def _session(self) -> Iterator[Any]:
        # The client looks for its cache again and again, not only at first.
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("HF_XET_CACHE", str(self.cache))
            yield hf_xet.XetSession()
        assert self.cache.is_dir(), "the client kept its cache elsewhere"

    def _access(self, repo: Repo, right: str) -> dict[str, Any]:
        return {
            "token_refresh_url": f"{self.url}/api/{repo.kind.plural}/{repo.full_name}/xet-{right}-token/main",
            "token_refresh_headers": {"authorization": f"Bearer {self.token}"},
        }
