"""What every service works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from openshelf.errors import Unavailable
from openshelf.services.download_counter import DownloadCounter
from openshelf.services.folder_cache import FolderCache
from openshelf.services.limits import RateLimits, Slots
from openshelf.settings import Settings
from openshelf.storage.store import Storage


@dataclass(frozen=True, slots=True)
class Hub:
    """An open hub: where it keeps things, how it is set up, and what it remembers between requests."""

    storage: Storage
    settings: Settings
    rate_limits: RateLimits = field(default_factory=RateLimits)
    slots: Slots = field(default_factory=Slots)
    folders: FolderCache = field(default_factory=FolderCache)
    downloads: DownloadCounter = field(default_factory=DownloadCounter)

    def check_writable(self) -> None:
        """Raises Unavailable while the hub is read-only."""
        if self.settings.read_only:
            raise Unavailable("This hub is read-only at the moment, for maintenance. Try again later.")


def now() -> datetime:
    return datetime.now(UTC)
