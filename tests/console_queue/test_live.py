"""Live news: one look at the log for all who watch, resumed by id, closed with the session and with the program."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from desk.news import MOST_WAITING, News, NewsDesk, Watcher, told
from tests.eventually import eventually
from tickets.status import Status
from web.console import live


@asynccontextmanager
async def stream(browser: Any, path: str = "/live", **headers: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Open a stream; gives its events as `name`, `id`, `facts`."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    async with browser.session.get(browser.base + path, headers={"Cookie": cookie, **headers}) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"

        async def events() -> AsyncIterator[dict[str, Any]]:
            event: dict[str, Any] = {}
            async for line in response.content:
                text = line.decode().rstrip("\n")
                if not text:
                    if "event" in event:
                        facts = json.loads(event.get("data", "{}"))
                        yield {"name": event["event"], "id": event.get("id", ""), "facts": facts}
                    event = {}
                else:
                    name, _, value = text.partition(": ")
                    event[name] = value

        yield events()


async def until(events: AsyncIterator[dict[str, Any]], name: str, **facts: Any) -> dict[str, Any]:
    """Read until an event of this name with these facts comes."""
    async with asyncio.timeout(20):
        async for event in events:
            if event["name"] == name and facts.items() <= event["facts"].items():
                return event
    raise AssertionError(f"the stream ended without {name}")


async def test_pages_hear_of_tickets_with_number_and_version(desk: Any) -> None:
    async with stream(await desk.staff("maria")) as events:
        await until(events, "ping")
        number = await desk.mail("Касса")
        heard = await until(events, "tickets", number=number)
        assert heard["facts"]["version"] == 1
        await desk.program.change.status(number, Status.IN_PROGRESS, "denis")
        heard = await until(events, "ticket", number=number, what="status")
        assert heard["facts"] == {"number": number, "version": 2, "what": "status", "by": "staff:denis"}
        assert len(heard["id"]) == 32


async def test_who_comes_back_is_told_what_was_missed_once(desk: Any) -> None:
    maria = await desk.staff("maria")
    one = await desk.mail("Касса 1")
    async with stream(maria) as events:
        await until(events, "ping")
        two = await desk.mail("Касса 2")
        last = await until(events, "ticket", number=two)
    three = await desk.mail("Касса 3")
    async with stream(maria, **{"Last-Event-ID": last["id"]}) as events:
        seen = []
        async with asyncio.timeout(10):
            async for event in events:
                if event["name"] == "ticket":
                    seen.append(event["facts"]["number"])
                if event["name"] == "ping" and seen:
                    break
                if seen.count(three) >= 2:
                    break
        assert one not in seen
        assert three in seen


@pytest.mark.parametrize("last", ["x", "0" * 31, "g" * 32, "'" * 32, "f" * 32])
async def test_an_id_somebody_made_up_does_no_harm(desk: Any, last: str) -> None:
    async with stream(await desk.staff("maria"), **{"Last-Event-ID": last}) as events:
        assert (await until(events, "ping"))["facts"] == {}


async def test_the_numbers_of_the_sections_come_with_the_stream_and_stand_on_the_page(desk: Any) -> None:
    maria = await desk.staff("maria")
    await desk.mail("Касса 1")
    await desk.mail("Касса 2")
    async with stream(maria) as events:
        counts = (await until(events, "counts"))["facts"]
        assert counts == {"queue": 2, "deliveries": 0, "quarantine": 0, "spam": 0}
    page = await maria.get("/queue")
    assert "Очередь 2" in page.words


async def test_two_who_look_at_one_ticket_hear_of_each_other(desk: Any) -> None:
    number = await desk.mail("Касса")
    maria, denis = await desk.staff("maria"), await desk.staff("denis")
    async with stream(maria, f"/live?ticket={number}") as events:
        await until(events, "presence", names=[])
        async with stream(denis, f"/live?ticket={number}") as others:
            await until(others, "presence", names=["Maria"])
            await until(events, "presence", names=["Denis"])
        await until(events, "presence", names=[])


async def test_whoever_watches_a_ticket_hears_of_its_deliveries(desk: Any) -> None:
    number = await desk.mail("Касса")
    async with stream(await desk.staff("maria"), f"/live?ticket={number}") as events:
        await until(events, "ping")
        await desk.program.change.comment(number, "Едем", "denis", public=True)
        await until(events, "deliveries", number=number)


async def test_nothing_is_missed_between_the_first_word_and_the_first_look(desk: Any) -> None:
    number = await desk.mail("Касса")
    news = NewsDesk(desk.program.opened)
    watcher = await news.watch(uuid4(), "w", number, "")
    later = await desk.mail("Касса 2")
    await desk.program.change.comment(number, "Едем", "denis", public=True)
    await news.look()
    heard = []
    while (one := await watcher.next(0.01)) is not None and one.name != "ping":
        heard.append((one.name, one.facts.get("number")))
    assert ("ticket", later) in heard
    assert ("ticket", number) in heard
    assert ("deliveries", number) in heard


async def test_the_stream_ends_with_the_session(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PING", 0.05)
    monkeypatch.setattr(live, "ASK", 0.05)
    maria = await desk.staff("maria")
    async with stream(maria) as events:
        await until(events, "ping")
        await maria.post("/logout")
        async with asyncio.timeout(10):
            async for event in events:
                assert event["name"] in ("ping", "counts")


async def test_it_ends_when_the_program_stops_and_does_not_hold_it_up(desk: Any) -> None:
    async with stream(await desk.staff("maria")) as events:
        await until(events, "ping")
        began = asyncio.get_running_loop().time()
        await desk.program.stop()
        async with asyncio.timeout(10):
            async for _ in events:
                pass
        assert asyncio.get_running_loop().time() - began < 8


async def test_one_user_has_so_many_streams_and_no_more(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_STREAMS", 2)
    monkeypatch.setattr(live, "PING", 0.05)
    news, closed = desk.program.news, asyncio.Event()
    leave = news.leave

    def left(watcher: Watcher, number: str = "") -> None:
        leave(watcher, number)
        closed.set()

    monkeypatch.setattr(news, "leave", left)
    maria, denis = await desk.staff("maria"), await desk.staff("denis")
    async with stream(maria):
        async with stream(maria):
            answer = await maria.get("/live")
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "30"
            async with stream(denis) as events:
                await until(events, "ping")
            await asyncio.wait_for(closed.wait(), 20)
            closed.clear()
        # the server hears of it at the next word it says
        await asyncio.wait_for(closed.wait(), 20)
        async with stream(maria) as events:
            await until(events, "ping")


async def test_nobody_else_listens(desk: Any) -> None:
    answer = await desk.stranger().get("/live")
    assert answer.status == 303
    assert answer.leads_to.startswith("/login")


class Counting:
    """A database that counts what it is asked."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.asked = 0

    async def read(self, query: Any) -> Any:
        self.asked += 1
        return await self.database.read(query)


async def test_nobody_watching_nothing_is_looked_at(desk: Any) -> None:
    database = Counting(desk.program.opened)
    run = NewsDesk(database).run()
    # as far as it goes before it has to wait for anything
    run.send(None)
    assert database.asked == 0
    run.close()


async def test_one_look_serves_all_who_watch(desk: Any) -> None:
    database = Counting(desk.program.opened)
    news = NewsDesk(database)
    watchers = [await news.watch(uuid4(), f"w{n}", "", "") for n in range(40)]
    number = await desk.mail("Касса")
    database.asked = 0
    await news.look()
    assert database.asked == 1
    for watcher in watchers:
        while (one := await watcher.next(5)) is None or one.name != "ticket":
            assert one is not None
            assert one.name != "ping"
        assert one.facts["number"] == number
    news.stop()
    for watcher in watchers:
        while (one := await watcher.next(1)) is not None:
            assert one.name != "ping"


async def test_a_stop_waits_for_no_look(desk: Any) -> None:
    news = NewsDesk(desk.program.opened, every=3600.0)
    running = asyncio.create_task(news.run())
    await eventually(news.counts)
    news.stop()
    async with asyncio.timeout(20):
        await running


async def test_who_is_too_slow_is_cut_off_and_harms_nobody() -> None:
    watcher = Watcher(uuid4(), "slow", None)
    for n in range(MOST_WAITING + 5):
        watcher.tell(News("ticket", {"n": n}))
    assert await watcher.next(0.1) is None


def test_several_events_of_a_ticket_are_one_word_for_lists() -> None:
    rows = [
        {"id": uuid4(), "number": number, "version": 1, "what": what, "by": "author"}
        for number, what in [("a", "received"), ("a", "assigned"), ("b", "note_added"), ("c", "status")]
    ]
    names = [(one.name, one.facts["number"]) for one in told(rows)]
    assert names == [
        ("ticket", "a"),
        ("ticket", "a"),
        ("ticket", "b"),
        ("ticket", "c"),
        ("tickets", "a"),
        ("tickets", "c"),
    ]
