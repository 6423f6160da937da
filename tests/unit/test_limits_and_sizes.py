"""Rate limits and amounts for people."""

from __future__ import annotations

import pytest

from openshelf.errors import Invalid, RateLimited
from openshelf.services.limits import RateLimits, network_of
from openshelf.services.sizes import parse_size, readable_size


def test_a_window_takes_so_many_and_no_more() -> None:
    limits = RateLimits()
    left = [state.remaining for _ in range(3) if (state := limits.take("a", 3, "Too many."))]
    assert left == [2, 1, 0]
    with pytest.raises(RateLimited, match=r"Too many\. Try again in \d+ seconds") as caught:
        limits.take("a", 3, "Too many.")
    assert 0 < caught.value.retry_after <= 301
    assert limits.take("b", 3, "Too many.") is not None


def test_zero_is_without_limit() -> None:
    limits = RateLimits()
    assert limits.take("a", 0, "") is None
    limits.give_back("a")


def test_what_is_given_back_is_not_counted() -> None:
    limits = RateLimits()
    for _ in range(3):
        limits.take("a", 1, "")
        limits.give_back("a")
    limits.give_back("never taken")
    limits.take("a", 1, "")
    with pytest.raises(RateLimited):
        limits.take("a", 1, "")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("testclient", "testclient"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_a_customers_ipv6_network_counts_as_one_client(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.00 kB"), (12_340, "12.3 kB"), (999_999, "1.00 MB"),
     (5_368_709_120, "5.37 GB"), (10**17, "100 PB"), (10**19, "10000 PB")],
)  # fmt: skip
def test_sizes(size: int, text: str) -> None:
    assert readable_size(size) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("500 MB", 500_000_000),
        ("1.5T", 1_500_000_000_000),
        ("4GiB", 4 * 1024**3),
        ("12 bytes", 12),
        ("7k", 7000),
        (" 2 Ti ", 2 * 1024**4),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1 MB", "1e9", "5 XB", "1.2345 GB", "9" * 13, "ten GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not a size"):
        parse_size(text)
