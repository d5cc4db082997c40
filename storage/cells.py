"""Rows as the drivers take them: chosen columns in order, each value converted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, Connection, Dialect, LargeBinary, Table

from storage.types import EPOCH, MICROSECOND, Instant, Json, Key

Row = dict[str, Any]
Convert = Callable[[Any], Any]


def _both_ways(kind: Any, dialect: Dialect) -> tuple[Convert, Convert] | None:
    """Into the driver and out of it for our own types, in one call what the general processors do in several."""
    if isinstance(kind, Json):
        return _json, _decoded
    if dialect.name == "sqlite" and isinstance(kind, Key):
        return _octets, _key
    if dialect.name == "sqlite" and isinstance(kind, Instant):
        return _microseconds, _moment
    return None


def binder(kind: Any, dialect: Dialect) -> Convert | None:
    """What turns a value into what the driver takes; None where it takes it as it is."""
    if ours := _both_ways(kind, dialect):
        return ours[0]
    if isinstance(kind, LargeBinary | Boolean if dialect.name == "sqlite" else Key | Instant | LargeBinary):
        return None
    found: Convert | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return found


def reader(kind: Any, dialect: Dialect) -> Convert | None:
    """What turns a value as the driver gives it into ours; None where it is that already."""
    if ours := _both_ways(kind, dialect):
        return ours[1]
    found: Convert | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return found


def _decoded(value: str | None) -> Any:
    return None if value is None else _decode(value)


def _key(value: bytes | None) -> UUID | None:
    return None if value is None else UUID(bytes=value)


def _moment(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(microseconds=value)


def _octets(value: UUID | None) -> bytes | None:
    # what `bytes` of a key does, without a call of its own
    return None if value is None else value.int.to_bytes(16, "big")


def _microseconds(value: datetime | None) -> int | None:
    if value is None:
        return None
    # in any other zone two equal datetimes may be an hour apart: those of the hour that comes twice
    return _since_epoch(value) if value.tzinfo is UTC else (value - EPOCH) // MICROSECOND


@lru_cache(maxsize=256)
def _since_epoch(value: datetime) -> int:
    # the rows of a group have a handful of moments between them
    return (value - EPOCH) // MICROSECOND


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def _json(value: Any) -> str | None:
    return None if value is None else _encode(value).decode()


class Cells:
    """Rows of dictionaries as the driver takes them: chosen columns in order, each value converted."""

    def __init__(self, table: Table, names: Sequence[str], dialect: Dialect) -> None:
        self._pick = itemgetter(*names)
        self._single = len(names) == 1
        self._convert = [
            (position, convert)
            for position, convert in enumerate(binder(table.c[name].type, dialect) for name in names)
            if convert is not None
        ]

    def of(self, row: Row) -> list[Any]:
        """The cells of one row."""
        cells = [self._pick(row)] if self._single else list(self._pick(row))
        for position, convert in self._convert:
            cells[position] = convert(cells[position])
        return cells


class Records:
    """Rows of dictionaries as values of a table's own row type, which PostgreSQL takes as one array.

    An array of rows costs the driver a third of what an array for each column does, and the server half (measured).
    The type has its columns in the order the server knows them in; `row_type` asks for it.
    """

    def __init__(self, table: Table, names: Sequence[str], dialect: Dialect, order: Sequence[str]) -> None:
        given = frozenset(names)
        picked = [name for name in order if name in given]
        self._pick = itemgetter(*picked)
        self._single = len(picked) == 1
        self._missing = [position for position, name in enumerate(order) if name not in given]
        self._convert = [
            (position, convert)
            for position, convert in enumerate(
                binder(table.c[name].type, dialect) if name in given else None for name in order
            )
            if convert is not None
        ]

    def of(self, row: Row) -> tuple[Any, ...]:
        """One row; columns it does not name are NULL."""
        cells = [self._pick(row)] if self._single else list(self._pick(row))
        for position in self._missing:
            cells.insert(position, None)
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
