"""Many keys in one look-up: selects compiled once and run by the driver itself, as `storage.bulk` does for writing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    Select,
    any_,
    bindparam,
    func,
    select,
    union,
)

from storage.cells import Convert, Row, binder, reader


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
            order = [(name, binder(kinds[name], dialect)) for name in made.positiontup]
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

    def __init__(self, query: Select[Any], column: Column[Any]) -> None:
        self._select = query
        self._column = column
        self._names = [str(c.key) for c in query.selected_columns]
        self._types = [c.type for c in query.selected_columns]
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

    def arrays(self, dialect: Dialect, keys: Any) -> list[list[Any]]:
        """The parameters that PostgreSQL is given for the keys."""
        return [self.values(dialect, dict.fromkeys(keys))]

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
            names, clause = self._among()
        made = self._select.where(clause).compile(dialect=dialect)
        order = [n for n in made.positiontup or () if n not in names]
        if list(made.positiontup or ())[: len(order)] != order:
            raise TypeError("the keys of a look-up have to be its last parameters")
        return str(made), [(name, binder(made.binds[name].type, dialect)) for name in order]

    def _among(self) -> tuple[list[str], ColumnElement[bool]]:
        """The names of PostgreSQL's parameters for the keys, and the condition they stand in."""
        return ["keys"], self.held("keys")

    def held(self, name: str) -> ColumnElement[bool]:
        """On PostgreSQL: whether the column holds one of the keys in a parameter."""
        return self._column == any_(bindparam(name, type_=ARRAY(self._column.type)))

    def _converters(self, dialect: Dialect) -> tuple[Convert | None, list[tuple[int, Convert]]]:
        known = self._convert.get(dialect.name)
        if known is None:
            readers: list[tuple[int, Convert]] = []
            for position, kind in enumerate(self._types):
                read = reader(kind, dialect)
                if read is not None:
                    readers.append((position, read))
            known = self._convert[dialect.name] = (binder(self._column.type, dialect), readers)
        return known


class LookupAmong(Lookup):
    """A look-up by keys that are given or that others find, each as its only column.

    So rows that may be asked for in several ways are asked for once, and locked in one order. Keys are a list for each
    of `ways`, and before them the keys themselves.
    """

    def __init__(self, query: Select[Any], column: Column[Any], *ways: tuple[Select[Any], Column[Any]]) -> None:
        super().__init__(query, column)
        self._by_key = Lookup(query, column)
        self._ways = [(way, Lookup(way, by)) for way, by in ways]

    def rows(self, connection: Connection, keys: Iterable[Any], **others: Any) -> list[Row]:
        """See `Lookup.rows`; a statement for each way that has keys, and one for the rows."""
        given, *asked = keys
        found = list(given)
        for (_, way), wanted in zip(self._ways, asked, strict=True):
            found += [key for row in way.rows(connection, wanted) for key in row.values()]
        return self._by_key.rows(connection, sorted(found), **others)

    def arrays(self, dialect: Dialect, keys: Any) -> list[list[Any]]:
        """See `Lookup.arrays`."""
        given, *asked = keys
        ways = (lookup for _, lookup in self._ways)
        return [
            self.values(dialect, given),
            *(way.values(dialect, wanted) for way, wanted in zip(ways, asked, strict=True)),
        ]

    def _among(self) -> tuple[list[str], ColumnElement[bool]]:
        names = [f"k{number}" for number in range(len(self._ways) + 1)]
        given = select(func.unnest(bindparam(names[0], type_=ARRAY(self._column.type))))
        found = [query.where(way.held(name)) for name, (query, way) in zip(names[1:], self._ways, strict=True)]
        # an array, not a list of a join: the rows are then found by their index one by one
        return names, self._column == any_(func.array(union(given, *found).scalar_subquery()))


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
            parameters += each.arrays(connection.dialect, wanted)
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
            first += len(set(_PARAMETER.findall(sql)))
        return f"SELECT {', '.join(arrays)}"


def _renumbered(sql: str, first: int) -> str:
    """A PostgreSQL statement whose parameters stand behind `first` others."""
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + first}", sql)


_PARAMETER = re.compile(r"\$(\d+)")


def by(rows: Iterable[Mapping[str, Any]], name: str) -> dict[Any, Row]:
    """Rows by the value of one column; of several with the same value the last."""
    return {row[name]: dict(row) for row in rows}
