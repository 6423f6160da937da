"""Clones and fetches by git, a limited number at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

from openshelf.domain.repos import Repo
from openshelf.errors import StorageFault
from openshelf.services.hub import Hub
from openshelf.storage.repositories import serving

PATIENCE_SECONDS = 30.0


async def advertise(hub: Hub, repo: Repo, protocol: str) -> bytes:
    """What a client asks for before it fetches. Raises Unavailable where too many fetch already."""
    async with hub.slots.hold("fetch", hub.settings.git_processes, PATIENCE_SECONDS):
        return await serving.advertise(_path(hub, repo), protocol)


async def upload_pack(hub: Hub, repo: Repo, request: BinaryIO, protocol: str) -> AsyncGenerator[bytes, None]:
    """The answer to one request of a fetch, in pieces; close it to stop. Raises Unavailable as ``advertise`` does."""
    async with (
        hub.slots.hold("fetch", hub.settings.git_processes, PATIENCE_SECONDS),
        aclosing(serving.upload_pack(_path(hub, repo), request, protocol)) as pieces,
    ):
        async for piece in pieces:
            yield piece


def _path(hub: Hub, repo: Repo) -> Path:
    path = hub.storage.repositories.path(repo.id)
    if not path.is_dir():
        raise StorageFault(f"The git repository {path} is missing; run `openshelf fsck`.")
    return path
