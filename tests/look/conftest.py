"""A look of its own, without a database: the shipped templates, words and files, and somebody to read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from desk.site import Site
from desk.visitor import Visitor
from tickets.role import Role
from web.look.page import Look
from web.look.reader import VISITOR

NOW = datetime(2026, 11, 20, 7, 5, tzinfo=UTC)
"""14:05 on a Friday in Novosibirsk."""

Ask = Callable[..., web.Request]


class StoppedClock:
    """It is always the same moment."""

    def now(self) -> datetime:
        """That moment."""
        return NOW


def visitor(**given: Any) -> Visitor:
    """Мария Соколова, who leads a group."""
    facts: dict[str, Any] = {
        "user_id": UUID(int=1),
        "login": "m.sokolova",
        "name": "Мария Соколова",
        "role": Role.LEAD,
        "member": None,
        "language": "ru",
        "theme": "system",
        "shortcuts": True,
        "zone": "Asia/Novosibirsk",
        "session_id": UUID(int=2),
        "csrf": "токен-формы",
    }
    return Visitor(**(facts | given))


@pytest.fixture(scope="session")
def look() -> Look:
    """The shipped look of a service desk in Novosibirsk."""
    return Look(Site(name="Сервисный центр «Гарант-Сервис»", zone="Asia/Novosibirsk"), StoppedClock())


@pytest.fixture
def ask() -> Ask:
    """Makes a request: `ask("/queue", visitor=…, Cookie="theme=dark")`."""

    def make(path: str = "/", *, visitor: Visitor | None = None, **headers: str) -> web.Request:
        request = make_mocked_request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        if visitor is not None:
            request[VISITOR] = visitor
        return request

    return make
