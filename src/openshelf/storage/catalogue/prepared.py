"""Statements that nearly every request asks, ready for the database's driver."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from openshelf.storage.catalogue.engine import Transaction

_Convert = Callable[[Any], Any]


class Prepared:
    """A SELECT that is compiled once, for look-ups by key; not for lists of values (``IN``).

    SQLAlchemy spends several times as much on such a look-up as the database does, most of it on working out anew what
    does not change. Rows have the columns' names and hold what SQLAlchemy would give.
    """

    def __init__(self, statement: sa.Select[Any]) -> None:
        self._statement = statement
        self._compiled: _Compiled | None = None

    def one_or_none(self, tx: Transaction, **values: Any) -> Any:
        """The only row, or None where there is none."""
        rows = self.all(tx, **values)
        if len(rows) > 1:
            raise sa.exc.MultipleResultsFound(f"{len(rows)} rows where at most one can be: {self._statement}")
        return rows[0] if rows else None

    def all(self, tx: Transaction, **values: Any) -> list[Any]:
        """Every row, in the view that ``tx`` has of the catalogue."""
        compiled = self._compiled
        if compiled is None or compiled.dialect is not tx.dialect:
            compiled = self._compiled = _compile(self._statement, tx.dialect)
        if not tx.in_transaction():
            tx.begin()
        parameters = compiled.parameters(values)
        cursor = tx.connection.cursor()
        try:
            cursor.execute(compiled.text, parameters)
            found = cursor.fetchall()
        except compiled.error as error:
            raise sa.exc.DBAPIError.instance(
                compiled.text, parameters, error, compiled.error, dialect=tx.dialect
            ) from error
        finally:
            cursor.close()
        return [compiled.row(values) for values in found]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """``places``: for each parameter its name, or None and its value, and what makes it fit for the driver."""

    dialect: sa.Dialect
    error: type[Exception]
    text: str
    places: Sequence[tuple[str | None, Any, _Convert | None]]
    conversions: Sequence[tuple[int, _Convert]]
    make: Callable[[Sequence[Any]], Any]

    def parameters(self, values: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(
            fixed if name is None else convert(values[name]) if convert else values[name]
            for name, fixed, convert in self.places
        )

    def row(self, values: Sequence[Any]) -> Any:
        if self.conversions:
            changed = list(values)
            for place, convert in self.conversions:
                changed[place] = convert(changed[place])
            values = changed
        return self.make(values)


def _compile(statement: sa.Select[Any], dialect: sa.Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, sa.sql.compiler.SQLCompiler)
    assert compiled.positiontup is not None
    assert dialect.loaded_dbapi is not None
    places = []
    for name in compiled.positiontup:
        bind = compiled.binds[name]
        convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
        fixed = None if bind.required else (convert(bind.value) if convert else bind.value)
        places.append((name if bind.required else None, fixed, convert))
    columns = list(statement.selected_columns)
    conversions = []
    for place, column in enumerate(columns):
        convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
        if convert:
            conversions.append((place, convert))
    row = namedtuple("row", [column.name for column in columns])  # type: ignore[misc]
    return _Compiled(dialect, dialect.loaded_dbapi.Error, str(compiled), tuple(places), conversions, row._make)
