"""The log: one event a line, ours and libraries' alike, without secrets and by default without people."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable

import pytest
import structlog

from gateway.log import configure


def lines(write: Callable[[], None], format: str = "json", level: str = "info", *, personal: bool = False) -> list[str]:
    stream = io.StringIO()
    configure(level, format, personal=personal, stream=stream)
    write()
    return stream.getvalue().splitlines()


def test_an_event_is_one_json_object_on_one_line() -> None:
    (line,) = lines(lambda: structlog.get_logger("intake").info("принято", size=7, note="two\nlines"))
    event = json.loads(line)
    assert event.pop("at").endswith("Z")
    assert event == {"event": "принято", "size": 7, "note": "two\nlines", "level": "info", "logger": "intake"}


def test_what_libraries_log_comes_out_the_same_way() -> None:
    (line,) = lines(lambda: logging.getLogger("library").warning("refused %s", "ivan@example.ru"))
    assert json.loads(line)["event"] == "refused i***@example.ru"


@pytest.mark.parametrize("name, drawn", [("sqlalchemy.pool.impl.AsyncAdaptedQueuePool", False), ("library", True)])
def test_a_connection_that_has_ended_is_no_traceback(name: str, drawn: bool) -> None:
    def write() -> None:
        try:
            raise ConnectionResetError("gone")
        except ConnectionResetError:
            logging.getLogger(name).exception("Exception during reset or similar")

    (line,) = lines(write)
    assert ("Traceback" in line) is drawn
    assert "ConnectionResetError" in line


def test_less_than_the_level_is_left_out() -> None:
    def write() -> None:
        structlog.get_logger().info("quiet")
        logging.getLogger("library").info("quiet")

    assert lines(write, level="warning") == []


@pytest.mark.parametrize("personal", [False, True])
def test_secrets_never_appear(personal: bool) -> None:
    def write() -> None:
        log = structlog.get_logger()
        log.info("x", password="hunter2", nested=[{"token": "hunter2"}], url="postgresql://o:hunter2@db/x")

    assert "hunter2" not in lines(write, personal=personal)[0]


def test_people_appear_only_where_that_is_allowed() -> None:
    def write() -> None:
        structlog.get_logger().info("from ivan@example.ru", phone="+7 912 345-67-89", subject="Зарплата")

    (masked,) = lines(write)
    for trace in ("ivan", "912", "Зарплата"):
        assert trace not in masked
    (full,) = lines(write, personal=True)
    for trace in ("ivan@example.ru", "+7 912 345-67-89", "Зарплата"):
        assert trace in full


def test_numbers_and_times_are_no_phones() -> None:
    (line,) = lines(
        lambda: structlog.get_logger().info("ok", ticket="MSK-26-000123", at_day="2026-11-21", ms=1234567890123)
    )
    event = json.loads(line)
    assert event["ticket"] == "MSK-26-000123"
    assert event["at_day"] == "2026-11-21"
    assert event["ms"] == 1234567890123


def test_an_exception_stays_on_its_line() -> None:
    def write() -> None:
        try:
            raise ValueError("broken")
        except ValueError:
            structlog.get_logger().exception("failed")

    (line,) = lines(write)
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_for_people_it_is_text() -> None:
    (line,) = lines(lambda: structlog.get_logger().info("started", port=25), format="console")
    assert "started" in line
    assert "port=25" in line
