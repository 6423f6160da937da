"""The permission rule, case by case."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from openshelf.domain.access import Access, access, may_administer_hub
from openshelf.domain.people import ANONYMOUS, Account, AccountKind, Actor, Grant, Role, Token, TokenRole
from openshelf.domain.repos import Visibility

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PUBLIC, PRIVATE = Visibility.PUBLIC, Visibility.PRIVATE


def _actor(
    *roles: tuple[str, Role], token: TokenRole | None = None, grants: tuple[Grant, ...] = (), **account: bool
) -> Actor:
    person = Account("me", AccountKind.USER, "me", "Me", NOW, **account)  # type: ignore[arg-type]
    held = Token("t", "me", "t", token, "", NOW, grants=grants) if token else None
    return Actor(person, {"me": Role.ADMIN, **dict(roles)}, {}, held)


CASES = [
    (ANONYMOUS, "you", PUBLIC, Access.READ),
    (ANONYMOUS, "you", PRIVATE, Access.NONE),
    (_actor(), "me", PRIVATE, Access.ADMIN),
    (_actor(), "you", PRIVATE, Access.NONE),
    (_actor(), "you", PUBLIC, Access.READ),
    (_actor(("lab", Role.READ)), "lab", PRIVATE, Access.READ),
    (_actor(("lab", Role.WRITE)), "lab", PRIVATE, Access.WRITE),
    (_actor(("lab", Role.ADMIN)), "lab", PRIVATE, Access.ADMIN),
    (_actor(is_admin=True), "you", PRIVATE, Access.ADMIN),
    (_actor(is_disabled=True), "me", PRIVATE, Access.NONE),
    (_actor(is_disabled=True), "me", PUBLIC, Access.READ),
    (_actor(token=TokenRole.READ), "me", PRIVATE, Access.READ),
    (_actor(token=TokenRole.WRITE), "me", PRIVATE, Access.ADMIN),
    (_actor(token=TokenRole.READ, is_admin=True), "you", PRIVATE, Access.READ),
    (_actor(token=TokenRole.FINE_GRAINED, grants=(Grant("repo", Role.WRITE),)), "me", PRIVATE, Access.WRITE),
    (_actor(token=TokenRole.FINE_GRAINED, grants=(Grant("other", Role.WRITE),)), "me", PRIVATE, Access.NONE),
    (_actor(token=TokenRole.FINE_GRAINED, grants=(Grant("me", Role.READ),)), "me", PRIVATE, Access.READ),
    # A grant never gives more than its owner holds.
    (_actor(token=TokenRole.FINE_GRAINED, grants=(Grant("repo", Role.ADMIN),)), "you", PRIVATE, Access.NONE),
]


@pytest.mark.parametrize(("actor", "owner", "visibility", "expected"), CASES)
def test_access(actor: Actor, owner: str, visibility: Visibility, expected: Access) -> None:
    assert access(actor, owner, "repo", visibility) is expected


def test_only_administrators_with_a_full_token_administer_the_hub() -> None:
    assert may_administer_hub(_actor(is_admin=True))
    assert may_administer_hub(_actor(is_admin=True, token=TokenRole.WRITE))
    assert not may_administer_hub(_actor(is_admin=True, token=TokenRole.READ))
    assert not may_administer_hub(_actor(is_admin=True, is_disabled=True))
    assert not may_administer_hub(_actor())
    assert not may_administer_hub(ANONYMOUS)
