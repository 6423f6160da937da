"""What somebody filled in: the fields of a form, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import parse_qs

from starlette.requests import Request

from openshelf.errors import Invalid, OpenshelfError
from openshelf.interfaces.http.bodies import read_body

MAX_BYTES = 256 * 1024
MAX_FIELDS = 1000


class Form:
    """Fields by name, as text; ``errors`` maps a field to what is wrong with it, in the order found."""

    def __init__(self, fields: Mapping[str, list[str]] | None = None, **defaults: str) -> None:
        self._fields = {**{name: [value] for name, value in defaults.items()}, **(fields or {})}
        self.errors: dict[str, str] = {}

    def text(self, name: str) -> str:
        """The field's first value without blanks around it; empty where it was not sent."""
        return self.exact(name).strip()

    def exact(self, name: str) -> str:
        """The field's first value as it was typed: for passwords."""
        values = self._fields.get(name)
        return values[0] if values else ""

    def every(self, name: str) -> list[str]:
        return list(self._fields.get(name, ()))

    def has(self, name: str) -> bool:
        """Whether the form was sent with this field at all, be it empty."""
        return name in self._fields

    def with_value(self, name: str, value: str) -> Form:
        """The same form with another value in one field."""
        changed = Form({**self._fields, name: [value]})
        changed.errors = dict(self.errors)
        return changed

    def fail(self, name: str, message: str) -> None:
        """Say what is wrong with a field; the first thing said of it stays."""
        self.errors.setdefault(name, message)

    def blame(self, name: str, *kinds: type[OpenshelfError]) -> Blame:
        """For ``with``: errors of these kinds are the fault of field ``name``, and kept for the page, not raised."""
        return Blame(self, name, kinds)


@dataclass(frozen=True, slots=True)
class Blame:
    """Keeps errors of some kinds for one field of a form."""

    form: Form
    name: str
    kinds: tuple[type[OpenshelfError], ...]

    def __enter__(self) -> None:
        """Nothing is needed on the way in."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if not isinstance(error, self.kinds):
            return False
        self.form.fail(self.name, error.message)
        return True


async def read_form(request: Request, limit: int = MAX_BYTES) -> Form:
    """The form in the body of ``request``. Raises Invalid where it is not one, TooLarge past ``limit`` bytes."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Invalid("This address takes forms of this hub's pages; programs use the JSON API.")
    body = await read_body(request, limit)
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Invalid("The form could not be read; reload the page and send it again.") from None
    return Form({name: [_clean(value) for value in values] for name, values in fields.items()})


def _clean(value: str) -> str:
    return value.replace("\r\n", "\n").replace("\0", "")
