"""People with browsers, in this process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx2
from starlette.testclient import TestClient

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.repos import Repo, Visibility
from openshelf.domain.tree import AddInline, Change
from openshelf.interfaces.asgi import build
from openshelf.interfaces.http.requests import SESSION_COOKIE
from openshelf.services import accounts, push, repos
from openshelf.services.hub import Hub
from tests.hubs import actor

_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


class Visitor:
    """One browser: keeps cookies, follows no redirects, sends the token of the page that a form stands on."""

    def __init__(self, hub: Hub, name: str = "", address: str = "http://testserver") -> None:
        headers = {"accept": "text/html,application/xhtml+xml", "accept-encoding": "identity"}
        self.client = TestClient(build(hub), base_url=address, headers=headers, follow_redirects=False)
        if name:
            secret = accounts.start_session(hub, accounts.find(hub, name))
            self.client.cookies.set(SESSION_COOKIE, secret, path="/")

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.client.get(path, headers=headers)

    def text(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.text

    def submit(self, path: str, page: str = "", **fields: Any) -> httpx2.Response:
        """Send the form at ``path`` with the token found on ``page``, the same address where it is not named."""
        return self.post(path, {"csrf": self.token(page or path), **fields})

    def token(self, page: str) -> str:
        found = _TOKEN.search(self.get(page).text)
        assert found, f"no form on {page}"
        return unescape(found[1])

    def post(self, path: str, fields: dict[str, Any], **headers: str) -> httpx2.Response:
        return self.client.post(path, data=fields, headers={"sec-fetch-site": "same-origin", **headers})


@dataclass(frozen=True)
class Element:
    """An opening tag as a browser would read it."""

    tag: str
    attributes: dict[str, str]


def elements(html: str) -> list[Element]:
    """Every opening tag of a page, in order."""
    found: list[Element] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append(Element(tag, {name: value or "" for name, value in attrs}))

    Reader().feed(html)
    return found


def make_repo(
    hub: Hub,
    owner: str,
    name: str,
    files: dict[str, bytes] | None = None,
    *,
    kind: RepoKind = RepoKind.MODEL,
    visibility: Visibility = Visibility.PUBLIC,
) -> Repo:
    """A repo of ``owner`` with ``files`` in one commit called "Add files"."""
    person = actor(hub, owner)
    repo = repos.create(hub, person, kind, name, visibility=visibility)
    changes: list[Change] = [AddInline(path, content) for path, content in (files or {}).items()]
    if changes:
        push.commit(hub, person, repo, "main", changes, "Add files")
    return repos.find(hub, person, kind, RepoId(owner, name))
