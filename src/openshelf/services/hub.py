"""What every service works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from openshelf.errors import Unavailable
from openshelf.services.limits import RateLimits
from openshelf.settings import Settings
from openshelf.storage.store import Storage


@dataclass(frozen=True, slots=True)
class Hub:
    """An open hub: where it keeps things, how it is set up, and what it remembers between requests."""

    storage: Storage
    settings: Settings
    rate_limits: RateLimits = field(default_factory=RateLimits)

    def check_writable(self) -> None:
        """Raises Unavailable while the hub is read-only."""
        if self.settings.read_only:
            raise Unavailable("This hub is read-only at the moment, for maintenance. Try again later.")


def now() -> datetime:
    return datetime.now(UTC)
