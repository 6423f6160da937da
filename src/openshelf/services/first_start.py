"""The first start of a hub: an administrator, and a token to begin with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from openshelf.domain.people import TokenRole
from openshelf.services import accounts, tokens
from openshelf.services.hub import Hub

NAME = "admin"
# Letters and digits that are not mistaken for each other: 31 of them, so 20 make 99 random bits.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class FirstUser:
    """The first administrator. Password and token are kept as hashes only, so this is the one time to show them."""

    name: str
    password: str
    token: str


def create_first_user(hub: Hub) -> FirstUser | None:
    """An administrator with a random password and a write token; None where somebody has an account already."""
    if not accounts.is_new(hub):
        return None
    password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
    account = accounts.create_user(hub, NAME, password, is_admin=True, only_first=True, is_random=True)
    _, token = tokens.create(hub, account, "first start", TokenRole.WRITE)
    return FirstUser(account.name, password, token)
