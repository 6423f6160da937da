"""What a request to the store says: who asks, and for which hash."""

from __future__ import annotations

from starlette.requests import Request

from openshelf.errors import Invalid
from openshelf.interfaces.http.requests import bearer_token, count, hub_of
from openshelf.services import xet_access
from openshelf.services.xet_access import Caller
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import from_hex


def caller_of(request: Request, write: bool = False) -> Caller:
    """Who asks, counted against the rate limit. Reads the catalogue, so call it off the event loop.

    Raises NotSignedIn, BadCredentials, Forbidden, RateLimited.
    """
    caller = xet_access.admit(hub_of(request), bearer_token(request), write=write)
    count(request, caller.actor)
    return caller


def hash_of(text: str) -> bytes:
    """A hash as addresses write it. Raises Invalid."""
    try:
        return from_hex(text)
    except XetFormatError as error:
        raise Invalid(f"{error}.".capitalize()) from None
