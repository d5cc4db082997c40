"""Many rows in one statement, and many keys in one look-up: statements compiled once and run by the driver itself.

SQLAlchemy spends more on building and running a statement than SQLite on obeying it; intake runs the same dozen
statements thousands of times a second, so their text and value converters are kept and the driver's own cursor is used
(measured in `bench/`). Errors are the driver's; `storage.errors.is_away` knows both kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Dialect,
    Executable,
    LargeBinary,
    Select,
    Table,
    bindparam,
)

from storage.types import EPOCH, MICROSECOND, Instant, Json, Key

Row = dict[str, Any]
Convert = Callable[[Any], Any]

MOST_AT_ONCE = 64
"""Rows of one statement on SQLite; the widest table needs far fewer variables than SQLite allows (32,766)."""


def _binder(kind: Any, dialect: Dialect) -> Convert | None:
    """What turns a value into what the driver takes; None where it takes it as it is."""
    # for the usual types, in one call what the general processors do in several
    if isinstance(kind, Json):
        return _json
    if dialect.name == "sqlite":
        if isinstance(kind, Key):
            return _octets
        if isinstance(kind, Instant):
            return _microseconds
        if isinstance(kind, LargeBinary | Boolean):
            return None
    elif isinstance(kind, Key | Instant | LargeBinary):
        return None
    found: Convert | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return found


def _octets(value: UUID | None) -> bytes | None:
    return None if value is None else value.bytes


def _microseconds(value: datetime | None) -> int | None:
    return None if value is None else (value - EPOCH) // MICROSECOND


_encode = msgspec.json.Encoder().encode


def _json(value: Any) -> str | None:
    return None if value is None else _encode(value).decode()


class _Cells:
    """Rows of dictionaries as the driver takes them: chosen columns in order, each value converted."""

    def __init__(self, table: Table, names: Sequence[str], dialect: Dialect) -> None:
        self._pick = itemgetter(*names)
        self._single = len(names) == 1
        self._convert = [
            (position, convert)
            for position, convert in enumerate(_binder(table.c[name].type, dialect) for name in names)
            if convert is not None
        ]

    def of(self, row: Row) -> list[Any]:
        """The cells of one row."""
        cells = [self._pick(row)] if self._single else list(self._pick(row))
        for position, convert in self._convert:
            cells[position] = convert(cells[position])
        return cells


def _arrays(table: Table, names: Sequence[str], dialect: Dialect, first: int = 1) -> str:
    """`unnest($1::uuid[], $2::text[], …)`: PostgreSQL's way to take any number of rows in one statement."""
    kinds = (table.c[name].type.compile(dialect=dialect) for name in names)
    return f"unnest({', '.join(f'${n}::{kind}[]' for n, kind in enumerate(kinds, first))})"


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


class _Insert:
    """An insert of rows with the same keys, for one database."""

    def __init__(self, table: Table, names: tuple[str, ...], dialect: Dialect, on_conflict: str) -> None:
        self.cells = _Cells(table, names, dialect)
        self._table, self._names, self._dialect = table, names, dialect
        self._columns = f"INSERT INTO {table.name} ({', '.join(f'{chr(34)}{n}{chr(34)}' for n in names)})"
        self._row = f"({', '.join('?' * len(names))})"
        self._on_conflict = on_conflict
        self.texts: dict[int, str] = {}

    def arrays(self, first: int = 1) -> str:
        """The statement for any number of rows as arrays, PostgreSQL's parameters numbered from `first`."""
        rows = _arrays(self._table, self._names, self._dialect, first)
        return f"{self._columns} SELECT * FROM {rows} {self._on_conflict}"  # noqa: S608 - names of ours

    @property
    def width(self) -> int:
        """How many columns it fills."""
        return len(self._names)

    def of(self, size: int) -> str:
        """The statement for `size` rows at once."""
        return f"{self._columns} VALUES {', '.join([self._row] * size)} {self._on_conflict}".strip()


_inserts: dict[tuple[str, str, tuple[str, ...], str], _Insert] = {}


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row], *, on_conflict: str = "") -> None:
    """Insert rows that all have the same keys.

    `on_conflict` is appended to the statement as it is ("ON CONFLICT DO NOTHING").
    """
    insert_tables(connection, [(table, rows, on_conflict)])


def insert_tables(connection: Connection, loads: Sequence[tuple[Table, Sequence[Row], str]]) -> None:
    """Insert the rows of several tables, each as by `insert_rows`; on PostgreSQL in one statement and round trip.

    Two loads must not be for the same table.
    """
    dialect = connection.dialect
    statements: list[_Insert] = []
    cells: list[list[list[Any]]] = []
    for table, rows, on_conflict in loads:
        if not rows:
            continue
        key = (dialect.name, table.name, tuple(rows[0]), on_conflict)
        statement = _inserts.get(key)
        if statement is None:
            statement = _inserts[key] = _Insert(table, key[2], dialect, on_conflict)
        statements.append(statement)
        cells.append([statement.cells.of(row) for row in rows])
    if not statements:
        return
    cursor = connection.connection.cursor()
    try:
        if dialect.name == "sqlite":
            for statement, values in zip(statements, cells, strict=True):
                _run_padded(cursor, statement.texts, statement.of, values)
        else:
            columns = [list(column) for values in cells for column in zip(*values, strict=True)]
            cursor.execute(_together(tuple(statements)), columns)
    finally:
        cursor.close()


_joined: dict[tuple[_Insert, ...], str] = {}


def _together(statements: tuple[_Insert, ...]) -> str:
    """One PostgreSQL statement that does several inserts: all but the last stand in its WITH list."""
    text = _joined.get(statements)
    if text is None:
        first, parts = 1, []
        for statement in statements:
            parts.append(statement.arrays(first))
            first += statement.width
        ahead = ", ".join(f"t{n} AS ({part})" for n, part in enumerate(parts[:-1]))
        text = _joined[statements] = f"WITH {ahead} {parts[-1]}" if ahead else parts[-1]
    return text


class UpdateMany:
    """Changes many rows, each to values of its own, by one statement.

    `keys` name the columns a row is found by, `values` those it is given; rows are dictionaries with all of them.
    `condition` is SQL that must hold besides ("state = 'sending'").
    """

    def __init__(self, table: Table, keys: Sequence[str], values: Sequence[str], condition: str = "") -> None:
        self._table = table
        self._names = (*keys, *values)
        sets = ", ".join(f"{name} = v.{name}" for name in values)
        found = " AND ".join(
            [*(f"{table.name}.{key} = v.{key}" for key in keys), *([f"{table.name}.{condition}"] if condition else [])]
        )
        self._set = f"UPDATE {table.name} SET {sets} FROM"  # noqa: S608 - names of ours
        self._where = f"WHERE {found}"
        self._cells: dict[str, _Cells] = {}
        self._texts: dict[int, str] = {}
        self._arrays = ""

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Change the rows; those that are not found are left out silently."""
        if not rows:
            return
        dialect = connection.dialect
        picker = self._cells.get(dialect.name)
        if picker is None:
            picker = self._cells[dialect.name] = _Cells(self._table, self._names, dialect)
        cells = [picker.of(row) for row in rows]
        cursor = connection.connection.cursor()
        try:
            if dialect.name == "sqlite":
                _run_padded(cursor, self._texts, self._of, cells)
            else:
                self._arrays = self._arrays or (
                    f"{self._set} {_arrays(self._table, self._names, dialect)} AS v ({', '.join(self._names)}) "
                    f"{self._where}"
                )
                cursor.execute(self._arrays, [list(column) for column in zip(*cells, strict=True)])
        finally:
            cursor.close()

    def _of(self, size: int) -> str:
        row = f"({', '.join('?' * len(self._names))})"
        return f"WITH v ({', '.join(self._names)}) AS (VALUES {', '.join([row] * size)}) {self._set} v {self._where}"


class Prepared:
    """A statement compiled once for each database; parameters by name, results as the driver gives them."""

    def __init__(self, statement: Executable) -> None:
        self._statement: Any = statement
        self._compiled: dict[str, tuple[str, list[tuple[str, Convert | None]]]] = {}

    def scalar(self, connection: Connection, **parameters: Any) -> Any:
        """The first cell of the first row; None where there is none."""
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            made = self._statement.compile(dialect=dialect)
            kinds = {name: bind.type for name, bind in made.binds.items()}
            order = [(name, _binder(kinds[name], dialect)) for name in made.positiontup]
            compiled = self._compiled[dialect.name] = (str(made), order)
        sql, order = compiled
        cursor = connection.connection.cursor()
        try:
            cursor.execute(sql, [parameters[name] if to is None else to(parameters[name]) for name, to in order])
            row = cursor.fetchone()
        finally:
            cursor.close()
        return None if row is None else row[0]


class Lookup:
    """A select whose rows are found by a list of keys, without building SQL for each list.

    The list is padded to a power of two by repeating its last key, so a handful of texts serve every length.
    """

    def __init__(self, select: Select[Any], column: Column[Any]) -> None:
        self._select = select
        self._column = column
        self._names = [str(c.key) for c in select.selected_columns]
        self._types = [c.type for c in select.selected_columns]
        self._sql: dict[tuple[str, int], tuple[str, list[tuple[str, Convert | None]]]] = {}
        self._convert: dict[str, tuple[Convert | None, list[tuple[int, Convert]]]] = {}

    def rows(self, connection: Connection, keys: Iterable[Any], **others: Any) -> list[Row]:
        """Every row whose column holds one of the keys, as a dict by column name; `others` are bound by name."""
        wanted = list(dict.fromkeys(keys))
        found: list[Row] = []
        for start in range(0, len(wanted), 256):
            found.extend(self._some(connection, wanted[start : start + 256], others))
        return found

    def _some(self, connection: Connection, keys: list[Any], others: dict[str, Any]) -> list[Row]:
        dialect = connection.dialect
        size = 1
        while size < len(keys):
            size *= 2
        known = self._sql.get((dialect.name, size))
        if known is None:
            names = [f"k{n}" for n in range(size)]
            clause = self._column.in_([bindparam(name, type_=self._column.type) for name in names])
            made = self._select.where(clause).compile(dialect=dialect)
            order = [(n, _binder(made.binds[n].type, dialect)) for n in made.positiontup or () if n not in names]
            known = self._sql[dialect.name, size] = (str(made), order)
        sql, order = known
        bind, readers = self._converters(dialect)
        values = keys if bind is None else [bind(key) for key in keys]
        first = [others[name] if to is None else to(others[name]) for name, to in order]
        cursor = connection.connection.cursor()
        try:
            cursor.execute(sql, [*first, *values, *[values[-1]] * (size - len(values))])
            records = cursor.fetchall()
        finally:
            cursor.close()
        rows: list[Row] = []
        for record in records:
            cells = list(record)
            for position, read in readers:
                cells[position] = read(cells[position])
            rows.append(dict(zip(self._names, cells, strict=True)))
        return rows

    def _converters(self, dialect: Dialect) -> tuple[Convert | None, list[tuple[int, Convert]]]:
        known = self._convert.get(dialect.name)
        if known is None:
            readers: list[tuple[int, Convert]] = []
            for position, kind in enumerate(self._types):
                read: Any = kind.dialect_impl(dialect).result_processor(dialect, None)
                if read is not None:
                    readers.append((position, read))
            known = self._convert[dialect.name] = (_binder(self._column.type, dialect), readers)
        return known


def by(rows: Iterable[Mapping[str, Any]], name: str) -> dict[Any, Row]:
    """Rows by the value of one column; of several with the same value the last."""
    return {row[name]: dict(row) for row in rows}
