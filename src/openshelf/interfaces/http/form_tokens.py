"""Tokens that only this hub's own pages can hold: an HMAC of the browser's secret, masked anew for each page.

A form carries one in a field (``web.csrf``), a script of our pages in the header ``X-CSRF-Token``. Another site can
neither read the browser's secret nor make the token, nor may it add that header.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

from openshelf.services.hub import Hub
from openshelf.services.signing import derive_key

HEADER = "x-csrf-token"
_SIZE = 32


def make(hub: Hub, secret: str) -> str:
    """A token for one page. It is masked anew each time, so that compression cannot give it away (BREACH)."""
    mask = secrets.token_bytes(_SIZE)
    return base64.urlsafe_b64encode(mask + _xor(mask, _mac(hub, secret))).decode()


def is_good(hub: Hub, secret: str, given: str) -> bool:
    """Whether ``given`` was made for the browser that holds ``secret``."""
    try:
        value = base64.b64decode(given.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(value) != 2 * _SIZE:
        return False
    return hmac.compare_digest(_xor(value[:_SIZE], value[_SIZE:]), _mac(hub, secret))


def _mac(hub: Hub, secret: str) -> bytes:
    return hmac.digest(derive_key(hub, "csrf"), secret.encode(), hashlib.sha256)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
