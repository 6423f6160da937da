"""The composition root: settings -> storage -> services -> interfaces. The only place that builds things."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from openshelf import settings as settings_module
from openshelf.interfaces.asgi import build
from openshelf.services.hub import Hub
from openshelf.settings import Settings
from openshelf.storage.store import open_storage


def open_hub(settings: Settings, *, create: bool = True) -> Hub:
    """The hub in the data folder that ``settings`` names; the caller closes ``hub.storage``."""
    return Hub(open_storage(settings.data, create=create), settings)


def create_app() -> FastAPI:
    """The application for one server process; its settings come from the environment and the data folder."""
    settings, _ = settings_module.load()
    hub = open_hub(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        hub.storage.close()

    return build(hub, lifespan)
