"""The composition root: settings -> storage -> services -> interfaces. The only place that builds things."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI

from openshelf import settings as settings_module
from openshelf.interfaces import logs
from openshelf.interfaces.asgi import build
from openshelf.interfaces.worker import EmbeddedWorker
from openshelf.services import downloads
from openshelf.services.hub import Hub
from openshelf.settings import Settings
from openshelf.storage.store import open_storage

# Threads for what blocks: the catalogue, git, the disk. The catalogue's pool has room for as many.
REQUEST_THREADS = 64


def open_hub(settings: Settings, *, create: bool = True) -> Hub:
    """The hub in the data folder that ``settings`` names; the caller closes ``hub.storage``."""
    return Hub(open_storage(settings.data, create=create), settings)


def create_app() -> FastAPI:
    """The application for one server process; its settings come from the environment and the data folder."""
    settings, _ = settings_module.load()
    logs.configure(settings)
    hub = open_hub(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = REQUEST_THREADS
        worker = EmbeddedWorker(hub) if settings.embedded_worker and not settings.read_only else None
        if worker:
            worker.start()
        with downloads.counting(hub):
            yield
        finished = await to_thread.run_sync(worker.stop) if worker else True
        hub.storage.close()
        if not finished:
            # The job's thread cannot be ended otherwise, and the interpreter would wait for it. Jobs are made for this.
            sys.stderr.flush()
            os._exit(0)

    return build(hub, lifespan)
