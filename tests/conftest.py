"""Fixtures every area shares: databases to run against."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from aiohttp import web_app
from sqlalchemy import Engine, event

from bench.postgres import PostgresServer
from gateway.memory import settle_memory
from storage import schema
from storage.all_tables import metadata

if TYPE_CHECKING:
    from gateway.program import Program


@pytest.fixture(autouse=True)
def _forget_programs() -> Iterator[None]:
    """Let go of programs that were stopped: aiohttp remembers the handlers of the last thousand for ever, and what a
    program or a command said of the log would hold for the next test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    web_app._cached_build_middleware.cache_clear()
    if structlog.is_configured():
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the tests of this process; nothing in it outlives them."""
    server = PostgresServer()
    try:
        server.start(fsync=False)
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database whose file does not exist yet."""
    return f"sqlite:///{tmp_path / 'otklik.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, once of each kind."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture(scope="session")
def laid_out_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with today's schema, to be copied."""
    path = tmp_path_factory.mktemp("laid-out") / "otklik.sqlite"
    asyncio.run(schema.upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def laid_out_postgres(postgres_server: PostgresServer) -> str:
    """The URL of a PostgreSQL database with today's schema."""
    url = postgres_server.create_database()
    asyncio.run(schema.upgrade(url))
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def laid_out_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with today's schema and nothing in it, once of each kind.

    On PostgreSQL it is one database for all tests, emptied after each: making one takes longer than most tests do.
    """
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("laid_out_sqlite"), tmp_path / "otklik.sqlite")
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url: str = request.getfixturevalue("laid_out_postgres")
    yield url
    deletions = "; ".join(f'DELETE FROM "{name}"' for name in metadata.tables)
    server.execute(deletions, url.rpartition("?")[0].rpartition("/")[2])


@dataclass(frozen=True)
class StaffSession:
    """Somebody who is logged in: the `Cookie` header to send, and the token that forms carry."""

    login: str
    cookies: dict[str, str]
    csrf: str


@pytest.fixture
def staff_session() -> Callable[..., Awaitable[StaffSession]]:
    """`await staff_session(program, "lead", login="petrova")`: a login of a role, and a session of it.

    The login is made if it is not there, without a password: hashing takes longer than most tests do.
    """
    from desk import sessions
    from desk.accounts import Accounts, NewUser, NoSuchUser
    from desk.change import Actor
    from gateway import assemble
    from tickets.role import Role

    async def begin(program: Program, role: str, login: str = "") -> StaffSession:
        rules, database, clock = assemble.staff_rules(program.settings), program.opened, program.clock
        accounts = Accounts(database, clock, rules)
        try:
            user = await accounts.find(login or role)
        except NoSuchUser:
            user = await accounts.create(NewUser(login or role, Role(role)), Actor("test"))
        secret = sessions.new_secret()
        await database.write(lambda c: sessions.begin(c, user["id"], sessions.FULL, clock.now(), rules, secret=secret))
        return StaffSession(user["login"], {"otklik": secret}, sessions.csrf_token(secret))

    return begin


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """Every statement any database is asked, in order."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


PAGES = frozenset({"accounts", "api", "console_queue", "console_ticket", "operations", "portal", "webform"})
"""Areas whose tests start the whole program."""


def pytest_collection_finish() -> None:
    """What was imported to collect the tests stays: no collection of garbage need walk it again and again."""
    settle_memory()


WAITING = "crash"
"""The area whose tests wait longest, for leases to run out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages on PostgreSQL are for `make test-long`: what differs between the databases is tested below the pages.

    Those that wait begin first, so that the others are done meanwhile.
    """
    items.sort(key=lambda item: item.path.parent.name != WAITING)
    for item in items:
        if item.path.parent.name in PAGES and "postgres" in item.name:
            item.add_marker(pytest.mark.long)
