"""The list "my tickets" as a dialogue: a link by mail, a session, one's own tickets and nobody else's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

IRINA = "irina@sibtrans.example"


async def ask(browser: Any, address: str) -> Any:
    return await browser.press(await browser.get("/my"), "/my", {"email": address})


async def enter(desk: Any, browser: Any, address: str = IRINA) -> Any:
    await ask(browser, address)
    return await browser.press(await browser.get(await desk.one_time_link()), (await desk.one_time_link())[3:])


async def settled(desk: Any) -> None:
    assert desk.program._authors is not None
    await desk.program._authors.settle()


class TestAsking:
    async def test_the_answer_is_the_same_for_every_address(self, desk: Any, browser: Any) -> None:
        await desk.ticket()
        known, unknown = await ask(browser, IRINA), await ask(browser, "nobody@sibtrans.example")
        await settled(desk)
        assert known.status == unknown.status == 200
        assert known.text.replace(IRINA, "?") == unknown.text.replace("nobody@sibtrans.example", "?")
        assert "Если адрес irina@sibtrans.example нам знаком, мы отправили на него ссылку" in known.text
        assert len(await desk.rows("entrances")) == 1

    async def test_the_mail_goes_through_the_outbox_and_holds_no_secret(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await ask(browser, "IRINA@sibtrans.example")
        link = await desk.one_time_link()
        assert ("portal_link", "author", IRINA, "queued") in await desk.told(ticket["number"])
        for table in ("entrances", "deliveries", "events", "notifications"):
            assert link.rpartition("/")[2] not in repr(await desk.rows(table))

    async def test_an_address_gets_three_links_an_hour(self, desk: Any, browser: Any) -> None:
        await desk.ticket()
        for _ in range(5):
            assert (await ask(browser, IRINA)).status == 200
            await settled(desk)
        assert len(await desk.rows("entrances")) == 3
        desk.clock.move(hours=1, seconds=1)
        await ask(browser, IRINA)
        await settled(desk)
        assert len(await desk.rows("entrances")) == 4

    async def test_a_client_asks_twenty_times_an_hour(self, desk: Any, browser: Any) -> None:
        answers = [await ask(browser, f"p{n}@sibtrans.example") for n in range(21)]
        assert [a.status for a in answers] == [200] * 20 + [429]

    @pytest.mark.parametrize("address", ["", "irina", "a b@c", "irina@", "@x", "a@b\r\nBcc: c@d"])
    async def test_what_is_no_address_is_said_at_once(self, desk: Any, browser: Any, address: str) -> None:
        answer = await ask(browser, address)
        assert answer.status == 422
        assert "Адрес почты выглядит как irina@example.ru" in answer.one(".field-error")


class TestEntering:
    async def test_following_the_link_shows_ones_tickets_and_verifies_the_address(
        self, desk: Any, browser: Any
    ) -> None:
        first = await desk.ticket(subject="Не печатает чек")
        await desk.ticket("petr@sibtrans.example", "Чужая заявка")
        second = await desk.ticket(subject="Нет связи")
        page = await enter(desk, browser)
        assert page.status == 200
        assert first["number"] in page.text
        assert second["number"] in page.text
        assert page.text.index("Нет связи") < page.text.index("Не печатает чек")
        assert "Чужая заявка" not in page.text
        assert {a["key"]: a["verified"] for a in await desk.rows("addresses")} == {
            "email:irina@sibtrans.example": True,
            "email:petr@sibtrans.example": False,
        }
        opened = await browser.get(page.tree.css("ul.ticket-list a")[0].attributes["href"])
        assert opened.one("h1") == "Нет связи"

    async def test_a_link_is_shown_to_scanners_and_used_by_a_press(self, desk: Any, browser: Any) -> None:
        await desk.ticket()
        await ask(browser, IRINA)
        link = await desk.one_time_link()
        for _ in range(3):
            assert (await browser.get(link)).status == 200
        assert (await browser.press(await browser.get(link), link[3:])).one("h1") == "Мои заявки"

    async def test_it_works_once(self, desk: Any, browser: Any, another_browser: Any) -> None:
        await desk.ticket()
        await ask(browser, IRINA)
        link = await desk.one_time_link()
        pages = [await one.get(link) for one in (browser, another_browser)]
        answers = await asyncio.gather(browser.press(pages[0], link[3:]), another_browser.press(pages[1], link[3:]))
        assert sorted(a.status for a in answers) == [200, 404]

    async def test_it_works_for_a_quarter_of_an_hour(self, desk: Any, browser: Any) -> None:
        await desk.ticket()
        await ask(browser, IRINA)
        link = await desk.one_time_link()
        page = await browser.get(link)
        desk.clock.move(minutes=15)
        late = await browser.press(page, link[3:])
        assert late.status == 404
        assert "Эта ссылка уже не работает" in late.text
        assert (await desk.rows("addresses"))[0]["verified"] is False

    @pytest.mark.parametrize("secret", ["a" * 52, "none", "a" * 4000, "%F0%9F%98%80"])
    async def test_forged_links_open_nothing(self, desk: Any, browser: Any, secret: str) -> None:
        await desk.ticket()
        await enter(desk, browser)
        page = await browser.get(f"/my/enter/{secret}")
        action = (page.tree.css("main form")[0].attributes["action"] or "").removeprefix("/my")
        assert (await browser.press(page, action)).status in (403, 404)


class TestSession:
    async def test_the_cookie(self, desk: Any, browser: Any) -> None:
        await desk.ticket()
        await enter(desk, browser)
        (cookie,) = [c for c in browser.session.cookie_jar if c.key == "author"]
        assert (cookie["httponly"], cookie["samesite"], cookie["max-age"], cookie["path"]) == (
            True, "Lax", str(12 * 3600), "/my",
        )  # fmt: skip
        assert cookie.value not in repr(await desk.rows("author_sessions"))

    async def test_200_forged_sessions_see_nothing(self, desk: Any, browser: Any, another_browser: Any) -> None:
        ticket = await desk.ticket()
        await enter(desk, browser)
        good = next(c.value for c in browser.session.cookie_jar if c.key == "author")
        for n in range(200):
            at = n % len(good)
            forged = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] if n % 3 else f"{n:043d}"
            page = await another_browser.get("/my", Cookie=f"author={forged}")
            assert ticket["number"] not in page.html

    async def test_it_ends_after_twelve_hours(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await enter(desk, browser)
        desk.clock.move(hours=12)
        assert ticket["number"] not in (await browser.get("/my")).html

    async def test_signing_out_ends_it_everywhere_the_cookie_went(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        page = await enter(desk, browser)
        cookie = next(c.value for c in browser.session.cookie_jar if c.key == "author")
        assert (await browser.post("/my/leave", {"nonce": "1", "proof": "2"})).status == 403
        assert "Вы вышли" in (await browser.press(page, "/my/leave")).text
        assert ticket["number"] not in (await browser.get("/my", Cookie=f"author={cookie}")).html

    async def test_search_and_pages(self, desk: Any, browser: Any) -> None:
        for n in range(25):
            await desk.ticket(subject=f"Принтер {n}" if n % 2 else f"Касса {n}")
        page = await enter(desk, browser)
        assert len(page.tree.css("ul.ticket-list li")) == 20
        following = await browser.get(page.tree.css("a[rel=next]")[0].attributes["href"])
        assert len(following.tree.css("ul.ticket-list li")) == 5
        found = await browser.get("/my?q=касса")
        assert len(found.tree.css("ul.ticket-list li")) == 13
        number = (await desk.rows("tickets"))[3]["number"]
        assert len((await browser.get(f"/my?q={number.lower()}")).tree.css("ul.ticket-list li")) == 1
        assert "ничего нет" in (await browser.get("/my?q=%25<b>")).text
        for strange in ("after=zzz", "after=" + "f" * 32, "q=%F0%9F%98%80", "q=" + "x" * 3000):
            assert (await browser.get(f"/my?{strange}")).status == 200
