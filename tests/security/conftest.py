"""A hub with alice, its administrator, and bob, as the tests of pages have it; and one that runs."""

from tests.interfaces.conftest import here, world
from tests.interfaces.web.conftest import alice, bob, furnished, hub, stranger

__all__ = ["alice", "bob", "furnished", "here", "hub", "stranger", "world"]
