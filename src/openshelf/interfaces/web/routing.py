"""From an address to a page's handler: who asks is found, forms are checked, errors become pages."""

from __future__ import annotations

from collections.abc import Callable

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from openshelf.errors import OpenshelfError
from openshelf.interfaces.http.requests import actor_of
from openshelf.interfaces.web import csrf
from openshelf.interfaces.web.errors import error_response
from openshelf.interfaces.web.forms import MAX_BYTES, Form, read_form
from openshelf.interfaces.web.visit import Visit, visit_of

Show = Callable[[Visit], Response]
Submit = Callable[[Visit, Form], Response]


def page(
    path: str,
    show: Show | None = None,
    submit: Submit | None = None,
    *,
    harmless: bool = False,
    limit: int = MAX_BYTES,
) -> Route:
    """A page at ``path``. ``show`` answers GET and ``submit`` takes a form by POST; both run in a thread.

    A form that is ``harmless`` needs no token; it must still come from this hub. ``limit``: its size in bytes.
    """

    async def endpoint(request: Request) -> Response:
        try:
            if request.method != "POST" or submit is None:
                return await to_thread.run_sync(_show, request, show)
            form = await read_form(request, limit)
        except OpenshelfError as error:
            return await to_thread.run_sync(error_response, request, error)
        return await to_thread.run_sync(_submit, request, submit, form, harmless)

    methods = [method for method, handler in (("GET", show), ("POST", submit)) if handler]
    return Route(path, endpoint, methods=methods)


def _show(request: Request, show: Show | None) -> Response:
    assert show is not None
    try:
        response = show(visit_of(request, actor_of(request)))
    except OpenshelfError as error:
        response = error_response(request, error)
    if request.method == "HEAD":
        response.body = b""
    return response


def _submit(request: Request, submit: Submit, form: Form, harmless: bool) -> Response:
    try:
        if harmless:
            csrf.check_origin(request)
        else:
            csrf.check(request, form.exact(csrf.FIELD))
        request.state.form_checked = True
        return submit(visit_of(request, actor_of(request)), form)
    except OpenshelfError as error:
        return error_response(request, error)
