"""Numbers given out once each."""

from __future__ import annotations

from sqlalchemy import BigInteger, Connection, bindparam, select, update

from storage.bulk import insert_rows
from storage.lookup import Prepared
from storage.tables import counters

_TAKE = Prepared(
    update(counters)
    .where(counters.c.name == bindparam("counter"))
    .values(value=counters.c.value + bindparam("taken", type_=BigInteger))
    .returning(counters.c.value)
)
_LAST = Prepared(select(counters.c.value).where(counters.c.name == bindparam("counter")))


def reserve(connection: Connection, name: str, count: int) -> int:
    """Take `count` successive numbers and return the first; they are taken when the transaction commits.

    The row stays locked until then, so these numbers are given out in order of commit and without gaps.
    """
    last = _TAKE.scalar(connection, counter=name, taken=count)
    if last is None:
        insert_rows(connection, counters, [{"name": name, "value": 0}], on_conflict="ON CONFLICT DO NOTHING")
        last = _TAKE.scalar(connection, counter=name, taken=count)
    return int(last) - count + 1


def give_back(connection: Connection, name: str, last: int, count: int) -> bool:
    """Let the `count` numbers that end with `last` be given out again, if none was after them; whether it was done."""
    returned = connection.execute(
        update(counters).where(counters.c.name == name, counters.c.value == last).values(value=last - count)
    )
    return returned.rowcount == 1


def value(connection: Connection, name: str) -> int:
    """The last number given out; 0 before the first."""
    return int(_LAST.scalar(connection, counter=name) or 0)
