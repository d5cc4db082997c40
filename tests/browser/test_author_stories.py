"""What somebody who needs help does in a browser: writes, reads, answers, confirms."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from tickets.status import Status

from .conftest import Window
from .desk import Desk, link_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_form_with_a_file_becomes_a_page_where_one_can_answer(
    desk: Desk, window: Window, width: int, photo: Path
) -> None:
    page = await window(width)
    await page.goto("/form/support")
    await page.locator("[data-proof] .proof-mark:not([hidden])").wait_for(state="attached")
    await page.check("input[value=high]")
    await page.fill("#field-what", f"Касса № 5 не печатает чек, {width}")
    await page.set_input_files("#field-files", photo)
    await page.locator("[name=parked]").wait_for(state="attached")
    await page.fill("#field-name", "Ирина Петрова")
    await page.fill("#field-email", "irina@")
    await page.check("#field-consent")
    await page.click("button.main")
    await expect(page.locator(".error-summary")).to_be_focused()
    await page.fill("#field-email", f"form{width}@romashka.example")
    await page.click("button.main")
    number = await page.locator(".ticket-number").inner_text()

    await page.click("main a.button.main")
    await expect(page.locator("main .message").first).to_contain_text(f"Касса № 5 не печатает чек, {width}")
    await expect(page.locator("main .attachments")).to_contain_text("photo_E17.png")
    await page.fill("#reply textarea", "Выключили и включили, не помогло.")
    await page.click("#reply button:has-text('Отправить')")
    await expect(page.locator("main .message").last).to_contain_text("не помогло")
    view = await desk.ticket(number)
    assert [message["direction"] for message in view["messages"]] == ["in", "in"]  # type: ignore[attr-defined]


async def test_an_author_confirms_and_rates(desk: Desk, window: Window, width: int) -> None:
    address = f"author{width}@sibtrans.example"
    number = (await desk.mail(f"Сканер {width}", sender=address)).number
    await desk.program.change.status(number, Status.IN_PROGRESS, "d.volkov")
    await desk.program.change.status(number, Status.RESOLVED, "d.volkov", "Заменили кабель.")
    link = link_in(await desk.letter(address, "Заменили кабель"), "/t/")

    page = await window(width)
    await page.goto(link)
    await page.click("text=Да, работает")
    await expect(page.locator("main")).to_contain_text("Спасибо, закрыли заявку")
    await page.check("input[name=score][value='5']")
    await page.click("#rate button")
    await expect(page.locator("#rate")).to_have_count(0)
    assert (await desk.ticket(number))["status"] == "closed"


async def test_my_tickets_open_by_a_link_that_works_once(desk: Desk, window: Window, width: int) -> None:
    address = f"my{width}@sibtrans.example"
    await desk.mail(f"Весы {width}", sender=address)
    page = await window(width)
    await page.goto("/my")
    await page.fill("input[name=email]", address)
    await page.click("main button")
    await expect(page.locator("h1")).to_have_text("Проверьте почту")
    link = link_in(await desk.letter(address, "/my/enter/"), "/my/enter/")
    await page.goto(link)
    await page.click("main button")
    await expect(page.locator(".ticket-list")).to_contain_text(f"Весы {width}")

    stranger = await window(width)
    await stranger.goto(link)
    await stranger.locator("main button").first.click()
    await expect(stranger.locator("h1")).to_have_text("Эта ссылка уже не работает")
