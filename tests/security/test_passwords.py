"""Which passwords are taken, and how often one may be guessed."""

from __future__ import annotations

from typing import Any

import argon2
import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from openshelf.errors import BadCredentials, Invalid, RateLimited
from openshelf.services import accounts
from openshelf.services.hub import Hub
from openshelf.services.passwords import CONTEXT_WORDS, MIN_PASSWORD, check_password
from tests.hubs import PASSWORD
from tests.interfaces.web.visitors import Visitor


def test_no_password_of_the_known_list_is_taken() -> None:
    known = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= MIN_PASSWORD]
    assert len(known) > 1000
    for word in known[::10]:
        with pytest.raises(Invalid, match="easy to guess"):
            check_password(word)


@pytest.mark.parametrize(
    "password",
    [
        "Password123",
        "p@ssw0rd123",
        "qwertyuiop",
        "1234567890",
        "aaaaaaaaaaaa",
        "iloveyou123",
        "abcabcabcabc",
        "x" * 1024,
    ],
)
def test_what_everybody_tries_first_is_refused(password: str) -> None:
    with pytest.raises(Invalid, match="easy to guess"):
        check_password(password)


@pytest.mark.parametrize("password", ["alice12345", "Wonderland1", "Grossverlag1", "openshelf1", "huggingface1"])
def test_words_of_the_hub_and_the_account_are_no_secret(password: str) -> None:
    assert "openshelf" in CONTEXT_WORDS
    with pytest.raises(Invalid, match="easy to guess"):
        check_password(password, ("alice", "Alice Wonderland", "a@wonderland.example", "Grossverlag"))


@pytest.mark.parametrize(
    "password",
    [
        "vier lose worte genug",
        "nur kleine buchstaben überall",
        "密码很长而且没有规则可循吗",
        "  leading and trailing blanks ",
        "7 dwarfs ate 93 tangerines; " * 36,
        "gvnqxwzkjr",
    ],
)
def test_any_characters_in_any_mixture_are_taken(password: str) -> None:
    check_password(password, ("alice",))


def test_a_form_refuses_them_too(hub: Hub, alice: Visitor) -> None:
    form = {"current": PASSWORD, "password": "alice12345"}
    answer = alice.submit("/settings/password", "/settings/account", **form)
    assert answer.status_code == 422
    assert "easy to guess" in answer.text
    assert "alice12345" not in answer.text
    answer = alice.submit("/administration/users", name="carol", full_name="", password="1234567890")
    assert answer.status_code == 422
    assert accounts.search(hub, "carol") == []


def test_a_password_is_taken_exactly_as_typed(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    exact = " Four Words, as TYPED " + "x y z " * 20
    form = {"current": PASSWORD, "password": exact}
    assert alice.submit("/settings/password", "/settings/account", **form).status_code == 303
    for wrong in (exact.strip(), exact.lower(), exact[:-1], exact[:72]):
        assert stranger.submit("/login", name="alice", password=wrong).status_code == 422
    assert stranger.submit("/login", name="alice", password=exact).status_code == 303


def test_fields_can_be_pasted_into_and_filled_by_password_managers(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    for page in (stranger.text("/login"), alice.text("/settings/account")):
        assert 'type="password"' in page
        assert 'autocomplete="current-password"' in page
        assert "onpaste" not in page
    assert 'autocomplete="new-password"' in alice.text("/settings/account")


class _Watched:
    """A hasher that tells how often it was asked, and what was counted by then."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub, self.name = hub, name
        self.counted: list[int] = []

    def verify(self, _hashed: str, _password: str) -> bool:
        self.counted.append(self.hub.sign_in_limits._counts.get(f"name {self.name}", 0))
        raise argon2.exceptions.VerifyMismatchError


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_guesses_are_counted_before_they_are_judged_and_cost_the_same(
    hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: Any = _Watched(hub, name)
    monkeypatch.setattr(accounts, "_hasher", watched)
    for _ in range(3):
        with pytest.raises(BadCredentials):
            accounts.verify_password(hub, name.upper(), "a guess", address="203.0.113.1")
    assert watched.counted == [1, 2, 3], "guesses at the same time would all be let through"


def test_one_address_cannot_shut_somebody_out(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    real = accounts._hasher
    watched: Any = _Watched(hub, "alice")
    monkeypatch.setattr(accounts, "_hasher", watched)
    limit = hub.settings.rate_limit_sign_in

    def guess(address: str) -> None:
        with pytest.raises((BadCredentials, RateLimited)):
            accounts.verify_password(hub, "alice", "a guess", address=address)

    for number in range(3 * limit):
        guess(f"2001:db8:0:1::{number:x}")
    assert len(watched.counted) == limit, "a customer's whole IPv6 network is one guesser"
    monkeypatch.setattr(accounts, "_hasher", real)
    assert accounts.verify_password(hub, "alice", PASSWORD, address="198.51.100.7").name == "alice"
    monkeypatch.setattr(accounts, "_hasher", watched)
    for number in range(10 * limit):
        guess(f"192.0.2.{number}")
    with pytest.raises(RateLimited):
        accounts.verify_password(hub, "alice", PASSWORD, address="198.51.100.7")


def test_requests_cannot_wash_the_count_of_guesses_away(hub: Hub) -> None:
    with pytest.raises(BadCredentials):
        accounts.verify_password(hub, "nobody", "a guess", address="203.0.113.1")
    assert hub.sign_in_limits is not hub.rate_limits
    assert hub.sign_in_limits._counts
