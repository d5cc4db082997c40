"""Links in mails: complete for whoever gets the mail, a marker for whoever reads the ledger."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from tests.eventually import eventually
from tickets.status import Status

IRINA = "irina@sibtrans.example"
LINK = re.compile(r"http://desk\.test(/[^\s\"<]*)")


@pytest.fixture
async def mailed(sending_desk: Any, relay: Any) -> Callable[..., Any]:
    """`await mailed(n, to)`: the n-th mail the relay took for somebody, as text and HTML."""

    async def wait(n: int, to: str = IRINA) -> tuple[str, str]:
        await eventually(lambda: len(relay.to(to)) > n)
        mail = email.message_from_bytes(relay.to(to)[n].raw, policy=email.policy.default)
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert html is not None
        return str(text.get_content()).replace("\u00a0", " "), str(html.get_content()).replace("\u00a0", " ")

    return wait


@pytest.fixture
async def get(sending_desk: Any) -> AsyncIterator[Callable[..., Any]]:
    """`await get(path)`: status and text of a page."""
    async with aiohttp.ClientSession(base_url=sending_desk.base) as session:

        async def ask(path: str) -> tuple[int, str]:
            async with session.get(path) as answer:
                return answer.status, await answer.text()

        yield ask


async def test_the_link_in_a_mail_opens_the_page_and_the_ledger_shows_a_marker(
    sending_desk: Any, mailed: Any, get: Any
) -> None:
    ticket = await sending_desk.ticket()
    text, html = await mailed(0)
    assert "Заявка на сайте: http://desk.test/t/" in text
    links = {LINK.findall(text)[0], LINK.findall(html)[0]}
    assert len(links) == 1
    status, page = await get(links.pop())
    assert status == 200
    assert ticket["number"] in page

    stored = next(d for d in await sending_desk.rows("deliveries") if d["address"] == IRINA)
    for body in (stored["text"], stored["html"]):
        (marker,) = LINK.findall(body)
        assert marker == f"/t/{stored['id'].hex}"
    assert (await get(marker))[0] == 404, "the marker opens nothing"


async def test_a_solved_ticket_says_when_it_closes(sending_desk: Any, mailed: Any) -> None:
    ticket = await sending_desk.ticket()
    await sending_desk.status(ticket["number"], Status.RESOLVED, "Заменили отрезчик.")
    text, _ = await mailed(1)
    assert "Если не ответите, закроем заявку 25 ноября, 18:00, время новосибирское." in text


async def test_staff_get_a_link_to_the_staff_page(sending_desk: Any, mailed: Any) -> None:
    ticket = await sending_desk.ticket()
    told = [t for t in await sending_desk.told(ticket["number"]) if t[0] == "assigned"]
    text, _ = await mailed(0, told[0][2])
    assert f"http://desk.test/tickets/{ticket['number']}" in text
    assert "/t/" not in text


async def test_the_one_time_link_is_whole_in_the_mail_only(sending_desk: Any, mailed: Any) -> None:
    await sending_desk.ticket()
    await mailed(0)
    async with aiohttp.ClientSession(base_url=sending_desk.base) as session:
        async with session.get("/my") as door:
            form = dict(re.findall(r'name="(nonce|proof)" value="([^"]*)"', await door.text()))
        async with session.post("/my", data=form | {"email": IRINA}) as asked:
            assert asked.status == 200
    text, html = await mailed(1)
    assert LINK.findall(text) == LINK.findall(html) == [await sending_desk.one_time_link()]
    assert "работает 15 минут и только один раз" in text
    secret = (await sending_desk.one_time_link()).rpartition("/")[2]
    assert secret not in repr(await sending_desk.rows("deliveries"))
