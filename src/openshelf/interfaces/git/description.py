"""The routes of git in the OpenAPI description; git itself needs none."""

from __future__ import annotations

from collections.abc import Iterator

from openshelf.interfaces.http.description import BYTES, TEXT, Operation

_TAG = "git"
_SERVICES = ("git-upload-pack", "git-receive-pack")
_ERROR = {"text/plain": TEXT}


def operations() -> Iterator[Operation]:
    """What ``routes`` answers."""
    for prefix in ("", "/{kind}"):
        root = f"{prefix}/{{owner}}/{{name}}"
        yield Operation(
            "GET",
            f"{root}/info/refs",
            _TAG,
            "What a clone, fetch or push asks first",
            {200: {f"application/x-{service}-advertisement": BYTES for service in _SERVICES}, 301: {}},
            "The smart protocol of git (gitprotocol-http(5)).",
            query={"service": {"enum": list(_SERVICES)}},
            required=("service",),
            error=_ERROR,
        )
        for service, summary in zip(_SERVICES, ("One round of a clone or fetch", "A push"), strict=True):
            yield Operation(
                "POST",
                f"{root}/{service}",
                _TAG,
                summary,
                {200: {f"application/x-{service}-result": BYTES}},
                body={f"application/x-{service}-request": BYTES},
                error=_ERROR,
            )
