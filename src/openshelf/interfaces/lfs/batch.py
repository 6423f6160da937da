"""The batch API of git-lfs: objects in, for each what to do out (git-lfs specification, docs/api/batch.md)."""

from __future__ import annotations

from typing import Any

from openshelf.domain.tree import Blob, is_sha256
from openshelf.errors import Conflict, Invalid, TooLarge
from openshelf.interfaces.http.errors import public_message, status_of
from openshelf.services.lfs import MAX_OBJECTS, Step

MAX_SIZE = 2**62


def read_request(request: Any) -> tuple[str, list[str], list[Blob]]:
    """The operation, the transfers that the client knows, and the objects. Raises Invalid, Conflict, TooLarge."""
    if not isinstance(request, dict):
        raise Invalid("The request must be a JSON object.")
    operation = request.get("operation")
    if operation not in ("upload", "download"):
        raise Invalid("operation must be upload or download.")
    if request.get("hash_algo", "sha256") != "sha256":
        raise Conflict("Only the hash algorithm sha256 is taken here.")
    transfers = request.get("transfers") or ["basic"]
    if not isinstance(transfers, list) or not all(isinstance(name, str) for name in transfers):
        raise Invalid("transfers must be a list of names.")
    objects = request.get("objects")
    if not isinstance(objects, list):
        raise Invalid("objects must be a list.")
    if len(objects) > MAX_OBJECTS:
        raise TooLarge(f"A batch may have at most {MAX_OBJECTS} objects; send several.")
    return operation, transfers, [read_object(item) for item in objects]


def read_part_bytes(request: Any) -> int:
    """The size of parts that the client would like, 0 where it does not say: ``chunk_size``, our own extension.

    A browser that may be closed at any time wants smaller parts than git-lfs. Raises Invalid.
    """
    size = request.get("chunk_size", 0)
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE:
        raise Invalid("chunk_size must be a number of bytes.")
    return size


def read_object(item: Any) -> Blob:
    """One ``{"oid": ..., "size": ...}``. Raises Invalid."""
    oid, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
    if not isinstance(oid, str) or not is_sha256(oid):
        raise Invalid("Each object needs an oid: the sha256 of its bytes, as 64 digits.")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE:
        raise Invalid(f"Object {oid} needs its size in bytes.")
    return Blob(oid, size)


def answer(operation: str, steps: list[Step], base_url: str) -> dict[str, Any]:
    """The whole answer; ``base_url`` is where clients reach the hub."""
    in_parts = any(step.part_bytes for step in steps)
    return {
        "transfer": "multipart" if in_parts else "basic",
        "objects": [_object(operation, step, base_url) for step in steps],
        "hash_algo": "sha256",
    }


def _object(operation: str, step: Step, base_url: str) -> dict[str, Any]:
    found: dict[str, Any] = {"oid": step.blob.sha256, "size": step.blob.size}
    if step.error is not None:
        return {**found, "error": {"code": status_of(step.error), "message": public_message(step.error)}}
    if not step.ticket:
        return found
    address = f"{base_url}/api/lfs/objects/{step.blob.sha256}"
    ticket = f"?ticket={step.ticket}"
    if operation == "download":
        actions = {"download": _action(address + ticket, step)}
    elif step.part_bytes:
        parts = {str(number): f"{address}/parts/{number}{ticket}" for number in range(1, step.parts + 1)}
        header = {"chunk_size": str(step.part_bytes), **parts}
        actions = {
            "upload": {**_action(f"{address}/complete{ticket}", step), "header": header},
            "verify": _action(f"{address}/verify{ticket}", step),
        }
    else:
        actions = {
            "upload": _action(address + ticket, step),
            "verify": _action(f"{address}/verify{ticket}", step),
        }
    # "authenticated" keeps git-lfs from asking for credentials that the addresses do not need.
    return {**found, "authenticated": True, "actions": actions}


def _action(href: str, step: Step) -> dict[str, Any]:
    return {"href": href, "expires_in": step.seconds}
