"""Whatever is looked up by keys is found by an index: else every mail would cost more the more there were before it."""

from __future__ import annotations

import gc
import importlib
import pkgutil
import re

import pytest
from sqlalchemy import create_engine

import storage
from storage.all_tables import metadata
from storage.bulk import UpdateMany
from storage.lookup import Lookup, Prepared

for module in pkgutil.iter_modules(storage.__path__):
    if module.name != "migrations":
        importlib.import_module(f"storage.{module.name}")

ENGINE = create_engine("sqlite://")
with ENGINE.begin() as made:
    metadata.create_all(made)


GIVEN = re.compile(r"SCAN (v|\d+ CONSTANT ROWS?)")
"""The rows that the statement itself brings."""


def statements() -> list[str]:
    """The text for SQLite of everything that is compiled once and run with keys."""
    found = set()
    for each in gc.get_objects():
        if isinstance(each, Lookup):
            found.add(each.compiled(ENGINE.dialect, 4)[0])
        elif isinstance(each, UpdateMany):
            found.add(each.of(2))
        elif isinstance(each, Prepared):
            found.add(str(each._statement.compile(dialect=ENGINE.dialect)))
    return sorted(found)


STATEMENTS = statements()


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda text: " ".join(text.split())[:60])
def test_keys_are_found_by_an_index(statement: str) -> None:
    with ENGINE.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?"))
        steps = [str(step[3]) for step in plan]
    assert [step for step in steps if step.startswith("SCAN") and not GIVEN.fullmatch(step)] == []


def test_there_is_something_to_look_at() -> None:
    assert len(STATEMENTS) > 30
