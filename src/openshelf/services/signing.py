"""Values that the hub gives out and recognises later, by an HMAC with its secret.

Each purpose has its own key, so that a value made for one is worth nothing for another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from openshelf.errors import BadCredentials
from openshelf.services.hub import Hub

_MAX_VALUE = 8192


def derive_key(hub: Hub, purpose: str) -> bytes:
    """32 bytes for one purpose."""
    return _derive(hub.storage.secret, purpose)


def sign(hub: Hub, purpose: str, data: Mapping[str, Any], seconds: int) -> str:
    """``data`` as a URL-safe text that ``verify`` takes for so many seconds."""
    return sign_by(hub.storage.secret, purpose, data, seconds)


def sign_by(secret: bytes, purpose: str, data: Mapping[str, Any], seconds: int) -> str:
    """As ``sign``, for who has the secret and no open hub."""
    body = json.dumps({**data, "exp": int(time.time()) + seconds}, separators=(",", ":")).encode()
    return f"{_encode(body)}.{_encode(_mac(secret, purpose, body))}"


def verify(hub: Hub, purpose: str, text: str) -> dict[str, Any]:
    """What was signed. Raises BadCredentials for a forged, foreign or expired value."""
    encoded, _, mac = text.partition(".")
    try:
        if len(text) > _MAX_VALUE:
            raise ValueError
        body, given = _decode(encoded), _decode(mac)
    except ValueError:
        raise BadCredentials("This address or token is not one of this hub's.") from None
    if not hmac.compare_digest(given, _mac(hub.storage.secret, purpose, body)):
        raise BadCredentials("This address or token is not one of this hub's.")
    data: dict[str, Any] = json.loads(body)
    if data["exp"] < time.time():
        raise BadCredentials("This address or token has expired; ask for a new one.")
    return data


def _mac(secret: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.digest(_derive(secret, f"sign:{purpose}"), body, hashlib.sha256)


def _derive(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, purpose.encode(), hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
