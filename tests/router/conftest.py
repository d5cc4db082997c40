"""A small service organisation: two centres, three customers, staff on two lines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any

import pytest

from router.calendar import Calendar
from tickets.address import fold
from tickets.organisation import Agreement, Centre, Customer, Group, Member, Organisation, Target, index
from tickets.routing import Facts

OFFICE = {day: ((time(9), time(13)), (time(14), time(18))) for day in range(1, 6)}


def member(number: str, name: str, group: str, line: int = 1, away: bool = False) -> Member:
    return Member(number, f"login{number}", name, f"{number}@desk.example", group, line, away=away)


@pytest.fixture(scope="session")
def organisation() -> Organisation:
    targets = {"critical": Target(15, 120), "high": Target(60, 240), "normal": Target(120, 480)}
    return index(
        1,
        [
            Centre("msk", "Москва", "Europe/Moscow", ("help@desk.example",), "office", default=True),
            Centre("nsk", "Новосибирск", "Asia/Novosibirsk", ("sibir@desk.example",), "office"),
        ],
        [
            Agreement("gold", "Золотое", targets, "always"),
            Agreement("default", "Обычное", {"normal": Target(240, 960)}),
        ],
        [
            Customer("1", "north", "ООО «Север»", "nsk", "gold", "nsk-net", ("north.example", "пример.рф"), vip=True),
            Customer("2", "shop", "Лавка", "msk", domains=("shop.example",), addresses=("boss@free.example",)),
            Customer("3", "taxi", "Такси", "", "lost", "nsk-net", phones=("+79130000001",)),
        ],
        [
            Group("msk-senior", "Вторая линия", "msk", (member("9", "Яна", "msk-senior", 2),)),
            Group(
                "msk-first",
                "Первая линия",
                "msk",
                (
                    member("1", "Борис", "msk-first"),
                    member("2", "Анна", "msk-first"),
                    member("3", "Вера", "msk-first", away=True),
                    member("4", "Глеб", "msk-first", 2),
                ),
            ),
            Group("nsk-all", "Сибирь", "nsk", (member("5", "Дина", "nsk-all"),)),
            Group(
                "nsk-net",
                "Сети",
                "nsk",
                (member("6", "Егор", "nsk-net", 1, away=True), member("7", "Зоя", "nsk-net", 2)),
            ),
            Group("nsk-empty", "Пусто", "nsk"),
        ],
    )


@pytest.fixture(scope="session")
def calendars() -> dict[str, Calendar]:
    return {
        "office": Calendar("office", "", OFFICE, "RU"),
        "always": Calendar.around_the_clock("always", "Europe/Moscow"),
    }


@pytest.fixture
def facts(organisation: Organisation) -> Callable[..., Facts]:
    """Makes facts; without arguments those of a mail from a stranger to nobody in particular."""

    def make(sender: str = "who@stranger.example", **given: Any) -> Facts:
        plain: dict[str, Any] = {
            "channel": "email",
            "intake": (),
            "subject": "",
            "text": "",
            "organisation": organisation,
        }
        kind = "phone" if sender.startswith("+") else "email"
        return Facts(sender_kind=kind, sender_value=fold(sender), **{**plain, **given})

    return make


@pytest.fixture
def now() -> datetime:
    """Friday, 20 November 2026, half past three in Moscow, half past seven in the evening in Novosibirsk."""
    return datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
