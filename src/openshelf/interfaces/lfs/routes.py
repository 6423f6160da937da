"""git-lfs over HTTP: the batch API, locks that nobody holds, and the addresses that batches hand out."""

from __future__ import annotations

import json
from typing import Any

from anyio import CancelScope, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openshelf.domain.names import RepoKind
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.errors import BlobNotFound, Invalid, NotSignedIn, Unsupported
from openshelf.interfaces.http.bodies import file_response, read_body, receive_into
from openshelf.interfaces.http.requests import base_url, hub_of, repo_of
from openshelf.interfaces.lfs.batch import answer, read_object, read_part_bytes, read_request
from openshelf.interfaces.lfs.errors import MEDIA_TYPE
from openshelf.services import lfs
from openshelf.services.hub import Hub
from openshelf.services.lfs import PartUpload, Purpose, Ticket, WholeUpload

MAX_REQUEST = 4 * 1024 * 1024


async def batch(request: Request) -> Response:
    """Say for each object how to send or fetch it."""
    hub, actor, repo = await to_thread.run_sync(_repo, request)
    content = await _json(request)
    operation, transfers, wanted = read_request(content)
    if operation == "download":
        steps = await to_thread.run_sync(lfs.plan_downloads, hub, repo, wanted)
    else:
        in_parts, size = "multipart" in transfers, read_part_bytes(content)
        steps = await to_thread.run_sync(
            lambda: lfs.plan_uploads(hub, actor, repo, wanted, in_parts=in_parts, part_bytes=size)
        )
    return _answer(answer(operation, steps, base_url(request)))


async def verify_locks(request: Request) -> Response:
    """No file is ever locked here; git-lfs asks before each push."""
    _, actor, _ = await to_thread.run_sync(_repo, request)
    if actor.is_anonymous:
        raise NotSignedIn
    return _answer({"ours": [], "theirs": []})


async def list_locks(request: Request) -> Response:
    await to_thread.run_sync(_repo, request)
    return _answer({"locks": []})


async def no_locks(request: Request) -> Response:
    _, actor, _ = await to_thread.run_sync(_repo, request)
    if actor.is_anonymous:
        raise NotSignedIn
    raise Unsupported("This hub offers no file locks. Work on a branch, and merge it by a pull request.")


async def download(request: Request) -> Response:
    """The bytes of an object, whole or in ranges."""
    hub, ticket = await to_thread.run_sync(_ticket, request, Purpose.DOWNLOAD)
    content = await to_thread.run_sync(lfs.download, hub, ticket)
    headers = {"Content-Type": "application/octet-stream", "Cache-Control": "private, max-age=0"}
    return await file_response(request, content, headers)


async def upload(request: Request) -> Response:
    """Take an object in one piece."""
    hub, ticket = await to_thread.run_sync(_ticket, request, Purpose.UPLOAD)
    taking = await to_thread.run_sync(WholeUpload, hub, ticket)
    try:
        await receive_into(request, taking, ticket.blob.size, exactly=ticket.blob.size)
        await to_thread.run_sync(taking.finish)
    except BaseException:
        with CancelScope(shield=True):
            await to_thread.run_sync(taking.discard)
        raise
    return Response(headers={"ETag": f'"{ticket.blob.sha256}"'})


async def upload_part(request: Request) -> Response:
    """Take one part of an object; a part may be sent again."""
    hub, ticket = await to_thread.run_sync(_ticket, request, Purpose.UPLOAD)
    taking = await to_thread.run_sync(PartUpload, hub, ticket, request.path_params["number"])
    try:
        await receive_into(request, taking, taking.size, exactly=taking.size)
    finally:
        with CancelScope(shield=True):
            etag = await to_thread.run_sync(taking.finish)
    return Response(headers={"ETag": f'"{etag}"'})


async def parts(request: Request) -> Response:
    """Say which parts of an object have arrived, for a client that goes on with an upload."""
    hub, ticket = await to_thread.run_sync(_ticket, request, Purpose.UPLOAD)
    return _answer({"parts": await to_thread.run_sync(lfs.received_parts, hub, ticket)})


async def complete(request: Request) -> Response:
    """Make an object of the parts that were sent."""
    hub, ticket = await to_thread.run_sync(_ticket, request, Purpose.UPLOAD)
    content = await _json(request)
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list):
        raise Invalid("parts must be a list of the parts that were sent.")
    numbers = [_part_number(part) for part in parts]
    await to_thread.run_sync(lfs.complete, hub, ticket, numbers)
    return _answer({"oid": ticket.blob.sha256, "size": ticket.blob.size})


async def verify(request: Request) -> Response:
    """Say whether an object has arrived."""
    hub, ticket = await to_thread.run_sync(_ticket, request, Purpose.UPLOAD)
    blob = read_object(await _json(request))
    if blob != ticket.blob or not await to_thread.run_sync(lfs.is_stored, hub, ticket.repo, blob):
        raise BlobNotFound(blob.sha256)
    return _answer({})


def _part_number(part: Any) -> int:
    number = part.get("partNumber") if isinstance(part, dict) else None
    if not isinstance(number, int):
        raise Invalid("Each part needs its partNumber.")
    return number


def _repo(request: Request) -> tuple[Hub, Actor, Repo]:
    parameters = request.path_params
    kind = parameters.get("kind", RepoKind.MODEL)
    return repo_of(request, kind, parameters["owner"], parameters["name"].removesuffix(".git"))


def _ticket(request: Request, purpose: Purpose) -> tuple[Hub, Ticket]:
    hub = hub_of(request)
    return hub, lfs.read_ticket(hub, purpose, request.query_params.get("ticket", ""), request.path_params["sha256"])


async def _json(request: Request) -> Any:
    content = await read_body(request, MAX_REQUEST)
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Invalid("The request is not JSON.") from None


def _answer(content: dict[str, Any]) -> Response:
    return JSONResponse(content, media_type=MEDIA_TYPE)


_OBJECT = "/api/lfs/objects/{sha256:segment}"

routes = [
    *(
        Route(f"{prefix}/{{owner:segment}}/{{name:segment}}/info/lfs{end}", endpoint, methods=[method])
        for prefix in ("", "/{kind:kind}")
        for end, endpoint, method in (
            ("/objects/batch", batch, "POST"),
            ("/locks/verify", verify_locks, "POST"),
            ("/locks/{number:segment}/unlock", no_locks, "POST"),
            ("/locks", list_locks, "GET"),
            ("/locks", no_locks, "POST"),
        )
    ),
    Route(_OBJECT, download, methods=["GET"]),
    Route(_OBJECT, upload, methods=["PUT"]),
    Route(_OBJECT + "/parts/{number:int}", upload_part, methods=["PUT"]),
    Route(_OBJECT + "/parts", parts, methods=["GET"]),
    Route(_OBJECT + "/complete", complete, methods=["POST"]),
    Route(_OBJECT + "/verify", verify, methods=["POST"]),
]
