"""Many rows in one statement: statements compiled once and run by the driver itself.

SQLAlchemy spends more on building and running a statement than SQLite on obeying it; intake runs the same dozen
statements thousands of times a second, so their text and value converters are kept and the driver's own cursor is used
(measured in `bench/`). Errors are the driver's; `storage.errors.is_away` knows both kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table

from storage.cells import Cells, Records, Row, row_type

MOST_AT_ONCE = 64
"""Rows of one statement on SQLite; the widest table needs far fewer variables than SQLite allows (32,766)."""


def _unnest(table: Table, parameter: int) -> str:
    """`unnest($1::tickets[])`: PostgreSQL's way to take any number of rows in one statement."""
    return f"unnest(${parameter}::{table.name}[])"


def _run_padded(cursor: Any, texts: dict[int, str], make: Callable[[int], str], cells: list[list[Any]]) -> None:
    """Run statements of a power of two of rows each on SQLite, so that few texts are ever prepared.

    The driver gives the interpreter lock away at every row of an executemany, and the event loop is slow to give it
    back; a statement of many rows gives it away once.
    """
    start = 0
    while start < len(cells):
        size = MOST_AT_ONCE
        while size > len(cells) - start:
            size //= 2
        text = texts.get(size)
        if text is None:
            text = texts[size] = make(size)
        cursor.execute(text, list(chain.from_iterable(cells[start : start + size])))
        start += size


class _Statement(ABC):
    """A statement for any number of rows of one table that have the same keys, for one database or both."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self.table = table
        self.names = tuple(names)
        self._texts: dict[int, str] = {}
        self._cells: Cells | None = None
        self._records: dict[tuple[str, ...], Records] = {}

    @abstractmethod
    def array(self, parameter: int) -> str:
        """The text for rows in one PostgreSQL parameter."""

    @abstractmethod
    def of(self, size: int) -> str:
        """The text for `size` rows on SQLite."""

    def values(self, connection: Connection, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        """What PostgreSQL's parameter is given."""
        order = row_type(connection, self.table)
        known = self._records.get(order)
        if known is None:
            known = self._records[order] = Records(self.table, self.names, connection.dialect, order)
        record = known.of
        return [record(row) for row in rows]

    def run_on_sqlite(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Write the rows."""
        if self._cells is None:
            self._cells = Cells(self.table, self.names, connection.dialect)
        cell = self._cells.of
        cursor = connection.connection.cursor()
        try:
            _run_padded(cursor, self._texts, self.of, [cell(row) for row in rows])
        finally:
            cursor.close()


class _Insert(_Statement):
    """An insert of rows."""

    def __init__(self, table: Table, names: tuple[str, ...], on_conflict: str) -> None:
        super().__init__(table, names)
        self._quoted = [f'"{name}"' for name in names]
        self._columns = f"INSERT INTO {table.name} ({', '.join(self._quoted)})"
        self._row = f"({', '.join('?' * len(names))})"
        self._on_conflict = on_conflict

    def array(self, parameter: int) -> str:
        columns = ", ".join(f"r.{name}" for name in self._quoted)
        rows = f"{_unnest(self.table, parameter)} AS r"
        return f"{self._columns} SELECT {columns} FROM {rows} {self._on_conflict}"  # noqa: S608 - names of ours

    def of(self, size: int) -> str:
        return f"{self._columns} VALUES {', '.join([self._row] * size)} {self._on_conflict}".strip()


class UpdateMany(_Statement):
    """Changes many rows, each to values of its own, by one statement.

    `keys` name the columns a row is found by, `values` those it is given; rows are dictionaries with all of them.
    `condition` is SQL that must hold besides ("state = 'sending'").
    """

    def __init__(self, table: Table, keys: Sequence[str], values: Sequence[str], condition: str = "") -> None:
        super().__init__(table, (*keys, *values))
        sets = ", ".join(f"{name} = v.{name}" for name in values)
        found = " AND ".join(
            [*(f"{table.name}.{key} = v.{key}" for key in keys), *([f"{table.name}.{condition}"] if condition else [])]
        )
        self._set = f"UPDATE {table.name} SET {sets} FROM"  # noqa: S608 - names of ours
        self._where = f"WHERE {found}"

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Change the rows; those that are not found are left out silently."""
        write_together(connection, changes=[(self, rows)])

    def array(self, parameter: int) -> str:
        return f"{self._set} {_unnest(self.table, parameter)} AS v {self._where}"

    def of(self, size: int) -> str:
        row = f"({', '.join('?' * len(self.names))})"
        return f"WITH v ({', '.join(self.names)}) AS (VALUES {', '.join([row] * size)}) {self._set} v {self._where}"


_inserts: dict[tuple[str, tuple[str, ...], str], _Insert] = {}


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row], *, on_conflict: str = "") -> None:
    """Insert rows that all have the same keys.

    `on_conflict` is appended to the statement as it is ("ON CONFLICT DO NOTHING").
    """
    insert_tables(connection, [(table, rows, on_conflict)])


def insert_tables(connection: Connection, loads: Sequence[tuple[Table, Sequence[Row], str]]) -> None:
    """Insert the rows of several tables, each as by `insert_rows`; on PostgreSQL in one statement and round trip.

    Two loads must not be for the same table.
    """
    write_together(connection, loads=loads)


def write_together(
    connection: Connection,
    *,
    changes: Sequence[tuple[UpdateMany, Sequence[Row]]] = (),
    loads: Sequence[tuple[Table, Sequence[Row], str]] = (),
) -> None:
    """Change rows and insert others, on PostgreSQL in one statement and round trip; no row may be meant twice."""
    steps: list[tuple[_Statement, Sequence[Row]]] = [(change, rows) for change, rows in changes if rows]
    for table, rows, on_conflict in loads:
        if not rows:
            continue
        key = (table.name, tuple(rows[0]), on_conflict)
        statement = _inserts.get(key)
        if statement is None:
            statement = _inserts[key] = _Insert(table, key[1], on_conflict)
        steps.append((statement, rows))
    if not steps:
        return
    if connection.dialect.name == "sqlite":
        for step, rows in steps:
            step.run_on_sqlite(connection, rows)
        return
    parameters = [step.values(connection, rows) for step, rows in steps]
    cursor = connection.connection.cursor()
    try:
        cursor.execute(_together(tuple(step for step, _ in steps)), parameters)
    finally:
        cursor.close()


_joined: dict[tuple[_Statement, ...], str] = {}


def _together(statements: tuple[_Statement, ...]) -> str:
    """One PostgreSQL statement that does what several do: all but the last stand in its WITH list."""
    text = _joined.get(statements)
    if text is None:
        parts = [statement.array(parameter) for parameter, statement in enumerate(statements, 1)]
        ahead = ", ".join(f"t{n} AS ({part})" for n, part in enumerate(parts[:-1]))
        text = _joined[statements] = f"WITH {ahead} {parts[-1]}" if ahead else parts[-1]
    return text
