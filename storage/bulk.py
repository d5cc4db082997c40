"""Many rows in one statement, and many keys in one look-up: statements compiled once and run by the driver itself.

SQLAlchemy spends more on building and running a statement than SQLite on obeying it; intake runs the same dozen
statements thousands of times a second, so their text and value converters are kept and the driver's own cursor is used
(measured in `bench/`). Errors are the driver's; `storage.errors.is_away` knows both kinds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    LargeBinary,
    Select,
    Table,
    any_,
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


class _Records:
    """Rows of dictionaries as values of a table's own row type, which PostgreSQL takes as one array.

    An array of rows costs the driver a third of what an array for each column does, and the server half (measured).
    The type has its columns in the order the server knows them in; `row_type` asks for it.
    """

    def __init__(self, table: Table, names: Sequence[str], dialect: Dialect, order: Sequence[str]) -> None:
        given = frozenset(names)
        self._whole = itemgetter(*order) if given.issuperset(order) else None
        self._order = [name if name in given else None for name in order]
        self._convert = [
            (position, convert)
            for position, convert in enumerate(
                _binder(table.c[name].type, dialect) if name in given else None for name in order
            )
            if convert is not None
        ]

    def of(self, row: Row) -> tuple[Any, ...]:
        """One row; columns it does not name are NULL."""
        values: tuple[Any, ...]
        if self._whole is not None:
            values = self._whole(row)
        else:
            values = tuple(None if name is None else row[name] for name in self._order)
        if not self._convert:
            return values
        cells = list(values)
        for position, convert in self._convert:
            cells[position] = convert(cells[position])
        return tuple(cells)


def row_type(connection: Connection, table: Table) -> tuple[str, ...]:
    """The columns of a PostgreSQL table in the order the server has them; asked once a connection."""
    known: dict[str, tuple[str, ...]] = connection.info.setdefault("row_types", {})
    order = known.get(table.name)
    if order is None:
        rows = connection.exec_driver_sql(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum",
            (table.name,),
        )
        order = known[table.name] = tuple(row[0] for row in rows)
    return order


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


class _Insert:
    """An insert of rows with the same keys, for one database."""

    def __init__(self, table: Table, names: tuple[str, ...], dialect: Dialect, on_conflict: str) -> None:
        self.cells = _Cells(table, names, dialect)
        self._table, self._names, self._dialect = table, names, dialect
        self._quoted = [f'"{name}"' for name in names]
        self._columns = f"INSERT INTO {table.name} ({', '.join(self._quoted)})"
        self._row = f"({', '.join('?' * len(names))})"
        self._on_conflict = on_conflict
        self._records: dict[tuple[str, ...], _Records] = {}
        self.texts: dict[int, str] = {}

    def array(self, parameter: int = 1) -> str:
        """The statement for any number of rows in one PostgreSQL parameter."""
        columns = ", ".join(f"r.{name}" for name in self._quoted)
        rows = f"{_unnest(self._table, parameter)} AS r"
        return f"{self._columns} SELECT {columns} FROM {rows} {self._on_conflict}"  # noqa: S608 - names of ours

    def records(self, connection: Connection) -> _Records:
        """What makes that parameter's values."""
        order = row_type(connection, self._table)
        known = self._records.get(order)
        if known is None:
            known = self._records[order] = _Records(self._table, self._names, self._dialect, order)
        return known

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
    given: list[Sequence[Row]] = []
    for table, rows, on_conflict in loads:
        if not rows:
            continue
        key = (dialect.name, table.name, tuple(rows[0]), on_conflict)
        statement = _inserts.get(key)
        if statement is None:
            statement = _inserts[key] = _Insert(table, key[2], dialect, on_conflict)
        statements.append(statement)
        given.append(rows)
    if not statements:
        return
    if dialect.name != "sqlite":
        arrays = []
        for statement, rows in zip(statements, given, strict=True):
            record = statement.records(connection).of
            arrays.append([record(row) for row in rows])
        _run(connection, _together(tuple(statements)), arrays)
        return
    cursor = connection.connection.cursor()
    try:
        for statement, rows in zip(statements, given, strict=True):
            cell = statement.cells.of
            _run_padded(cursor, statement.texts, statement.of, [cell(row) for row in rows])
    finally:
        cursor.close()


def _run(connection: Connection, sql: str, parameters: Sequence[Any]) -> None:
    """Run one statement that answers nothing."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, parameters)
    finally:
        cursor.close()


_joined: dict[tuple[_Insert, ...], str] = {}


def _together(statements: tuple[_Insert, ...]) -> str:
    """One PostgreSQL statement that does several inserts: all but the last stand in its WITH list."""
    text = _joined.get(statements)
    if text is None:
        parts = [statement.array(parameter) for parameter, statement in enumerate(statements, 1)]
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
        self._cells: _Cells | None = None
        self._texts: dict[int, str] = {}
        self._records: dict[tuple[str, ...], _Records] = {}
        self._array = f"{self._set} {_unnest(table, 1)} AS v {self._where}"

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Change the rows; those that are not found are left out silently."""
        if not rows:
            return
        dialect = connection.dialect
        if dialect.name != "sqlite":
            order = row_type(connection, self._table)
            records = self._records.get(order)
            if records is None:
                records = self._records[order] = _Records(self._table, self._names, dialect, order)
            _run(connection, self._array, [[records.of(row) for row in rows]])
            return
        if self._cells is None:
            self._cells = _Cells(self._table, self._names, dialect)
        cursor = connection.connection.cursor()
        try:
            _run_padded(cursor, self._texts, self._of, [self._cells.of(row) for row in rows])
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

    On PostgreSQL the list is one parameter. On SQLite it is padded to a power of two by repeating its last key, so a
    handful of texts serve every length.
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
        while dialect.name == "sqlite" and size < len(keys):
            size *= 2
        known = self._sql.get((dialect.name, size))
        if known is None:
            known = self._sql[dialect.name, size] = self.compiled(dialect, size)
        sql, order = known
        values = self.values(dialect, keys)
        parameters = [others[name] if to is None else to(others[name]) for name, to in order]
        if dialect.name == "sqlite":
            parameters += [*values, *[values[-1]] * (size - len(values))]
        else:
            parameters.append(values)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(sql, parameters)
            records = cursor.fetchall()
        finally:
            cursor.close()
        return self.dicts(dialect, records)

    def values(self, dialect: Dialect, keys: Iterable[Any]) -> list[Any]:
        """Keys as the driver takes them."""
        bind, _ = self._converters(dialect)
        return list(keys) if bind is None else [bind(key) for key in keys]

    def dicts(self, dialect: Dialect, records: Iterable[Sequence[Any]]) -> list[Row]:
        """The driver's records as rows."""
        _, readers = self._converters(dialect)
        rows: list[Row] = []
        for record in records:
            cells = list(record)
            for position, read in readers:
                cells[position] = read(cells[position])
            rows.append(dict(zip(self._names, cells, strict=True)))
        return rows

    def compiled(self, dialect: Dialect, size: int) -> tuple[str, list[tuple[str, Convert | None]]]:
        """The text, and the parameters that stand before the keys."""
        if dialect.name == "sqlite":
            names = [f"k{n}" for n in range(size)]
            clause: ColumnElement[bool] = self._column.in_([bindparam(name, type_=self._column.type) for name in names])
        else:
            names = ["keys"]
            clause = self._column == any_(bindparam("keys", type_=ARRAY(self._column.type)))
        made = self._select.where(clause).compile(dialect=dialect)
        order = [n for n in made.positiontup or () if n not in names]
        if list(made.positiontup or ())[: len(order)] != order:
            raise TypeError("the keys of a look-up have to be its last parameters")
        return str(made), [(name, _binder(made.binds[name].type, dialect)) for name in order]

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


class LookupTogether:
    """Several look-ups at once: on PostgreSQL one statement and round trip for all of them."""

    def __init__(self, *lookups: Lookup) -> None:
        self._lookups = lookups
        self._sql = ""
        self._orders: list[list[tuple[str, Convert | None]]] = []

    def rows(self, connection: Connection, keys: Sequence[Iterable[Any]], **others: Any) -> list[list[Row]]:
        """What each look-up finds for its keys, in their order; `others` are bound by name in all of them."""
        if connection.dialect.name == "sqlite":
            return [each.rows(connection, wanted, **others) for each, wanted in zip(self._lookups, keys, strict=True)]
        if not self._sql:
            self._sql = self._compiled(connection.dialect)
        parameters: list[Any] = []
        for each, order, wanted in zip(self._lookups, self._orders, keys, strict=True):
            parameters += [others[name] if to is None else to(others[name]) for name, to in order]
            parameters.append(each.values(connection.dialect, dict.fromkeys(wanted)))
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self._sql, parameters)
            found = cursor.fetchone()
        finally:
            cursor.close()
        return [
            each.dicts(connection.dialect, records) for each, records in zip(self._lookups, found or (), strict=True)
        ]

    def _compiled(self, dialect: Dialect) -> str:
        """Each look-up as an array of records, its parameters numbered on from those before it."""
        arrays: list[str] = []
        first = 0
        for each in self._lookups:
            sql, order = each.compiled(dialect, 1)
            self._orders.append(order)
            arrays.append(f"ARRAY(SELECT ROW(l.*) FROM ({_renumbered(sql, first)}) AS l)")  # noqa: S608 - our own text
            first += len(order) + 1
        return f"SELECT {', '.join(arrays)}"


def _renumbered(sql: str, first: int) -> str:
    """A PostgreSQL statement whose parameters stand behind `first` others."""
    return re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + first}", sql)


def by(rows: Iterable[Mapping[str, Any]], name: str) -> dict[Any, Row]:
    """Rows by the value of one column; of several with the same value the last."""
    return {row[name]: dict(row) for row in rows}
