"""Hubs for tests: in a temporary folder, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from openshelf.app import open_hub
from openshelf.domain.people import Account, Actor, TokenRole
from openshelf.interfaces.asgi import build
from openshelf.services import accounts, tokens
from openshelf.services.hub import Hub
from openshelf.settings import Settings

PASSWORD = "a long enough password"


def make_hub(folder: Path, **settings: Any) -> Hub:
    """A hub in ``folder / "data"``; close it with ``hub.storage.close()``."""
    return open_hub(Settings(data=folder / "data", **settings))


def add_user(hub: Hub, name: str, role: TokenRole = TokenRole.WRITE) -> tuple[Account, str]:
    """A new user and the secret of a token; the first one of a hub is its administrator."""
    account = accounts.create_user(hub, name, PASSWORD)
    return account, tokens.create(hub, account, "tests", role)[1]


def actor(hub: Hub, name: str) -> Actor:
    return accounts.actor_of(hub, accounts.find(hub, name))


def client_of(hub: Hub, token: str | None = None) -> TestClient:
    """A client in this process; redirects are not followed, faults of the hub are raised."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return TestClient(build(hub), headers=headers, follow_redirects=False)
