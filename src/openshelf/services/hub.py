"""What every service works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from openshelf.errors import ReadOnlyHub
from openshelf.services.download_counter import DownloadCounter
from openshelf.services.limits import RateLimits, Slots
from openshelf.services.read_only import Switch
from openshelf.settings import Settings
from openshelf.storage.store import Storage


@dataclass(frozen=True, slots=True)
class Hub:
    """An open hub: where it keeps things, how it is set up, and what it remembers between requests."""

    storage: Storage
    settings: Settings
    rate_limits: RateLimits = field(default_factory=RateLimits)
    sign_in_limits: RateLimits = field(default_factory=RateLimits)
    slots: Slots = field(default_factory=Slots)
    downloads: DownloadCounter = field(default_factory=DownloadCounter)
    read_only_switch: Switch = field(default_factory=Switch)

    @property
    def is_read_only(self) -> bool:
        """Whether changes are refused: by the setting, or because an administrator has switched to it."""
        return self.settings.read_only or self.read_only_switch.state(self.storage) is not None

    @property
    def read_only_reason(self) -> str:
        """What the administrator who switched to read-only mode tells people; empty where that says nothing."""
        state = self.read_only_switch.state(self.storage)
        return state.reason if state else ""

    def check_writable(self) -> None:
        """Raises ReadOnlyHub while the hub is read-only."""
        if self.is_read_only:
            raise ReadOnlyHub(self.read_only_reason)


def now() -> datetime:
    return datetime.now(UTC)
