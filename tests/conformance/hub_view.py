"""What is on the hub, asked in plain HTTP: the second opinion on what a client did."""

from __future__ import annotations

import base64
import json
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx


class HubView:
    """A few questions; an answer other than 2xx raises, except where a status is asked for."""

    def __init__(self, url: str, token: str | None) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=60, follow_redirects=True, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._client.close()

    def create(self, name: str, kind: str = "model", private: bool = False) -> None:
        namespace, _, short = name.partition("/")
        body = {"name": short, "organization": namespace, "type": kind, "private": private}
        if kind == "space":
            body["sdk"] = "static"
        self._client.post("/api/repos/create", json=body).raise_for_status()

    def status(self, path: str, **options: Any) -> int:
        return self._client.get(path, **options).status_code

    def info(self, name: str, kind: str = "model", **params: str) -> dict[str, Any]:
        found: dict[str, Any] = self._json(f"/api/{kind}s/{name}", **params)
        return found

    def exists(self, name: str, kind: str = "model") -> bool:
        return self.status(f"/api/{kind}s/{name}") == 200

    def files(self, name: str, kind: str = "model", revision: str = "main") -> dict[str, dict[str, Any]]:
        """Every file at a revision by path, all pages."""
        url: str | None = f"/api/{kind}s/{name}/tree/{quote(revision, safe='')}?recursive=true"
        found: dict[str, dict[str, Any]] = {}
        while url:
            answer = self._client.get(url).raise_for_status()
            found |= {entry["path"]: entry for entry in answer.json() if entry["type"] == "file"}
            url = answer.links.get("next", {}).get("url")
        return found

    def read(self, name: str, path: str, kind: str = "model", revision: str = "main", bytes_: str = "") -> bytes:
        prefix = "" if kind == "model" else f"/{kind}s"
        headers = {"range": f"bytes={bytes_}"} if bytes_ else {}
        url = f"{prefix}/{name}/resolve/{quote(revision, safe='')}/{quote(path)}"
        return self._client.get(url, headers=headers).raise_for_status().content

    def commits(self, name: str, kind: str = "model", revision: str = "main") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._json(f"/api/{kind}s/{name}/commits/{quote(revision, safe='')}")
        return found

    def refs(self, name: str, kind: str = "model") -> dict[str, dict[str, str]]:
        found = self._json(f"/api/{kind}s/{name}/refs", include_prs="1")
        return {group: {ref["name"]: ref["targetCommit"] for ref in found[group] or []} for group in found}

    def move(self, old: str, new: str, kind: str = "model") -> None:
        self._client.post("/api/repos/move", json={"fromRepo": old, "toRepo": new, "type": kind}).raise_for_status()

    def upload(self, name: str, files: dict[str, bytes], kind: str = "model", revision: str = "main") -> str:
        """Commit small files; the id of the commit."""
        return str(self._commit(f"/api/{kind}s/{name}/commit/{quote(revision, safe='')}", files)["commitOid"])

    def open_pull(self, name: str, files: dict[str, bytes], kind: str = "model") -> str:
        """Propose small files; the address of the pull request."""
        return str(self._commit(f"/api/{kind}s/{name}/commit/main?create_pr=1", files)["pullRequestUrl"])

    def _commit(self, url: str, files: dict[str, bytes]) -> dict[str, Any]:
        lines: list[dict[str, Any]] = [{"key": "header", "value": {"summary": "Add files", "description": ""}}]
        for path, content in files.items():
            value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
            lines.append({"key": "file", "value": value})
        body = "\n".join(json.dumps(line) for line in lines)
        headers = {"content-type": "application/x-ndjson"}
        done: dict[str, Any] = self._client.post(url, content=body, headers=headers).raise_for_status().json()
        return done

    def _json(self, url: str, **params: str) -> Any:
        return self._client.get(url, params=params).raise_for_status().json()
